/* The parts of the report's page: texts, charts, bars.
 *
 * Charts are SVG without a fixed size: they are as wide as the page lets them be. Colours are
 * classes of the page's style: c0 to c5 of the groups, each with a dash pattern of its own.
 */
#pragma once

#include "perf/report.h"

#define DRAW_COLOURS   6
#define DRAW_TICKS_MAX 16

/* Text with what HTML would read as its own escaped. */
void draw_text(FILE *stream, const char *text);
/* At most `characters` of it, the last being an ellipsis where it is longer. */
void draw_text_cut(FILE *stream, const char *text, size_t characters);

/* The class of a group's colour: "c0" and so on. */
unsigned draw_colour(size_t group);

struct draw_tick {
    double at;
    char text[32];
};

/* Values between low and high, equally spaced: logarithms, where it shall be logarithmic. */
struct draw_axis {
    double low;
    double high;
    const char *name;
    struct draw_tick ticks[DRAW_TICKS_MAX];
    size_t tick_count;
};

/* Axes that hold a range and begin and end at a tick: amounts from 0 up; times, logarithms of
 * nanoseconds; seconds from 0 up, that end where they end. */
struct draw_axis draw_axis_amount(const char *name, double high, bool bytes);
struct draw_axis draw_axis_time(const char *name, double low_ns, double high_ns);
struct draw_axis draw_axis_seconds(const char *name, double high);

/* Frame, grid and numbers of a chart; lines; its end. */
void draw_chart_begin(FILE *stream, const char *title, const struct draw_axis *x,
                      const struct draw_axis *y);
void draw_chart_line_begin(FILE *stream, size_t group);
void draw_chart_point(FILE *stream, const struct draw_axis *x, const struct draw_axis *y,
                      double at_x, double at_y);
void draw_chart_line_end(FILE *stream, const char *title);
void draw_chart_end(FILE *stream);

/* The pictures: each a <figure>, or a sentence where there is nothing to draw. */
void draw_latency(const struct report *report, FILE *stream);
void draw_rate(const struct report *report, FILE *stream);
void draw_bars(const struct report *report, FILE *stream);

/* The tables. */
void draw_tables(const struct report *report, FILE *stream);

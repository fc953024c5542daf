/* Charts of lines: axes, grid, lines. */
#include "perf/report_draw.h"
#include "perf/result_text.h"

#include <math.h>
#include <string.h>

#define WIDTH  520.0
#define HEIGHT 330.0
#define LEFT   74.0
#define RIGHT  24.0
#define TOP    14.0
#define BOTTOM 52.0

/* "10.0 ms" as "10 ms": ticks stand at round values. */
static void cut_zeros(char *text)
{
    char *point = strchr(text, '.');
    if (!point)
        return;
    char *rest = point + strspn(point, ".0123456789"), *end = rest;
    while (end[-1] == '0')
        end--;
    if (end[-1] == '.')
        end--;
    memmove(end, rest, strlen(rest) + 1);
}

static void add_tick(struct draw_axis *axis, double at, const char *text)
{
    if (axis->tick_count == DRAW_TICKS_MAX)
        return;
    struct draw_tick *tick = &axis->ticks[axis->tick_count++];
    tick->at = at;
    snprintf(tick->text, sizeof(tick->text), "%s", text);
    cut_zeros(tick->text);
}

/* The step of 1, 2 or 5 times a power of ten that cuts a range into at most so many. */
static double nice_step(double range, double parts)
{
    double step = pow(10, floor(log10(range / parts)));
    static const double factors[] = {1, 2, 5, 10};
    for (size_t i = 0; i < 4; i++) {
        if (step * factors[i] * parts >= range * (1 - 1e-9))
            return step * factors[i];
    }
    return step * 10;
}

struct draw_axis draw_axis_amount(const char *name, double high, bool bytes)
{
    struct draw_axis axis = {.name = name};
    double step = nice_step(high > 0 ? high : 1, 6);
    unsigned steps = high > 0 ? (unsigned)ceil(high / step - 1e-9) : 1;

    axis.high = steps * step;
    for (unsigned i = 0; i <= steps; i++) {
        char text[TEXT_NUMBER_BYTES];
        bytes ? text_bytes(i * step, text) : text_amount(i * step, text);
        add_tick(&axis, i * step, text);
    }
    return axis;
}

struct draw_axis draw_axis_seconds(const char *name, double high)
{
    struct draw_axis axis = {.name = name, .high = high > 0 ? high : 1};
    double step = nice_step(axis.high, 7);

    for (unsigned i = 0; i * step <= axis.high * (1 + 1e-9); i++) {
        char text[TEXT_NUMBER_BYTES];
        snprintf(text, sizeof(text), "%.6g", i * step);
        add_tick(&axis, i * step, text);
    }
    return axis;
}

/* The next power of ten, or 2 or 5 times one, at or above a logarithm; or at or below it. */
static double round_value(double at, bool up)
{
    static const double steps[] = {0, 0.30102999566398120, 0.69897000433601880, 1};
    double decade = floor(at), rest = at - decade;
    for (size_t i = 0; i < 3; i++) {
        if (rest <= steps[i + 1] + 1e-9 && rest >= steps[i] - 1e-9)
            return decade + (fabs(rest - steps[i]) < 1e-9 || !up ? steps[i] : steps[i + 1]);
    }
    return decade + 1;
}

struct draw_axis draw_axis_time(const char *name, double low_ns, double high_ns)
{
    static const double factors[] = {1, 2, 5};
    struct draw_axis axis = {.name = name};
    axis.low = round_value(log10(fmax(low_ns, 1)), false);
    axis.high = round_value(log10(fmax(high_ns, 1)), true);
    if (axis.high <= axis.low)
        axis.high = round_value(axis.low + 0.1, true);

    /* Ticks at 1, 2 and 5 of each decade; of many decades, at each one. */
    unsigned per_decade = axis.high - axis.low < 2.75 ? 3 : 1;
    for (double decade = floor(axis.low); decade <= axis.high; decade++) {
        for (unsigned i = 0; i < per_decade; i++) {
            char text[TEXT_NUMBER_BYTES];
            double at = decade + log10(factors[i]);
            if (at < axis.low - 1e-6 || at > axis.high + 1e-6)
                continue;
            add_tick(&axis, at, text_time(pow(10, at), text));
        }
    }
    return axis;
}

static double place_x(const struct draw_axis *axis, double at)
{
    return LEFT + (at - axis->low) / (axis->high - axis->low) * (WIDTH - LEFT - RIGHT);
}

static double place_y(const struct draw_axis *axis, double at)
{
    return HEIGHT - BOTTOM - (at - axis->low) / (axis->high - axis->low) * (HEIGHT - TOP - BOTTOM);
}

void draw_chart_begin(FILE *stream, const char *title, const struct draw_axis *x,
                      const struct draw_axis *y)
{
    fprintf(stream, "<svg class=\"chart\" viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"", WIDTH,
            HEIGHT);
    draw_text(stream, title);
    fputs("\">\n", stream);
    for (size_t i = 0; i < x->tick_count; i++) {
        double at = place_x(x, x->ticks[i].at);
        fprintf(stream, "<path class=\"grid\" d=\"M%.1f %gV%g\"/>", at, TOP, HEIGHT - BOTTOM);
        fprintf(stream, "<text x=\"%.1f\" y=\"%g\" text-anchor=\"middle\">%s</text>\n", at,
                HEIGHT - BOTTOM + 19, x->ticks[i].text);
    }
    for (size_t i = 0; i < y->tick_count; i++) {
        double at = place_y(y, y->ticks[i].at);
        fprintf(stream, "<path class=\"grid\" d=\"M%g %.1fH%g\"/>", LEFT, at, WIDTH - RIGHT);
        fprintf(stream, "<text x=\"%g\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", LEFT - 8,
                at + 4.5, y->ticks[i].text);
    }
    fprintf(stream, "<path class=\"frame\" d=\"M%g %gV%gH%g\"/>", LEFT, TOP, HEIGHT - BOTTOM,
            WIDTH - RIGHT);
    fprintf(stream, "<text x=\"%g\" y=\"%g\" text-anchor=\"middle\">%s</text>\n",
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 9, x->name);
}

void draw_chart_line_begin(FILE *stream, size_t group)
{
    fprintf(stream, "<g class=\"c%u\"><polyline class=\"line\" points=\"", draw_colour(group));
}

void draw_chart_point(FILE *stream, const struct draw_axis *x, const struct draw_axis *y,
                      double at_x, double at_y)
{
    fprintf(stream, "%.1f,%.1f ", place_x(x, at_x), place_y(y, at_y));
}

void draw_chart_line_end(FILE *stream, const char *title)
{
    fputs("\"><title>", stream);
    draw_text(stream, title);
    fputs("</title></polyline></g>\n", stream);
}

void draw_chart_end(FILE *stream)
{
    fputs("</svg>\n", stream);
}

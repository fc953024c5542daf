/* The charts of the report: latency by percentile, rate over time. */
#include "perf/report_draw.h"
#include "perf/result_text.h"

#include <math.h>
#include <string.h>

/* Steps of the percentile axis to each power of ten. */
#define STEPS_PER_DECADE 40
#define DECADES_MAX      6.0

static void figure_begin(FILE *stream, const char *title, const char *y_name)
{
    fprintf(stream, "<figure><figcaption>%s <small>%s</small></figcaption>\n", title, y_name);
}

/* Which colour is which group. */
static void legend(const struct report *report, FILE *stream)
{
    fputs("<ul class=\"legend\">\n", stream);
    for (size_t i = 0; i < report->group_count; i++) {
        fprintf(stream,
                "<li><svg class=\"key c%u\" viewBox=\"0 0 34 10\" aria-hidden=\"true\">"
                "<path class=\"line\" d=\"M0 5H34\"/></svg><span>",
                draw_colour(i));
        draw_text(stream, report->groups[i].title);
        if (report->groups[i].invalid_count > 0)
            fputs(" <b class=\"bad\">invalid</b>", stream);
        fputs("</span></li>\n", stream);
    }
    fputs("</ul></figure>\n", stream);
}

/* The percentile that is `at` powers of ten from the end: 1 is 90, 2 is 99. */
static double percentile_at(double at)
{
    return 100 * (1 - pow(10, -at));
}

/* How far out a group's percentiles mean something: to its last value. */
static double decades(const struct report_group *group)
{
    return fmin(DECADES_MAX, log10((double)group->latency.count));
}

static struct draw_axis percentile_axis(double high)
{
    struct draw_axis axis = {.name = "percentile", .high = fmax(high, 1)};
    for (unsigned i = 0; i <= (unsigned)axis.high; i++) {
        struct draw_tick *tick = &axis.ticks[axis.tick_count++];
        tick->at = i;
        snprintf(tick->text, sizeof(tick->text), "%.*f", i > 2 ? (int)i - 2 : 0, percentile_at(i));
    }
    return axis;
}

static void latency_line(const struct report_group *group, const struct draw_axis *x,
                         const struct draw_axis *y, FILE *stream)
{
    double end = decades(group);
    unsigned steps = (unsigned)ceil(end * STEPS_PER_DECADE);
    for (unsigned i = 0; i <= steps; i++) {
        double at = steps == 0 ? 0 : end * i / steps;
        double ns = (double)histogram_percentile(&group->latency, percentile_at(at));
        draw_chart_point(stream, x, y, at, log10(fmax(ns, 1)));
    }
    if (steps == 0)
        draw_chart_point(stream, x, y, 0.02, log10(fmax((double)group->latency.max_ns, 1)));
}

void draw_latency(const struct report *report, FILE *stream)
{
    double low = INFINITY, high = 0, far = 0;
    for (size_t i = 0; i < report->group_count; i++) {
        const struct report_group *group = &report->groups[i];
        if (group->latency.count == 0)
            continue;
        low = fmin(low, (double)group->latency.min_ns);
        high = fmax(high,
                    (double)histogram_percentile(&group->latency, percentile_at(decades(group))));
        far = fmax(far, decades(group));
    }
    if (isinf(low)) {
        fputs("<p>No run has latencies to draw.</p>\n", stream);
        return;
    }

    struct draw_axis x = percentile_axis(far), y = draw_axis_time("latency", low, high);
    figure_begin(stream, "Latency by percentile", "both axes logarithmic; less is better");
    draw_chart_begin(stream, "Latency by percentile", &x, &y);
    for (size_t i = 0; i < report->group_count; i++) {
        if (report->groups[i].latency.count == 0)
            continue;
        draw_chart_line_begin(stream, i);
        latency_line(&report->groups[i], &x, &y, stream);
        draw_chart_line_end(stream, report->groups[i].title);
    }
    draw_chart_end(stream);
    legend(report, stream);
}

static double interval_rate(const struct result_interval *interval, bool bytes)
{
    uint64_t amount = bytes ? interval->bytes : interval->completed;
    return interval->seconds > 0 ? (double)amount / interval->seconds : 0;
}

static void rate_line(const struct result *result, bool bytes, const struct draw_axis *x,
                      const struct draw_axis *y, FILE *stream)
{
    for (size_t i = 0; i < result->interval_count; i++) {
        const struct result_interval *interval = &result->intervals[i];
        double rate = interval_rate(interval, bytes);
        /* A step for each interval: it is a mean over it, not a value at a time. */
        draw_chart_point(stream, x, y, fmax(interval->at_s - interval->seconds, 0), rate);
        draw_chart_point(stream, x, y, interval->at_s, rate);
    }
}

void draw_rate(const struct report *report, FILE *stream)
{
    double seconds = 0, rate = 0;
    bool bytes = true;

    for (size_t i = 0; i < report->run_count; i++)
        bytes &= strcmp(report->runs[i].result->options.mode, "stream") == 0;
    for (size_t i = 0; i < report->run_count; i++) {
        const struct result *result = report->runs[i].result;
        for (size_t j = 0; j < result->interval_count; j++) {
            seconds = fmax(seconds, result->intervals[j].at_s);
            rate = fmax(rate, interval_rate(&result->intervals[j], bytes));
        }
    }
    if (seconds == 0) {
        fputs("<p>No run has intervals to draw.</p>\n", stream);
        return;
    }

    struct draw_axis x = draw_axis_seconds("seconds", seconds);
    struct draw_axis y = draw_axis_amount("rate", rate, bytes);
    figure_begin(stream, "Rate over time", bytes ? "bytes per second" : "completed per second");
    draw_chart_begin(stream, "Rate over time", &x, &y);
    for (size_t i = 0; i < report->run_count; i++) {
        if (report->runs[i].result->interval_count == 0)
            continue;
        draw_chart_line_begin(stream, report->runs[i].group);
        rate_line(report->runs[i].result, bytes, &x, &y, stream);
        draw_chart_line_end(stream, report->groups[report->runs[i].group].title);
    }
    draw_chart_end(stream);
    legend(report, stream);
}

/* Bars side by side: for each metric one picture, a bar for each group: the median of its runs, and
 * a line from the least to the largest.
 */
#include "perf/report_draw.h"
#include "perf/result_text.h"
#include "perf/stats.h"

#include <assert.h>
#include <math.h>

#define WIDTH       380.0
#define ROW         42.0
#define BAR         16.0
#define BAR_MAX     285.0 /* the longest; the rest is for its number */
#define LABEL_CHARS 42

static double latency_50(const struct result *result)
{
    return (double)histogram_percentile(&result->latency, 50);
}

static double latency_99(const struct result *result)
{
    return (double)histogram_percentile(&result->latency, 99);
}

static double latency_999(const struct result *result)
{
    return (double)histogram_percentile(&result->latency, 99.9);
}

static double cpu_per_work_ns(const struct result *result)
{
    return result_cpu_per_work(result) * 1e9;
}

static const struct metric {
    const char *title;
    const char *note;
    double (*value)(const struct result *result);
    const char *(*text)(double value, char text[static TEXT_NUMBER_BYTES]);
} metrics[] = {
    {"Throughput", "bytes per second, more is better", result_bytes_per_second, text_bytes},
    {"Rate", "completed per second, more is better", result_per_second, text_amount},
    {"Latency p50", "less is better", latency_50, text_time},
    {"Latency p99", "less is better", latency_99, text_time},
    {"Latency p99.9", "less is better", latency_999, text_time},
    {"CPU per unit of work", "of the generator, less is better", cpu_per_work_ns, text_time},
};

struct bar {
    double median;
    double least;
    double largest;
};

static struct bar group_bar(const struct report *report, size_t group, const struct metric *metric)
{
    double values[REPORT_RUNS_MAX];
    size_t count = 0;
    struct bar bar = {.least = INFINITY};

    static_assert(REPORT_RUNS_MAX <= STATS_RUNS_MAX, "their median can be taken");
    for (size_t i = 0; i < report->run_count; i++) {
        if (report->runs[i].group != group)
            continue;
        double value = metric->value(report->runs[i].result);
        values[count++] = value;
        bar.least = fmin(bar.least, value);
        bar.largest = fmax(bar.largest, value);
    }
    bar.median = stats_median(values, count);
    return bar;
}

static void draw_bar(const struct report *report, size_t group, const struct metric *metric,
                     double longest, FILE *stream)
{
    const struct report_group *of = &report->groups[group];
    struct bar bar = group_bar(report, group, metric);
    double scale = longest > 0 ? BAR_MAX / longest : 0;
    double top = ROW * (double)group + 18, length = fmax(bar.median * scale, 1);
    char text[TEXT_NUMBER_BYTES];

    fprintf(stream, "<g class=\"c%u\"><text x=\"0\" y=\"%g\">", draw_colour(group), top - 5);
    draw_text_cut(stream, of->title, LABEL_CHARS);
    if (of->invalid_count > 0)
        fputs("<tspan class=\"bad\"> invalid</tspan>", stream);
    fprintf(stream, "</text><rect class=\"bar%s\" x=\"0\" y=\"%g\" width=\"%.1f\" height=\"%g\">",
            of->invalid_count > 0 ? " hollow" : "", top, length, BAR);
    fputs("<title>", stream);
    draw_text(stream, of->title);
    fputs("</title></rect>", stream);
    double end = length;
    if (of->run_count > 1) {
        double low = bar.least * scale, middle = top + BAR / 2;
        end = fmax(end, bar.largest * scale);
        fprintf(stream, "<path class=\"range\" d=\"M%.1f %gv8m0 -4H%.1fm0 -4v8\"/>", low,
                middle - 4, end);
    }
    fprintf(stream, "<text class=\"number\" x=\"%.1f\" y=\"%g\">%s</text></g>\n", end + 7,
            top + BAR - 3, bar.median > 0 ? metric->text(bar.median, text) : "none");
}

void draw_bars(const struct report *report, FILE *stream)
{
    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        double longest = 0;
        for (size_t j = 0; j < report->group_count; j++)
            longest = fmax(longest, group_bar(report, j, &metrics[i]).largest);
        fprintf(stream,
                "<figure><figcaption>%s <small>%s</small></figcaption>\n"
                "<svg class=\"bars\" viewBox=\"0 0 %g %g\" role=\"img\" aria-label=\"%s\">\n",
                metrics[i].title, metrics[i].note, WIDTH, ROW * (double)report->group_count,
                metrics[i].title);
        for (size_t j = 0; j < report->group_count; j++)
            draw_bar(report, j, &metrics[i], longest, stream);
        fputs("</svg></figure>\n", stream);
    }
}

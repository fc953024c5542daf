/* The tables of the report: what each run measured; options and environment, once where all runs
 * share them.
 */
#include "perf/report_draw.h"
#include "perf/result_fields.h"
#include "perf/result_text.h"

#include <string.h>

static void row(FILE *stream, const char *name, const char *value)
{
    fputs("<tr><th scope=\"row\">", stream);
    draw_text(stream, name);
    fputs("</th><td>", stream);
    draw_text(stream, value);
    fputs("</td></tr>\n", stream);
}

static const void *option_base(const struct result *result)
{
    return &result->options;
}

static const void *environment_base(const struct result *result)
{
    return &result->environment;
}

/* What a run was asked for, and where it ran. */
static const struct source {
    const struct result_field_table *table;
    const void *(*base)(const struct result *result);
} sources[] = {
    {&result_option_fields, option_base},
    {&result_environment_fields, environment_base},
};
#define SOURCES (sizeof(sources) / sizeof(sources[0]))

static bool is_shared(const struct report *report, const struct source *source,
                      const struct result_field *field)
{
    char first[RESULT_TEXT_BYTES], other[RESULT_TEXT_BYTES];
    result_field_format(field, source->base(report->runs[0].result), first);
    for (size_t i = 1; i < report->run_count; i++) {
        result_field_format(field, source->base(report->runs[i].result), other);
        if (strcmp(first, other) != 0)
            return false;
    }
    return true;
}

/* Options and environment: those that all runs share, or those that they do not. */
static void draw_fields(const struct report *report, const struct result *result, bool shared,
                        FILE *stream)
{
    for (size_t i = 0; i < SOURCES; i++) {
        for (size_t j = 0; j < sources[i].table->count; j++) {
            const struct result_field *field = &sources[i].table->fields[j];
            char name[64], value[RESULT_TEXT_BYTES];
            size_t length = 0;
            if (is_shared(report, &sources[i], field) != shared)
                continue;
            for (; field->key[length] != '\0' && length + 1 < sizeof(name); length++)
                name[length] = field->key[length] == '_' ? ' ' : field->key[length];
            name[length] = '\0';
            result_field_format(field, sources[i].base(result), value);
            row(stream, name, value[0] != '\0' ? value : "-");
        }
    }
}

/* A column for each histogram that is not empty: narrow enough for a telephone. */
static void draw_percentiles(const struct result *result, FILE *stream)
{
    static const struct {
        const char *name;
        double percentile;
    } rows[] = {
        {"p50", 50}, {"p90", 90}, {"p99", 99}, {"p99.9", 99.9}, {"p99.99", 99.99}, {"max", 100},
    };
    const struct histogram *shown[RESULT_HISTOGRAMS];
    size_t count = 0;

    for (size_t i = 0; i < RESULT_HISTOGRAMS; i++) {
        if (result_histogram(result, i)->count == 0)
            continue;
        fprintf(stream, "%s<th scope=\"col\">%s</th>",
                count == 0 ? "<table class=\"percentiles\"><thead><tr><td></td>" : "",
                result_histograms[i].words);
        shown[count++] = result_histogram(result, i);
    }
    if (count == 0)
        return;
    fputs("</tr></thead><tbody>\n", stream);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fprintf(stream, "<tr><th scope=\"row\">%s</th>", rows[i].name);
        for (size_t j = 0; j < count; j++) {
            double ns = (double)histogram_percentile(shown[j], rows[i].percentile);
            char text[TEXT_NUMBER_BYTES];
            fprintf(stream, "<td>%s</td>", text_time(ns, text));
        }
        fputs("</tr>\n", stream);
    }
    fputs("</tbody></table>\n", stream);
}

static void draw_measured(const struct result *result, FILE *stream)
{
    char text[128], number[TEXT_NUMBER_BYTES], rate[TEXT_NUMBER_BYTES];

    snprintf(text, sizeof(text), "%.2f s", result->seconds);
    row(stream, "measured", text);
    snprintf(text, sizeof(text), "%llu, %s/s", (unsigned long long)result->completed,
             text_amount(result_per_second(result), rate));
    row(stream, result_completed(result), text);
    snprintf(text, sizeof(text), "%s, %s/s",
             text_bytes((double)result->bytes_up + (double)result->bytes_down, number),
             text_bytes(result_bytes_per_second(result), rate));
    row(stream, "bytes", text);
    snprintf(text, sizeof(text), "user %.2f s, system %.2f s", result->cpu_user_s,
             result->cpu_system_s);
    row(stream, "generator's CPU", text);
    snprintf(text, sizeof(text), "%llu", (unsigned long long)result_errors_total(&result->errors));
    row(stream, "errors", text);
}

static void draw_run(const struct report *report, const struct report_run *run, FILE *stream)
{
    const struct result *result = run->result;

    fprintf(stream, "<article class=\"c%u\"><h3>", draw_colour(run->group));
    draw_text(stream, report->groups[run->group].title);
    fputs("</h3><p class=\"path\">", stream);
    draw_text(stream, run->path);
    fputs("</p>\n", stream);
    if (!result->valid) {
        fputs("<p class=\"bad\"><b>Invalid run.</b>", stream);
        for (size_t i = 0; i < result->reason_count; i++) {
            fputs(i == 0 ? " " : "; ", stream);
            draw_text(stream, result->reasons[i]);
        }
        fputs("</p>\n", stream);
    }
    draw_percentiles(result, stream);
    fputs("<table><tbody>\n", stream);
    draw_measured(result, stream);
    draw_fields(report, result, false, stream);
    fputs("</tbody></table></article>\n", stream);
}

void draw_tables(const struct report *report, FILE *stream)
{
    fputs("<h2>Runs</h2>\n<div class=\"runs\">\n", stream);
    for (size_t i = 0; i < report->run_count; i++)
        draw_run(report, &report->runs[i], stream);
    fputs("</div>\n", stream);
    fprintf(stream, "<h2>Options and environment%s</h2>\n<table id=\"options\"><tbody>\n",
            report->run_count > 1 ? " of all runs" : "");
    draw_fields(report, report->runs[0].result, true, stream);
    fputs("</tbody></table>\n", stream);
}

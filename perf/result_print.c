/* The summary at the end of a run. */
#include "perf/result_fields.h"
#include "perf/result_text.h"

#include <string.h>

static void print_options(const struct result_options *options, FILE *stream)
{
    char text[TEXT_NUMBER_BYTES];

    fprintf(stream, "%s %s: %u connection%s, %u thread%s", options->mode, options->endpoint,
            options->connections, options->connections == 1 ? "" : "s", options->threads,
            options->threads == 1 ? "" : "s");
    if (strcmp(options->mode, "stream") == 0) {
        fprintf(stream, ", %s", options->direction);
        fprintf(stream, ", writes of %s", text_bytes((double)options->size, text));
    }
    if (strcmp(options->mode, "rr") == 0 || strcmp(options->mode, "crr") == 0) {
        fprintf(stream, ", request %s", text_bytes((double)options->request, text));
        fprintf(stream, ", response %s", text_bytes((double)options->response, text));
    }
    if (options->depth > 1)
        fprintf(stream, ", depth %u", options->depth);
    if (options->rate > 0)
        fprintf(stream, ", open loop (%s) at %s/s", options->arrival,
                text_amount(options->rate, text));
    if (options->verify)
        fputs(", verified", stream);
    fputc('\n', stream);
}

static void print_validity(const struct result *result, FILE *stream)
{
    if (result->valid)
        return;
    if (result->reason_count == 0)
        fputs("INVALID\n", stream);
    for (size_t i = 0; i < result->reason_count; i++)
        fprintf(stream, "INVALID: %s\n", result->reasons[i]);
}

static void print_rates(const struct result *result, FILE *stream)
{
    char first[TEXT_NUMBER_BYTES], second[TEXT_NUMBER_BYTES], third[TEXT_NUMBER_BYTES];

    fprintf(stream, "  %-16s%.2f s, after %s of warm-up\n", "measured", result->seconds,
            text_time((double)result->options.warmup_ns, first));
    fprintf(stream, "  %-16s%llu, %s/s\n", result_completed(result),
            (unsigned long long)result->completed, text_amount(result_per_second(result), first));
    fprintf(stream, "  %-16s%s up, %s down, %s/s\n", "bytes",
            text_bytes((double)result->bytes_up, first),
            text_bytes((double)result->bytes_down, second),
            text_bytes(result_bytes_per_second(result), third));
    fprintf(stream, "  %-16suser %.2f s, system %.2f s", "generator's CPU", result->cpu_user_s,
            result->cpu_system_s);
    if (result_cpu_per_work(result) > 0)
        fprintf(stream, ", %s for each %s", text_time(result_cpu_per_work(result) * 1e9, first),
                result_work(result));
    fputc('\n', stream);
}

static void print_errors(const struct result *result, FILE *stream)
{
    const char *between = "";

    fprintf(stream, "  %-16s", "errors");
    if (result_errors_total(&result->errors) == 0)
        fputs("none", stream);
    for (size_t i = 0; i < result_error_fields.count; i++) {
        const struct result_field *field = &result_error_fields.fields[i];
        uint64_t count = *(const uint64_t *)((const char *)&result->errors + field->offset);
        if (count == 0)
            continue;
        fprintf(stream, "%s%s %llu", between, field->key, (unsigned long long)count);
        between = ", ";
    }
    fputc('\n', stream);
}

static void print_histograms(const struct result *result, FILE *stream)
{
    static const double percentiles[] = {50, 90, 99, 99.9, 99.99, 100};
    bool headed = false;

    for (size_t i = 0; i < RESULT_HISTOGRAMS; i++) {
        const struct histogram *histogram = result_histogram(result, i);
        if (histogram->count == 0)
            continue;
        if (!headed)
            fprintf(stream, "  %-16s%10s%10s%10s%10s%10s%10s%13s\n", "", "p50", "p90", "p99",
                    "p99.9", "p99.99", "max", "count");
        headed = true;
        fprintf(stream, "  %-16s", result_histograms[i].words);
        for (size_t j = 0; j < sizeof(percentiles) / sizeof(percentiles[0]); j++) {
            char text[TEXT_NUMBER_BYTES];
            fprintf(stream, "%10s",
                    text_time((double)histogram_percentile(histogram, percentiles[j]), text));
        }
        fprintf(stream, "%13llu\n", (unsigned long long)histogram->count);
    }
}

void result_print(const struct result *result, FILE *stream)
{
    if (result->label[0] != '\0')
        fprintf(stream, "%s\n", result->label);
    print_options(&result->options, stream);
    print_rates(result, stream);
    print_errors(result, stream);
    print_histograms(result, stream);
    print_validity(result, stream);
}

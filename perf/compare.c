/* The metrics of runs, compared, and the table of them. */
#include "perf/compare.h"
#include "perf/result_text.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum unit {
    UNIT_BYTES,
    UNIT_AMOUNT,
    UNIT_TIME, /* nanoseconds */
};

static double latency(const struct result *result, double percentile)
{
    return (double)histogram_percentile(&result->latency, percentile);
}

static double latency_50(const struct result *result)
{
    return latency(result, 50);
}

static double latency_90(const struct result *result)
{
    return latency(result, 90);
}

static double latency_99(const struct result *result)
{
    return latency(result, 99);
}

static double latency_999(const struct result *result)
{
    return latency(result, 99.9);
}

static double connect_50(const struct result *result)
{
    return (double)histogram_percentile(&result->connect, 50);
}

static double first_byte_50(const struct result *result)
{
    return (double)histogram_percentile(&result->first_byte, 50);
}

static double cpu_per_work_ns(const struct result *result)
{
    return result_cpu_per_work(result) * 1e9;
}

static const struct {
    const char *name;
    bool more_is_better;
    enum unit unit;
    double (*value)(const struct result *result);
} metrics[COMPARE_METRICS] = {
    {"bytes per second", true, UNIT_BYTES, result_bytes_per_second},
    {"completed per second", true, UNIT_AMOUNT, result_per_second},
    {"latency p50", false, UNIT_TIME, latency_50},
    {"latency p90", false, UNIT_TIME, latency_90},
    {"latency p99", false, UNIT_TIME, latency_99},
    {"latency p99.9", false, UNIT_TIME, latency_999},
    {"connect p50", false, UNIT_TIME, connect_50},
    {"first byte p50", false, UNIT_TIME, first_byte_50},
    {"CPU per unit of work", false, UNIT_TIME, cpu_per_work_ns},
};

/* The values of a metric, those of group A first. False: not every run has one. */
static bool collect(size_t metric, struct result *const *a, size_t a_count, struct result *const *b,
                    size_t b_count, struct stats_metric *ret)
{
    for (size_t i = 0; i < a_count + b_count; i++) {
        ret->values[i] = metrics[metric].value(i < a_count ? a[i] : b[i - a_count]);
        if (!(ret->values[i] > 0 && isfinite(ret->values[i])))
            return false;
    }
    return true;
}

/* Both must agree: means that differ by more than chance allows, and medians whose interval does
 * not hold 1. */
static bool is_believed(const struct compare_row *row)
{
    bool within = row->interval.low <= 1 && 1 <= row->interval.high;
    return row->p < COMPARE_P_BELOW && !(row->has_interval && within);
}

static enum compare_verdict judge(const struct compare_row *row, double regression_percent)
{
    if (!is_believed(row) || row->ratio == 1)
        return COMPARE_SAME;
    if (row->more_is_better == (row->ratio > 1))
        return COMPARE_BETTER;
    double worse_percent = 100 * fabs(row->ratio - 1);
    return worse_percent > regression_percent ? COMPARE_REGRESSED : COMPARE_WORSE;
}

void compare_results(struct result *const *a, size_t a_count, struct result *const *b,
                     size_t b_count, double regression_percent, struct compare *ret)
{
    static_assert(COMPARE_METRICS <= STATS_METRICS_MAX, "the test takes them all");
    struct stats_metric values[COMPARE_METRICS];
    size_t present[COMPARE_METRICS], present_count = 0;
    double p[COMPARE_METRICS];

    *ret = (struct compare){.a_count = a_count, .b_count = b_count};
    for (size_t i = 0; i < COMPARE_METRICS; i++) {
        ret->rows[i].name = metrics[i].name;
        ret->rows[i].more_is_better = metrics[i].more_is_better;
        if (collect(i, a, a_count, b, b_count, &values[present_count]))
            present[present_count++] = i;
    }
    stats_permutation(values, present_count, a_count, b_count, p);
    for (size_t i = 0; i < present_count; i++) {
        struct compare_row *row = &ret->rows[present[i]];
        row->median_a = stats_median(values[i].values, a_count);
        row->median_b = stats_median(values[i].values + a_count, b_count);
        row->ratio = row->median_b / row->median_a;
        row->has_interval = stats_ratio_interval(&values[i], a_count, b_count, &row->interval);
        row->p = p[i];
        row->verdict = judge(row, regression_percent);
    }
}

bool compare_regressed(const struct compare *compare)
{
    for (size_t i = 0; i < COMPARE_METRICS; i++) {
        if (compare->rows[i].verdict == COMPARE_REGRESSED)
            return true;
    }
    return false;
}

static const char *value_text(enum unit unit, double value, char text[static TEXT_NUMBER_BYTES])
{
    switch (unit) {
    case UNIT_BYTES: return text_bytes(value, text);
    case UNIT_AMOUNT: return text_amount(value, text);
    case UNIT_TIME: return text_time(value, text);
    }
    return text;
}

static const char *verdict_text(enum compare_verdict verdict)
{
    switch (verdict) {
    case COMPARE_ABSENT: return "-";
    case COMPARE_SAME: return "no difference shown";
    case COMPARE_BETTER: return "better";
    case COMPARE_WORSE: return "worse";
    case COMPARE_REGRESSED: return "REGRESSED";
    }
    return "";
}

void compare_print(const struct compare *compare, FILE *stream)
{
    char header_a[32], header_b[32];

    snprintf(header_a, sizeof(header_a), "A (%zu runs)", compare->a_count);
    snprintf(header_b, sizeof(header_b), "B (%zu runs)", compare->b_count);
    fprintf(stream, "%-21s%13s%13s%8s  %-16s%8s  %s\n", "median", header_a, header_b, "B/A",
            "95 % interval", "p", "verdict");
    for (size_t i = 0; i < COMPARE_METRICS; i++) {
        const struct compare_row *row = &compare->rows[i];
        char a[TEXT_NUMBER_BYTES], b[TEXT_NUMBER_BYTES], interval[32] = "-";
        if (row->verdict == COMPARE_ABSENT)
            continue;
        if (row->has_interval)
            snprintf(interval, sizeof(interval), "%.3f to %.3f", row->interval.low,
                     row->interval.high);
        fprintf(stream, "%-21s%13s%13s%8.3f  %-16s%8.4f  %s\n", row->name,
                value_text(metrics[i].unit, row->median_a, a),
                value_text(metrics[i].unit, row->median_b, b), row->ratio, interval, row->p,
                verdict_text(row->verdict));
    }
    fputs(
        "p: the chance that any metric looks this different where nothing is (two-sided\n"
        "permutation test, corrected for the number of metrics). A difference is believed where p\n"
        "is below 0.05 and the interval does not hold 1.\n",
        stream);
}

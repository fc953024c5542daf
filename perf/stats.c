/* Medians, ratios and the permutation test. */
#include "perf/stats.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What a histogram cannot tell apart is no difference: the variance of a logarithm that is rounded
 * to one part in 1024. Keeps groups of equal values from being infinitely sure. */
#define VARIANCE_LEAST (1.0 / 1024 / 1024 / 12)

/* See clip(). Simulated: smaller finds less among few runs, larger less where some are disturbed.
 */
#define CLIP 1.5

static int compare_values(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static void sort_into(double *sorted, const double *values, size_t count)
{
    assert(count > 0 && count <= STATS_RUNS_MAX);
    memcpy(sorted, values, count * sizeof(*values));
    qsort(sorted, count, sizeof(*sorted), compare_values);
}

static double sorted_median(const double *sorted, size_t count)
{
    return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}

double stats_median(const double *values, size_t count)
{
    double sorted[STATS_RUNS_MAX];
    sort_into(sorted, values, count);
    return sorted_median(sorted, count);
}

double stats_ratio(const struct stats_metric *metric, size_t a_count, size_t b_count)
{
    return stats_median(metric->values + a_count, b_count) / stats_median(metric->values, a_count);
}

/* The z of which a normal value is larger with this chance. */
static double normal_quantile_above(double chance)
{
    double low = -10, high = 10;
    for (unsigned i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (0.5 * erfc(middle / M_SQRT2) > chance)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The variance of the logarithm of a median, from how far apart two values on both sides of the
 * middle stand, and the chance that the median lies beyond them. */
static double median_log_variance(const double *values, size_t count)
{
    double sorted[STATS_RUNS_MAX];
    sort_into(sorted, values, count);

    double place = round(((double)count + 1) / 2 - sqrt((double)count));
    size_t rank = place < 1 ? 1 : (size_t)place;
    double chance = 0, term = pow(0.5, (double)count - 1);
    for (size_t i = 0; i < rank; i++) {
        chance += term;
        term *= (double)(count - i) / (double)(i + 1);
    }
    double width = log(sorted[count - rank]) - log(sorted[rank - 1]);
    double deviation = width / (2 * normal_quantile_above(chance / 2));
    return deviation * deviation;
}

bool stats_ratio_interval(const struct stats_metric *metric, size_t a_count, size_t b_count,
                          struct stats_interval *ret)
{
    if (a_count < 2 || b_count < 2) {
        *ret = (struct stats_interval){0, INFINITY};
        return false;
    }
    double variance = median_log_variance(metric->values, a_count) +
                      median_log_variance(metric->values + a_count, b_count);
    double middle = log(stats_ratio(metric, a_count, b_count));
    double half = normal_quantile_above(0.025) * sqrt(variance);
    *ret = (struct stats_interval){exp(middle - half), exp(middle + half)};
    return true;
}

/* Logarithms without their mean, and without what lies far out. */
struct centred {
    double values[STATS_RUNS_MAX];
    double squares;
};

struct test {
    struct centred metrics[STATS_METRICS_MAX];
    size_t metric_count;
    size_t a_count;
    size_t run_count;
    double observed[STATS_METRICS_MAX]; /* t */
    unsigned long hits[STATS_METRICS_MAX];
    unsigned long splits;
};

/* A run that was disturbed says little about the build: what lies further from the median of all
 * than CLIP times the median distance is drawn in to there. It is done to all runs alike, before
 * they are split, so that the test stays exact. */
static void clip(double *values, size_t count)
{
    double distances[STATS_RUNS_MAX];
    double median = stats_median(values, count);
    for (size_t i = 0; i < count; i++)
        distances[i] = fabs(values[i] - median);
    double limit = CLIP * stats_median(distances, count);
    for (size_t i = 0; i < count; i++)
        values[i] = fmin(fmax(values[i], median - limit), median + limit);
}

static void centre(struct centred *centred, const struct stats_metric *metric, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        assert(metric->values[i] > 0);
        centred->values[i] = log(metric->values[i]);
    }
    clip(centred->values, count);
    for (size_t i = 0; i < count; i++)
        sum += centred->values[i];
    centred->squares = 0;
    for (size_t i = 0; i < count; i++) {
        centred->values[i] -= sum / (double)count;
        centred->squares += centred->values[i] * centred->values[i];
    }
}

/* Student's t without its sign, of group A being the runs in `members`. */
static double student(const struct test *test, const struct centred *metric, const size_t *members)
{
    double a = (double)test->a_count, b = (double)(test->run_count - test->a_count);
    double sum = 0;
    for (size_t i = 0; i < test->a_count; i++)
        sum += metric->values[members[i]];

    /* All values sum to 0, so that group B sums to -sum. */
    double within = metric->squares - sum * sum / a - sum * sum / b;
    double variance = fmax(within, 0) / fmax(a + b - 2, 1) + VARIANCE_LEAST;
    return fabs(sum / a + sum / b) / sqrt(variance * (1 / a + 1 / b));
}

static void try_split(struct test *test, const size_t *members)
{
    double largest = 0;
    for (size_t i = 0; i < test->metric_count; i++)
        largest = fmax(largest, student(test, &test->metrics[i], members));
    for (size_t i = 0; i < test->metric_count; i++)
        test->hits[i] += largest >= test->observed[i] * (1 - 1e-9);
    test->splits++;
}

/* The next of all ways to choose, in lexical order. */
static bool next_split(const struct test *test, size_t *members)
{
    for (size_t i = test->a_count; i-- > 0;) {
        if (members[i] == test->run_count - test->a_count + i)
            continue;
        members[i]++;
        for (size_t j = i + 1; j < test->a_count; j++)
            members[j] = members[j - 1] + 1;
        return true;
    }
    return false;
}

static uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Draws without putting back: the first a_count of a shuffle. */
static void random_split(const struct test *test, size_t *runs, uint64_t *state)
{
    for (size_t i = 0; i < test->a_count; i++) {
        size_t j = i + (size_t)(random_next(state) % (test->run_count - i));
        size_t drawn = runs[j];
        runs[j] = runs[i];
        runs[i] = drawn;
    }
}

/* The number of splits; beyond 2^53, near enough. */
static double split_count(size_t a_count, size_t b_count)
{
    double count = 1;
    for (size_t i = 1; i <= a_count; i++)
        count = count * (double)(b_count + i) / (double)i;
    return round(count);
}

double stats_p_least(size_t a_count, size_t b_count)
{
    double splits = split_count(a_count, b_count);
    if (splits > STATS_SPLITS_MAX)
        return 1.0 / (STATS_SPLITS_MAX + 1);
    /* Groups of one size: the mirrored split is as extreme. */
    return (a_count == b_count ? 2 : 1) / splits;
}

void stats_permutation(const struct stats_metric *metrics, size_t metric_count, size_t a_count,
                       size_t b_count, double *ret_p)
{
    assert(a_count > 0 && b_count > 0 && a_count + b_count <= STATS_RUNS_MAX);
    assert(metric_count <= STATS_METRICS_MAX);

    struct test test = {
        .metric_count = metric_count,
        .a_count = a_count,
        .run_count = a_count + b_count,
    };
    size_t runs[STATS_RUNS_MAX];
    uint64_t state = 1;

    for (size_t i = 0; i < test.run_count; i++)
        runs[i] = i;
    for (size_t i = 0; i < metric_count; i++) {
        centre(&test.metrics[i], &metrics[i], test.run_count);
        test.observed[i] = student(&test, &test.metrics[i], runs);
    }
    /* The first split is the one that was measured. */
    try_split(&test, runs);
    if (split_count(a_count, b_count) <= STATS_SPLITS_MAX) {
        while (next_split(&test, runs))
            try_split(&test, runs);
    } else {
        for (unsigned i = 0; i < STATS_SPLITS_MAX; i++) {
            random_split(&test, runs, &state);
            try_split(&test, runs);
        }
    }
    for (size_t i = 0; i < metric_count; i++)
        ret_p[i] = (double)test.hits[i] / (double)test.splits;
}

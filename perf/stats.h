/* Are these runs different from those? Two groups of repeated runs, several metrics of each run.
 *
 * Knows numbers only. Nothing is assumed of their distribution but that a difference scales them
 * (a ratio), and that under "no difference" each run could as well have been of the other group:
 * interleave the runs, or a machine that warms up is measured instead.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define STATS_RUNS_MAX    200 /* of both groups together */
#define STATS_METRICS_MAX 16

/* Up to this many ways to split the runs are all tried; of more, so many random ones. */
#define STATS_SPLITS_MAX 20000

/* One metric of all runs, those of group A first. All values are larger than 0. */
struct stats_metric {
    double values[STATS_RUNS_MAX];
};

struct stats_interval {
    double low;
    double high;
};

/* The middle value; of an even count, the mean of the two in the middle. */
double stats_median(const double *values, size_t count);

/* The ratio of the medians, B to A, and its 95 % confidence interval by the method of Price and
 * Bonett ("Distribution-free confidence intervals for difference and ratio of medians", 2002):
 * exact enough from few runs, whatever their distribution. False, and infinitely wide, where a
 * group has fewer than 2 runs. */
double stats_ratio(const struct stats_metric *metric, size_t a_count, size_t b_count);
bool stats_ratio_interval(const struct stats_metric *metric, size_t a_count, size_t b_count,
                          struct stats_interval *ret);

/* For each metric the p-value of a two-sided permutation test on Student's t of the logarithms,
 * corrected for the number of metrics (Westfall and Young: each is compared with the largest t of
 * all metrics in each split, so that metrics that move together cost nothing): the chance that any
 * metric looks this different without there being a difference. Exact where all splits are tried,
 * else from seeded random ones, the same in every run of the program. */
void stats_permutation(const struct stats_metric *metrics, size_t metric_count, size_t a_count,
                       size_t b_count, double *ret_p);

/* The least p-value that so many runs can give. */
double stats_p_least(size_t a_count, size_t b_count);

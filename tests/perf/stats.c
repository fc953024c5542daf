/* Medians, intervals and p-values against ones worked out by hand, and by simulation. */
#include "perf/stats.h"
#include "tests/perf/random.h"

#include <criterion/criterion.h>
#include <math.h>

Test(perf_stats, medians)
{
    cr_expect_eq(stats_median((double[]){3}, 1), 3);
    cr_expect_eq(stats_median((double[]){3, 1}, 2), 2);
    cr_expect_eq(stats_median((double[]){9, 1, 4}, 3), 4);
    cr_expect_eq(stats_median((double[]){9, 1, 4, 6}, 4), 5);
}

/* 3 and 3 runs can be split in 20 ways; apart as they are, 2 of those are as extreme. */
Test(perf_stats, p_of_groups_apart_is_exact)
{
    double p;
    struct stats_metric metric = {{100, 101, 102, 110, 111, 112}};
    stats_permutation(&metric, 1, 3, 3, &p);
    cr_expect_float_eq(p, 2.0 / 20, 1e-12);

    /* Of 2 and 4, the 15 ways have no mirrored one. */
    metric = (struct stats_metric){{110, 111, 100, 101, 102, 103}};
    stats_permutation(&metric, 1, 2, 4, &p);
    cr_expect_float_eq(p, 1.0 / 15, 1e-12);

    /* Of {1, 4}, {2, 3} as values: each split {1,4} is the least extreme one. */
    metric = (struct stats_metric){{exp(1), exp(4), exp(2), exp(3)}};
    stats_permutation(&metric, 1, 2, 2, &p);
    cr_expect_float_eq(p, 1, 1e-12);

    /* {1, 3}, {2, 4}: as extreme as it is or more: 4 of the 6. */
    metric = (struct stats_metric){{exp(1), exp(3), exp(2), exp(4)}};
    stats_permutation(&metric, 1, 2, 2, &p);
    cr_expect_float_eq(p, 4.0 / 6, 1e-12);
}

Test(perf_stats, equal_values_are_no_difference)
{
    double p;
    struct stats_metric metric = {{5, 5, 5, 5, 5, 5, 5, 5, 5, 5}};
    stats_permutation(&metric, 1, 5, 5, &p);
    cr_expect_eq(p, 1);
    cr_expect_eq(stats_ratio(&metric, 5, 5), 1);

    /* Two values that repeat exactly: as sure as 5 and 5 runs can be, and no surer. */
    metric = (struct stats_metric){{5, 5, 5, 5, 5, 6, 6, 6, 6, 6}};
    stats_permutation(&metric, 1, 5, 5, &p);
    cr_expect_float_eq(p, 2.0 / 252, 1e-12);
}

Test(perf_stats, the_least_p)
{
    cr_expect_float_eq(stats_p_least(1, 1), 1, 1e-12);
    cr_expect_float_eq(stats_p_least(3, 3), 0.1, 1e-12);
    cr_expect_float_eq(stats_p_least(3, 4), 1.0 / 35, 1e-12);
    cr_expect_float_eq(stats_p_least(4, 4), 2.0 / 70, 1e-12);
    cr_expect_float_eq(stats_p_least(10, 10), 1.0 / (STATS_SPLITS_MAX + 1), 1e-12);
    cr_expect_float_eq(stats_p_least(100, 100), 1.0 / (STATS_SPLITS_MAX + 1), 1e-12);
}

/* Many runs: random splits agree with Student's t, which is right for normal values. */
Test(perf_stats, random_splits_give_the_p_of_the_t_test)
{
    struct stats_metric metric;
    struct random random = {42};
    double p, again;

    for (unsigned i = 0; i < 40; i++) {
        double noise = i % 2 ? 0.01 * random_normal(&random) : -0.01 * random_normal(&random);
        metric.values[i] = exp(noise + (i < 20 ? 0 : 0.008));
    }
    double sums[2] = {0}, squares[2] = {0};
    for (unsigned i = 0; i < 40; i++) {
        sums[i / 20] += log(metric.values[i]);
        squares[i / 20] += log(metric.values[i]) * log(metric.values[i]);
    }
    double variance = 0;
    for (unsigned i = 0; i < 2; i++)
        variance += (squares[i] - sums[i] * sums[i] / 20) / 38;
    double t = fabs(sums[0] - sums[1]) / 20 / sqrt(variance * 0.1);
    stats_permutation(&metric, 1, 20, 20, &p);
    stats_permutation(&metric, 1, 20, 20, &again);
    cr_expect_eq(p, again);
    /* Of 38 degrees of freedom nearly normal; clipping moves it a little. */
    double normal = erfc(t / M_SQRT2);
    cr_expect(p > normal / 3 && p < normal * 3 + 0.01, "p %g, t %g, normal %g", p, t, normal);
}

/* One difference among many metrics that have none is corrected for their number, but metrics that
 * are copies of each other cost nothing. */
Test(perf_stats, correction_for_many_metrics)
{
    struct stats_metric metrics[10];
    struct random random = {3};
    double alone, copies[10], many[10];

    for (unsigned i = 0; i < 10; i++)
        metrics[0].values[i] = exp(0.01 * random_normal(&random) + (i < 5 ? 0 : 0.014));
    for (unsigned j = 1; j < 10; j++)
        metrics[j] = metrics[0];
    stats_permutation(metrics, 1, 5, 5, &alone);
    stats_permutation(metrics, 10, 5, 5, copies);
    cr_expect_eq(alone, copies[0]);
    cr_expect_eq(alone, copies[9]);

    for (unsigned j = 1; j < 10; j++) {
        for (unsigned i = 0; i < 10; i++)
            metrics[j].values[i] = exp(0.01 * random_normal(&random));
    }
    stats_permutation(metrics, 10, 5, 5, many);
    cr_expect_gt(many[0], 1.5 * alone, "%g, alone %g", many[0], alone);
    for (unsigned j = 0; j < 10; j++)
        cr_expect(many[j] > 0 && many[j] <= 1);
}

Test(perf_stats, intervals_of_too_few_runs)
{
    struct stats_interval interval;
    struct stats_metric metric = {{100, 110, 120}};
    cr_expect_not(stats_ratio_interval(&metric, 1, 2, &interval));
    cr_expect_eq(interval.low, 0);
    cr_expect(isinf(interval.high));
    cr_expect_not(stats_ratio_interval(&metric, 2, 1, &interval));
    metric = (struct stats_metric){{100, 100, 120, 120}};
    cr_expect(stats_ratio_interval(&metric, 2, 2, &interval));
    cr_expect_float_eq(interval.low, 1.2, 1e-9);
    cr_expect_float_eq(interval.high, 1.2, 1e-9);
}

/* How often the interval holds the true ratio, of values that are normal and of ones far from it:
 * 95 of 100 times, somewhat more often of few runs. */
Test(perf_stats, intervals_hold_what_they_promise)
{
    static const size_t sizes[] = {3, 5, 10, 25};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (unsigned skewed = 0; skewed < 2; skewed++) {
            size_t runs = sizes[i];
            struct random random = {i + 1};
            unsigned held = 0, wide = 0;
            for (unsigned j = 0; j < 4000; j++) {
                struct stats_metric metric;
                struct stats_interval interval;
                for (size_t k = 0; k < 2 * runs; k++) {
                    double noise =
                        skewed ? -log(1 - random_uniform(&random)) - M_LN2 : random_normal(&random);
                    metric.values[k] = exp(0.02 * noise) * (k < runs ? 1 : 1.07);
                }
                cr_assert(stats_ratio_interval(&metric, runs, runs, &interval));
                held += interval.low <= 1.07 && 1.07 <= interval.high;
                wide += interval.low <= 1 && 1 <= interval.high;
            }
            cr_expect(held >= 4000 * 0.93 && held < 4000, "%zu runs: %u of 4000", runs, held);
            if (runs >= 10)
                cr_expect_lt(wide, 40, "%zu runs: %u of 4000 hold 1", runs, wide);
        }
    }
}

/* What compare is worth, by simulation: how often it cries wolf where nothing changed, and how
 * often it finds a build that is 5 % slower.
 *
 * The noise is what repeated runs on a shared machine show: all metrics of a run drift together by
 * a per cent, each adds its own, the more the further out its percentile; and one run in twenty is
 * disturbed, and slower by up to 15 %.
 */
#include "perf/compare.h"
#include "tests/perf/random.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_MAX 10

/* Five values that stand exactly where the percentiles are looked up. */
static void fill_latency(struct histogram *histogram, double scale, struct random *random)
{
    static const struct {
        double ns;
        double noise;
        uint64_t count;
    } parts[] = {
        {24e3, 0.007, 500000}, {31e3, 0.015, 400000}, {60e3, 0.04, 90000},
        {150e3, 0.12, 9000},   {900e3, 0.5, 1000},
    };
    double least = 0;

    histogram_init(histogram);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        double ns = parts[i].ns * scale * exp(parts[i].noise * random_normal(random));
        least = fmax(ns, least);
        histogram_add_many(histogram, (uint64_t)least, parts[i].count);
    }
}

/* A run whose work takes `slower` times as long. */
static void simulate_run(struct result *result, double slower, struct random *random)
{
    double scale = slower * exp(0.01 * random_normal(random));
    if (random_uniform(random) < 0.05)
        scale *= 1 + 0.15 * random_uniform(random);

    strcpy(result->options.mode, "rr");
    result->seconds = 10;
    result->completed = (uint64_t)(3e5 / scale * exp(0.005 * random_normal(random)));
    result->bytes_up = result->bytes_down = 64 * result->completed;
    result->cpu_user_s = 1;
    double cpu = 20e-6 * scale * exp(0.01 * random_normal(random));
    result->cpu_system_s = cpu * (double)result->completed - 1;
    fill_latency(&result->latency, scale, random);
    histogram_init(&result->connect);
    histogram_init(&result->first_byte);
    histogram_add(&result->connect, (uint64_t)(80e3 * scale * exp(0.05 * random_normal(random))));
    histogram_add(&result->first_byte,
                  (uint64_t)(90e3 * scale * exp(0.05 * random_normal(random))));
}

struct tally {
    unsigned regressed; /* with --max-regression 2 */
    unsigned worse;     /* any metric, by any amount: --max-regression 0 */
    unsigned better;    /* any metric */
    unsigned covered;   /* the interval of p50 holds the true ratio */
    unsigned comparisons;
};

static struct tally simulate(size_t runs, double slower, unsigned comparisons, uint64_t seed)
{
    struct result *a[RUNS_MAX], *b[RUNS_MAX];
    struct random random = {seed};
    struct tally tally = {.comparisons = comparisons};

    for (size_t i = 0; i < runs; i++) {
        a[i] = result_new();
        b[i] = result_new();
    }
    for (unsigned i = 0; i < comparisons; i++) {
        struct compare compare;
        bool worse = false, better = false;
        for (size_t j = 0; j < runs; j++) {
            simulate_run(a[j], 1, &random);
            simulate_run(b[j], slower, &random);
        }
        compare_results(a, runs, b, runs, 2, &compare);
        for (size_t j = 0; j < COMPARE_METRICS; j++) {
            enum compare_verdict verdict = compare.rows[j].verdict;
            cr_assert_neq(verdict, COMPARE_ABSENT);
            worse |= verdict == COMPARE_WORSE || verdict == COMPARE_REGRESSED;
            better |= verdict == COMPARE_BETTER;
        }
        tally.regressed += compare_regressed(&compare);
        tally.worse += worse;
        tally.better += better;
        tally.covered +=
            compare.rows[2].interval.low <= slower && slower <= compare.rows[2].interval.high;
    }
    for (size_t i = 0; i < runs; i++) {
        result_free(a[i]);
        result_free(b[i]);
    }
    printf("seed %llu, %zu runs each, %.2f times as slow: %u comparisons, %u regressed, %u worse, "
           "%u better, %u in the interval\n",
           (unsigned long long)seed, runs, slower, comparisons, tally.regressed, tally.worse,
           tally.better, tally.covered);
    return tally;
}

#define COMPARISONS 200

/* Returns how often a difference was seen where there is none. */
static unsigned expect_few_alarms(size_t runs, uint64_t seed)
{
    struct tally tally = simulate(runs, 1, COMPARISONS, seed);
    cr_expect_leq(tally.regressed, COMPARISONS * 5 / 100);
    cr_expect_leq(tally.worse, COMPARISONS * 5 / 100);
    cr_expect_leq(tally.better, COMPARISONS * 5 / 100);
    cr_expect_geq(tally.covered, COMPARISONS * 90 / 100);
    return tally.worse + tally.better;
}

Test(perf_compare_simulation, a_build_against_itself)
{
    unsigned alarms = expect_few_alarms(5, 101) + expect_few_alarms(10, 102);
    /* A comparison that never speaks would pass all of this. */
    cr_expect_geq(alarms, 1);
}

Test(perf_compare_simulation, five_per_cent_slower_is_found)
{
    struct tally tally = simulate(10, 1.05, COMPARISONS, 103);
    cr_expect_geq(tally.regressed, COMPARISONS * 95 / 100);
    cr_expect_eq(tally.better, 0);
    cr_expect_geq(tally.covered, COMPARISONS * 90 / 100);
    /* 5 runs each are not enough for this noise, but not blind either. */
    tally = simulate(5, 1.05, COMPARISONS, 104);
    cr_expect_geq(tally.regressed, COMPARISONS * 75 / 100);
}

Test(perf_compare_simulation, five_per_cent_faster_is_better)
{
    struct tally tally = simulate(10, 1 / 1.05, COMPARISONS, 105);
    cr_expect_eq(tally.regressed, 0);
    cr_expect_geq(tally.better, COMPARISONS * 95 / 100);
}

/* The histogram against sorted samples: every percentile within 0.1 %, whatever the values; the
 * shape of the buckets; merging; the percentile file line by line. */
#include "perf/histogram.h"
#include "tests/perf/random.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES 20000

static struct histogram *histogram_new(void)
{
    struct histogram *histogram = malloc(sizeof(*histogram));
    cr_assert_not_null(histogram);
    histogram_init(histogram);
    return histogram;
}

static int compare_ns(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return a < b ? -1 : a > b;
}

/* The smallest sample that is no smaller than so many per mille of a hundred of all; in integers,
 * apart from what the code under test does. */
static uint64_t exact_percentile(const uint64_t *sorted, uint64_t count, uint64_t per_100000)
{
    uint64_t rank = (count * per_100000 + 99999) / 100000;
    return sorted[rank == 0 ? 0 : rank - 1];
}

static void fill(uint64_t *samples, size_t count, unsigned shape, struct random *random)
{
    for (size_t i = 0; i < count; i++) {
        double uniform = random_uniform(random);
        switch (shape) {
        case 0: samples[i] = (uint64_t)(uniform * 3000); break;
        case 1: samples[i] = (uint64_t)exp(uniform * log(3.6e12)); break;
        case 2: samples[i] = (uint64_t)(20000 * exp(random_normal(random))); break;
        case 3: samples[i] = uniform < 0.99 ? 50000 : 100000000; break;
        case 4: samples[i] = 1000 + i % 7; break;
        default: samples[i] = (uint64_t)(-1e6 * log(1 - uniform)); break;
        }
    }
}

Test(perf_histogram, percentiles_are_those_of_sorted_samples)
{
    static const uint64_t per_100000[] = {1,     1000,  10000, 25000, 50000, 75000,
                                          90000, 95000, 99000, 99900, 99990, 100000};
    uint64_t *samples = malloc(SAMPLES * sizeof(*samples));
    struct histogram *histogram = histogram_new();

    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct random random = {seed};
        size_t count = 1 + (size_t)(random_uniform(&random) * (SAMPLES - 1));
        fill(samples, count, (unsigned)(seed % 6), &random);
        histogram_init(histogram);
        double sum = 0;
        for (size_t i = 0; i < count; i++) {
            histogram_add(histogram, samples[i]);
            sum += (double)samples[i];
        }
        qsort(samples, count, sizeof(*samples), compare_ns);

        cr_expect_eq(histogram->count, count);
        cr_expect_eq(histogram->min_ns, samples[0]);
        cr_expect_eq(histogram->max_ns, samples[count - 1]);
        cr_expect_float_eq(histogram_mean(histogram), sum / (double)count, 1e-9 * sum);
        for (size_t i = 0; i < sizeof(per_100000) / sizeof(per_100000[0]); i++) {
            uint64_t exact = exact_percentile(samples, count, per_100000[i]);
            uint64_t got = histogram_percentile(histogram, (double)per_100000[i] / 1000);
            cr_expect(got >= exact && (double)(got - exact) <= (double)exact * 0.001,
                      "seed %llu: %llu/100000: %llu, exactly %llu", (unsigned long long)seed,
                      (unsigned long long)per_100000[i], (unsigned long long)got,
                      (unsigned long long)exact);
        }
    }
    free(histogram);
    free(samples);
}

Test(perf_histogram, the_deviation_is_that_of_the_samples)
{
    struct histogram *histogram = histogram_new();
    struct random random = {7};
    double sum = 0, squares = 0;

    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t ns = (uint64_t)(20000 * exp(0.5 * random_normal(&random)));
        histogram_add(histogram, ns);
        sum += (double)ns;
        squares += (double)ns * (double)ns;
    }
    double deviation = sqrt(squares / SAMPLES - sum / SAMPLES * (sum / SAMPLES));
    cr_expect_float_eq(histogram_deviation(histogram), deviation, deviation * 0.001);
    free(histogram);
}

Test(perf_histogram, buckets_adjoin_and_are_narrow)
{
    uint64_t next = 0;
    for (size_t i = 0; i < HISTOGRAM_COUNTS; i++) {
        uint64_t lowest = histogram_lowest(i), highest = histogram_highest(i);
        cr_assert_eq(lowest, next, "bucket %zu", i);
        cr_assert_leq(lowest, highest, "bucket %zu", i);
        cr_assert_leq((highest - lowest) * 1000, lowest, "bucket %zu", i);
        if (highest <= HISTOGRAM_NS_MAX) {
            cr_assert_eq(histogram_index(lowest), i);
            cr_assert_eq(histogram_index(highest), i);
        }
        next = highest + 1;
    }
    cr_expect_gt(next, HISTOGRAM_NS_MAX);
}

Test(perf_histogram, the_limit_is_counted_and_told)
{
    struct histogram *histogram = histogram_new();

    histogram_add(histogram, HISTOGRAM_NS_MAX - 1);
    histogram_add(histogram, HISTOGRAM_NS_MAX);
    cr_expect_eq(histogram->saturated, 0);
    histogram_add(histogram, HISTOGRAM_NS_MAX + 1);
    histogram_add_many(histogram, UINT64_MAX, 3);
    cr_expect_eq(histogram->saturated, 4);
    cr_expect_eq(histogram->count, 6);
    cr_expect_eq(histogram->max_ns, HISTOGRAM_NS_MAX);
    cr_expect_eq(histogram_percentile(histogram, 100), HISTOGRAM_NS_MAX);
    free(histogram);
}

Test(perf_histogram, empty_and_single)
{
    struct histogram *histogram = histogram_new();

    cr_expect_eq(histogram_percentile(histogram, 50), 0);
    cr_expect_eq(histogram_mean(histogram), 0);
    cr_expect_eq(histogram_deviation(histogram), 0);
    cr_expect_eq(histogram->min_ns, UINT64_MAX);
    histogram_add_many(histogram, 5, 0);
    cr_expect_eq(histogram->count, 0);
    cr_expect_eq(histogram->min_ns, UINT64_MAX);

    histogram_add(histogram, 1234567);
    static const double edges[] = {-1, 0, 0.0001, 50, 99.99, 100, 101};
    for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); i++)
        cr_expect_eq(histogram_percentile(histogram, edges[i]), 1234567, "%f", edges[i]);
    free(histogram);
}

/* One value more or less around the rank of a percentile: the place where rounding goes wrong. */
Test(perf_histogram, ranks_at_their_edges)
{
    struct histogram *histogram = histogram_new();

    histogram_add_many(histogram, 10, 999);
    histogram_add(histogram, 20);
    cr_expect_eq(histogram_percentile(histogram, 99.9), 10);
    cr_expect_eq(histogram_percentile(histogram, 99.91), 20);
    histogram_add(histogram, 20);
    cr_expect_eq(histogram_percentile(histogram, 99.9), 20);

    histogram_init(histogram);
    histogram_add_many(histogram, 10, 1);
    histogram_add_many(histogram, 20, 1);
    cr_expect_eq(histogram_percentile(histogram, 0), 10);
    cr_expect_eq(histogram_percentile(histogram, 50), 10);
    cr_expect_eq(histogram_percentile(histogram, 50.1), 20);

    histogram_init(histogram);
    histogram_add_many(histogram, 10, 99990000000);
    histogram_add_many(histogram, 20, 10000000);
    cr_expect_eq(histogram_percentile(histogram, 99.99), 10);
    cr_expect_eq(histogram_percentile(histogram, 99.9901), 20);
    free(histogram);
}

Test(perf_histogram, merged_parts_are_the_whole)
{
    struct histogram *whole = histogram_new();
    struct histogram *parts[3] = {histogram_new(), histogram_new(), histogram_new()};
    struct random random = {11};

    for (unsigned i = 0; i < SAMPLES; i++) {
        uint64_t ns = (uint64_t)exp(random_uniform(&random) * 30);
        histogram_add(whole, ns);
        histogram_add(parts[i % 2], ns); /* the third stays empty */
    }
    histogram_merge(parts[2], parts[0]);
    histogram_merge(parts[2], parts[1]);
    cr_expect_eq(memcmp(parts[2]->counts, whole->counts, sizeof(whole->counts)), 0);
    cr_expect_eq(parts[2]->count, whole->count);
    cr_expect_eq(parts[2]->saturated, whole->saturated);
    cr_expect_gt(whole->saturated, 0);
    cr_expect_eq(parts[2]->min_ns, whole->min_ns);
    cr_expect_eq(parts[2]->max_ns, whole->max_ns);
    cr_expect_float_eq(parts[2]->sum_ns, whole->sum_ns, whole->sum_ns * 1e-12);
    for (unsigned i = 0; i < 3; i++)
        free(parts[i]);
    free(whole);
}

static char *hgrm(const struct histogram *histogram)
{
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);
    cr_assert_not_null(stream);
    cr_assert_eq(histogram_write_hgrm(histogram, stream), 0);
    fclose(stream);
    return text;
}

/* Ten values: what HdrHistogram's outputPercentileDistribution(5, 1000) prints. */
Test(perf_histogram, hgrm_line_by_line)
{
    struct histogram *histogram = histogram_new();
    for (uint64_t ns = 100; ns <= 1000; ns += 100)
        histogram_add(histogram, ns);

    char *text = hgrm(histogram);
    cr_expect_str_eq(text, "       Value     Percentile TotalCount 1/(1-Percentile)\n"
                           "\n"
                           "       0.100 0.000000000000          1           1.00\n"
                           "       0.100 0.100000000000          1           1.11\n"
                           "       0.200 0.200000000000          2           1.25\n"
                           "       0.300 0.300000000000          3           1.43\n"
                           "       0.400 0.400000000000          4           1.67\n"
                           "       0.500 0.500000000000          5           2.00\n"
                           "       0.600 0.550000000000          6           2.22\n"
                           "       0.600 0.600000000000          6           2.50\n"
                           "       0.700 0.650000000000          7           2.86\n"
                           "       0.700 0.700000000000          7           3.33\n"
                           "       0.800 0.750000000000          8           4.00\n"
                           "       0.800 0.775000000000          8           4.44\n"
                           "       0.800 0.800000000000          8           5.00\n"
                           "       0.900 0.825000000000          9           5.71\n"
                           "       0.900 0.850000000000          9           6.67\n"
                           "       0.900 0.875000000000          9           8.00\n"
                           "       0.900 0.887500000000          9           8.89\n"
                           "       0.900 0.900000000000          9          10.00\n"
                           "       1.000 0.912500000000         10          11.43\n"
                           "       1.000 1.000000000000         10\n"
                           "#[Mean    =        0.550, StdDeviation   =        0.287]\n"
                           "#[Max     =        1.000, Total count    =           10]\n"
                           "#[Buckets =           32, SubBuckets     =         2048]\n");
    free(text);
    free(histogram);
}

Test(perf_histogram, hgrm_of_many_ends_near_the_last_value)
{
    struct histogram *histogram = histogram_new();
    struct random random = {3};
    for (unsigned i = 0; i < 1000000; i++)
        histogram_add(histogram, (uint64_t)(-1e5 * log(1 - random_uniform(&random))));

    char *text = hgrm(histogram);
    char *state = NULL;
    double value_before = 0, level_before = -1;
    unsigned long long seen_before = 0;
    unsigned lines = 0;
    strtok_r(text, "\n", &state);
    for (char *line; (line = strtok_r(NULL, "\n", &state)) && line[0] != '#'; lines++) {
        double value, level;
        unsigned long long seen;
        cr_assert_eq(sscanf(line, "%lf %lf %llu", &value, &level, &seen), 3, "%s", line);
        cr_assert(value >= value_before && level > level_before && seen >= seen_before, "%s", line);
        cr_assert_geq((double)seen / 1e6 + 1e-9, level, "%s", line);
        value_before = value;
        level_before = level;
        seen_before = seen;
    }
    cr_expect_eq(level_before, 1.0);
    cr_expect_eq(seen_before, 1000000);
    cr_expect_float_eq(value_before, (double)histogram->max_ns / 1000, 0.0006);
    /* 5 a halving, and a million is halved some 20 times. */
    cr_expect(lines > 85 && lines < 115, "%u lines", lines);
    free(text);
    free(histogram);
}

Test(perf_histogram, hgrm_of_nothing_and_onto_a_full_disk)
{
    struct histogram *histogram = histogram_new();
    char *text = hgrm(histogram);
    cr_expect_not_null(strstr(text, "Total count    =            0]"));
    cr_expect_null(strstr(text, "nan"));
    free(text);

    histogram_add(histogram, 1);
    FILE *full = fopen("/dev/full", "w");
    cr_assert_not_null(full);
    cr_expect_eq(histogram_write_hgrm(histogram, full), -ENOSPC);
    fclose(full);
    free(histogram);
}

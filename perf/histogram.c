/* The buckets of HdrHistogram: values up to 2047 have one each; from there on every power of two is
 * cut into 1024 of equal width, so that a bucket is never wider than 1/1024 of what it holds.
 *
 * Invariants: `count` is the sum of `counts`; `min_ns` and `max_ns` are exact and lie in the first
 * and last bucket that is not empty; `sum_ns` is exact but for the rounding of a double.
 */
#include "perf/histogram.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#define HALF       (HISTOGRAM_SUB_BUCKETS / 2)
#define HALF_SHIFT 10

static_assert(HALF == 1 << HALF_SHIFT, "the shift is the logarithm of the half");
static_assert(HISTOGRAM_NS_MAX >> (HISTOGRAM_BUCKETS - 1) < HISTOGRAM_SUB_BUCKETS,
              "the largest value has a bucket");

void histogram_init(struct histogram *histogram)
{
    memset(histogram, 0, sizeof(*histogram));
    histogram->min_ns = UINT64_MAX;
}

size_t histogram_index(uint64_t ns)
{
    if (ns > HISTOGRAM_NS_MAX)
        ns = HISTOGRAM_NS_MAX;
    unsigned width = 64 - (unsigned)__builtin_clzll(ns | (HISTOGRAM_SUB_BUCKETS - 1));
    unsigned shift = width - (HALF_SHIFT + 1);
    return ((size_t)shift << HALF_SHIFT) + (size_t)(ns >> shift);
}

/* How far the values of a bucket are shifted. */
static unsigned bucket_shift(size_t index)
{
    return index < HISTOGRAM_SUB_BUCKETS ? 0 : (unsigned)(index >> HALF_SHIFT) - 1;
}

uint64_t histogram_lowest(size_t index)
{
    unsigned shift = bucket_shift(index);
    return (uint64_t)(index - ((size_t)shift << HALF_SHIFT)) << shift;
}

uint64_t histogram_highest(size_t index)
{
    return histogram_lowest(index) + (UINT64_C(1) << bucket_shift(index)) - 1;
}

void histogram_add_many(struct histogram *histogram, uint64_t ns, uint64_t count)
{
    if (count == 0)
        return;
    if (ns > HISTOGRAM_NS_MAX) {
        ns = HISTOGRAM_NS_MAX;
        histogram->saturated += count;
    }
    histogram->counts[histogram_index(ns)] += count;
    histogram->count += count;
    histogram->sum_ns += (double)ns * (double)count;
    if (ns < histogram->min_ns)
        histogram->min_ns = ns;
    if (ns > histogram->max_ns)
        histogram->max_ns = ns;
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    histogram_add_many(histogram, ns, 1);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (size_t i = 0; i < HISTOGRAM_COUNTS; i++)
        into->counts[i] += from->counts[i];
    into->count += from->count;
    into->saturated += from->saturated;
    into->sum_ns += from->sum_ns;
    if (from->min_ns < into->min_ns)
        into->min_ns = from->min_ns;
    if (from->max_ns > into->max_ns)
        into->max_ns = from->max_ns;
}

/* The highest value of a bucket, but none larger than was ever added. */
static uint64_t highest_seen(const struct histogram *histogram, size_t index)
{
    uint64_t highest = histogram_highest(index);
    return highest < histogram->max_ns ? highest : histogram->max_ns;
}

/* How many values lie at or below a percentile: at least 1, at most all. */
static uint64_t percentile_rank(uint64_t count, double percentile)
{
    /* 99.9 % of 1000 is 999, not the 999.0000000000001 that doubles make of it. */
    double rank = ceil(percentile / 100 * (double)count * (1 - 1e-14));
    if (!(rank >= 1))
        return 1;
    return rank >= (double)count ? count : (uint64_t)rank;
}

uint64_t histogram_percentile(const struct histogram *histogram, double percentile)
{
    if (histogram->count == 0)
        return 0;

    uint64_t rank = percentile_rank(histogram->count, percentile);
    uint64_t seen = 0;
    for (size_t i = histogram_index(histogram->min_ns); i < HISTOGRAM_COUNTS; i++) {
        seen += histogram->counts[i];
        if (seen >= rank)
            return highest_seen(histogram, i);
    }
    return histogram->max_ns;
}

double histogram_mean(const struct histogram *histogram)
{
    return histogram->count > 0 ? histogram->sum_ns / (double)histogram->count : 0;
}

double histogram_deviation(const struct histogram *histogram)
{
    if (histogram->count == 0)
        return 0;

    double mean = histogram_mean(histogram);
    double squares = 0;
    size_t last = histogram_index(histogram->max_ns);
    for (size_t i = histogram_index(histogram->min_ns); i <= last; i++) {
        if (histogram->counts[i] == 0)
            continue;
        double middle =
            (double)histogram_lowest(i) + (double)((UINT64_C(1) << bucket_shift(i)) - 1) / 2;
        squares += (middle - mean) * (middle - mean) * (double)histogram->counts[i];
    }
    return sqrt(squares / (double)histogram->count);
}

/* Percentile levels of a .hgrm file: 5 steps for each halving of what lies above. In per cent,
 * where doubles hold every step exactly. */
#define TICKS_PER_HALF_DISTANCE 5

static double level_next(double level)
{
    double ticks = TICKS_PER_HALF_DISTANCE * 2;
    for (double above = 100 - level; above <= 50; above *= 2)
        ticks *= 2;
    return level + 100 / ticks;
}

static void write_level(FILE *stream, uint64_t ns, double level, uint64_t seen)
{
    fprintf(stream, "%12.3f %2.12f %10llu %14.2f\n", (double)ns / 1000, level / 100,
            (unsigned long long)seen, 100 / (100 - level));
}

/* The levels, from 0 to the last that the values reach; the one of 100 % stands apart. */
static void write_levels(const struct histogram *histogram, FILE *stream)
{
    double level = 0;
    uint64_t seen = 0;
    size_t last = histogram_index(histogram->max_ns);

    for (size_t i = histogram_index(histogram->min_ns); i <= last; i++) {
        if (histogram->counts[i] == 0)
            continue;
        seen += histogram->counts[i];
        uint64_t ns = highest_seen(histogram, i);
        double reached = 100 * (double)seen / (double)histogram->count;
        if (i == last) {
            write_level(stream, ns, level, seen);
            break;
        }
        for (; level <= reached; level = level_next(level))
            write_level(stream, ns, level, seen);
    }
}

int histogram_write_hgrm(const struct histogram *histogram, FILE *stream)
{
    errno = 0;
    fprintf(stream, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
            "1/(1-Percentile)");
    if (histogram->count > 0) {
        write_levels(histogram, stream);
        fprintf(stream, "%12.3f %2.12f %10llu\n", (double)histogram->max_ns / 1000, 1.0,
                (unsigned long long)histogram->count);
    }
    fprintf(stream, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n",
            histogram_mean(histogram) / 1000, histogram_deviation(histogram) / 1000);
    fprintf(stream, "#[Max     = %12.3f, Total count    = %12llu]\n",
            (double)histogram->max_ns / 1000, (unsigned long long)histogram->count);
    fprintf(stream, "#[Buckets = %12d, SubBuckets     = %12d]\n", HISTOGRAM_BUCKETS,
            HISTOGRAM_SUB_BUCKETS);
    if (fflush(stream) != 0 || ferror(stream))
        return errno != 0 ? -errno : -EIO;
    return 0;
}

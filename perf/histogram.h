/* A histogram of latencies with the buckets of HdrHistogram: log-linear, three significant digits.
 * Values are nanoseconds, from 0 to HISTOGRAM_NS_MAX (an hour); larger ones count as that, and are
 * told by `saturated`.
 *
 * A plain value of fixed size: adding allocates nothing. Histograms of several threads are merged
 * at the end.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_NS_MAX UINT64_C(3600000000000)

/* Sub-buckets that tell 3 significant digits apart: 2048, of which each further power of two adds
 * 1024. */
#define HISTOGRAM_SUB_BUCKETS 2048
#define HISTOGRAM_BUCKETS     32
#define HISTOGRAM_COUNTS      ((HISTOGRAM_BUCKETS + 1) * (HISTOGRAM_SUB_BUCKETS / 2))

struct histogram {
    uint64_t count;
    uint64_t saturated;
    uint64_t min_ns; /* UINT64_MAX: empty */
    uint64_t max_ns;
    double sum_ns;
    uint64_t counts[HISTOGRAM_COUNTS];
};

void histogram_init(struct histogram *histogram);
void histogram_add(struct histogram *histogram, uint64_t ns);
void histogram_add_many(struct histogram *histogram, uint64_t ns, uint64_t count);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The highest value that counts as equal to the one at this percentile (0 to 100), but never more
 * than max_ns: within 0.1 % above the exact one, of which it is said that so many per cent of all
 * values are no larger. 0 where empty. */
uint64_t histogram_percentile(const struct histogram *histogram, double percentile);
/* The mean is exact, the standard deviation is taken from the middles of the buckets. 0 where
 * empty. */
double histogram_mean(const struct histogram *histogram);
double histogram_deviation(const struct histogram *histogram);

/* The bucket of a value, and the lowest and highest value of a bucket. */
size_t histogram_index(uint64_t ns);
uint64_t histogram_lowest(size_t index);
uint64_t histogram_highest(size_t index);

/* HdrHistogram's percentile distribution (.hgrm), 5 steps for each halving of the rest, values in
 * microseconds, as its plotter reads it. Flushes the stream. 0 or negative errno. */
int histogram_write_hgrm(const struct histogram *histogram, FILE *stream);

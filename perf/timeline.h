/* A run in intervals of a second, to which each generator adds its part. Thread-safe.
 *
 * An interval is whole when all generators have added to it; its histogram lives until then, so
 * that a long run does not hold one for each second.
 */
#pragma once

#include "perf/result.h"

#include <pthread.h>

#define TIMELINE_INTERVAL_NS UINT64_C(1000000000)

struct timeline_interval {
    struct result_interval sum;
    struct histogram *latency; /* NULL: nothing came yet, or it is whole */
    unsigned parts;
};

struct timeline {
    pthread_mutex_t mutex;
    struct timeline_interval *intervals;
    size_t max;
    size_t count; /* begun */
    unsigned generators;
};

/* 0 or -ENOMEM. duration_ns: the longest that the run can be. */
int timeline_init(struct timeline *timeline, unsigned generators, uint64_t duration_ns);
void timeline_deinit(struct timeline *timeline);

/* One generator's part of interval `index`; its percentiles are taken from `latency`. Where memory
 * lacks, the interval has no percentiles. */
void timeline_add(struct timeline *timeline, size_t index, const struct result_interval *part,
                  const struct histogram *latency);

/* A generator has ended, and adds to no interval any more. */
void timeline_leave(struct timeline *timeline);

/* Is interval `index` whole, and which is it? */
bool timeline_read(struct timeline *timeline, size_t index, struct result_interval *ret);

/* All intervals, when all generators have ended. malloc()ed; NULL: out of memory. */
struct result_interval *timeline_intervals(struct timeline *timeline, size_t *ret_count);

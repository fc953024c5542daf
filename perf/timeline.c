/* The intervals of a run. */
#include "perf/timeline.h"

#include <errno.h>
#include <stdlib.h>

int timeline_init(struct timeline *timeline, unsigned generators, uint64_t duration_ns)
{
    size_t max = (size_t)(duration_ns / TIMELINE_INTERVAL_NS) + 2;

    *timeline = (struct timeline){
        .intervals = calloc(max, sizeof(*timeline->intervals)),
        .max = max,
        .generators = generators,
    };
    if (!timeline->intervals)
        return -ENOMEM;
    pthread_mutex_init(&timeline->mutex, NULL);
    return 0;
}

void timeline_deinit(struct timeline *timeline)
{
    for (size_t i = 0; i < timeline->count; i++)
        free(timeline->intervals[i].latency);
    free(timeline->intervals);
    pthread_mutex_destroy(&timeline->mutex);
}

static void complete(struct timeline_interval *interval)
{
    if (!interval->latency)
        return;
    interval->sum.p50_ns = histogram_percentile(interval->latency, 50);
    interval->sum.p99_ns = histogram_percentile(interval->latency, 99);
    free(interval->latency);
    interval->latency = NULL;
}

static void add_latency(struct timeline_interval *interval, const struct histogram *latency)
{
    if (interval->parts == 0) {
        interval->latency = malloc(sizeof(*interval->latency));
        if (interval->latency)
            histogram_init(interval->latency);
    }
    if (interval->latency)
        histogram_merge(interval->latency, latency);
}

void timeline_add(struct timeline *timeline, size_t index, const struct result_interval *part,
                  const struct histogram *latency)
{
    pthread_mutex_lock(&timeline->mutex);
    if (index < timeline->max) {
        struct timeline_interval *interval = &timeline->intervals[index];
        add_latency(interval, latency);
        if (part->at_s > interval->sum.at_s)
            interval->sum.at_s = part->at_s;
        if (part->seconds > interval->sum.seconds)
            interval->sum.seconds = part->seconds;
        interval->sum.completed += part->completed;
        interval->sum.bytes += part->bytes;
        interval->sum.errors += part->errors;
        if (++interval->parts >= timeline->generators)
            complete(interval);
        if (timeline->count < index + 1)
            timeline->count = index + 1;
    }
    pthread_mutex_unlock(&timeline->mutex);
}

void timeline_leave(struct timeline *timeline)
{
    pthread_mutex_lock(&timeline->mutex);
    timeline->generators--;
    for (size_t i = 0; i < timeline->count; i++)
        if (timeline->intervals[i].parts >= timeline->generators)
            complete(&timeline->intervals[i]);
    pthread_mutex_unlock(&timeline->mutex);
}

bool timeline_read(struct timeline *timeline, size_t index, struct result_interval *ret)
{
    pthread_mutex_lock(&timeline->mutex);
    bool whole = index < timeline->count && timeline->intervals[index].parts > 0 &&
                 timeline->intervals[index].parts >= timeline->generators;
    if (whole)
        *ret = timeline->intervals[index].sum;
    pthread_mutex_unlock(&timeline->mutex);
    return whole;
}

struct result_interval *timeline_intervals(struct timeline *timeline, size_t *ret_count)
{
    struct result_interval *all = calloc(timeline->count + 1, sizeof(*all));

    for (size_t i = 0; all && i < timeline->count; i++) {
        complete(&timeline->intervals[i]);
        all[i] = timeline->intervals[i].sum;
    }
    *ret_count = timeline->count;
    return all;
}

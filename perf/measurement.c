/* Counting. */
#include "perf/measurement.h"

#include <errno.h>
#include <stdlib.h>

int measurement_init(struct measurement *measurement, struct load *load, struct tally *tally)
{
    *measurement = (struct measurement){
        .load = load,
        .tally = tally,
        .from_ns = UINT64_MAX,
        .end_ns = UINT64_MAX,
        .current_latency = malloc(sizeof(*measurement->current_latency)),
    };
    if (!measurement->current_latency)
        return -ENOMEM;
    histogram_init(measurement->current_latency);
    return 0;
}

void measurement_deinit(struct measurement *measurement)
{
    free(measurement->current_latency);
}

bool measurement_in_window(const struct measurement *measurement, uint64_t ns)
{
    return ns >= measurement->from_ns && ns < measurement->end_ns;
}

void measurement_start(struct measurement *measurement)
{
    measurement->on = true;
    measurement->interval_ns = measurement->from_ns;
    measurement->current = (struct result_interval){0};
    histogram_init(measurement->current_latency);
    getrusage(RUSAGE_THREAD, &measurement->usage);
}

void measurement_interval_over(struct measurement *measurement, uint64_t now_ns)
{
    uint64_t since_start_ns = measurement->interval_ns - measurement->from_ns;

    measurement->current.at_s = (double)(now_ns - measurement->from_ns) / 1e9;
    measurement->current.seconds = (double)(now_ns - measurement->interval_ns) / 1e9;
    timeline_add(&measurement->load->timeline, (size_t)(since_start_ns / TIMELINE_INTERVAL_NS),
                 &measurement->current, measurement->current_latency);
    measurement->interval_ns += TIMELINE_INTERVAL_NS;
    measurement->current = (struct result_interval){0};
    histogram_init(measurement->current_latency);
}

static double seconds_between(struct timeval from, struct timeval to)
{
    return (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_usec - from.tv_usec) / 1e6;
}

void measurement_stop(struct measurement *measurement, uint64_t now_ns)
{
    struct tally *tally = measurement->tally;
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    tally->cpu_user_s = seconds_between(measurement->usage.ru_utime, usage.ru_utime);
    tally->cpu_system_s = seconds_between(measurement->usage.ru_stime, usage.ru_stime);
    tally->measured_s = (double)(now_ns - measurement->from_ns) / 1e9;
    measurement_interval_over(measurement, now_ns);
    measurement->on = false;
}

void measurement_latency(struct measurement *measurement, uint64_t since_ns, uint64_t now_ns,
                         uint64_t count)
{
    uint64_t latency_ns = now_ns > since_ns ? (now_ns - since_ns) / count : 1;

    if (!measurement_in_window(measurement, since_ns))
        return;
    histogram_add_many(&measurement->tally->latency, latency_ns, count);
    if (measurement->on)
        histogram_add_many(measurement->current_latency, latency_ns, count);
}

void measurement_completed(struct measurement *measurement, uint64_t count)
{
    if (!measurement->on)
        return;
    measurement->tally->completed += count;
    measurement->current.completed += count;
}

void measurement_bytes(struct measurement *measurement, enum measurement_direction direction,
                       size_t bytes)
{
    struct tally *tally = measurement->tally;

    if (!measurement->on)
        return;
    *(direction == MEASUREMENT_UP ? &tally->bytes_up : &tally->bytes_down) += bytes;
    measurement->current.bytes += bytes;
}

void measurement_error(struct measurement *measurement, uint64_t *counter)
{
    ++*counter;
    measurement->current.errors++;
}

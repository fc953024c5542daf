/* What one generator measures: counts and histograms of the whole run in its tally, and of the
 * current interval, which it adds to the timeline of the run once a second.
 *
 * Before its window, and behind it, nothing is counted but errors. Latency is counted by when a
 * request was planned, so that those planned in the window and answered after it are among it;
 * what completes is counted by when it did.
 */
#pragma once

#include "perf/generator.h"

#include <sys/resource.h>

struct measurement {
    struct load *load;
    struct tally *tally;
    uint64_t from_ns; /* the window; UINT64_MAX: not known yet */
    uint64_t end_ns;
    bool on;
    uint64_t interval_ns; /* where the current interval began */
    struct result_interval current;
    struct histogram *current_latency;
    struct rusage usage; /* at the start of the window */
};

int measurement_init(struct measurement *measurement, struct load *load, struct tally *tally);
void measurement_deinit(struct measurement *measurement);

/* At from_ns, and once a second from there; and when the window is over. */
void measurement_start(struct measurement *measurement);
void measurement_interval_over(struct measurement *measurement, uint64_t now_ns);
void measurement_stop(struct measurement *measurement, uint64_t now_ns);

bool measurement_in_window(const struct measurement *measurement, uint64_t ns);

/* `count` that took the time from since_ns to now_ns, one after the other. since_ns decides whether
 * they count. */
void measurement_latency(struct measurement *measurement, uint64_t since_ns, uint64_t now_ns,
                         uint64_t count);
void measurement_completed(struct measurement *measurement, uint64_t count);

enum measurement_direction {
    MEASUREMENT_UP,
    MEASUREMENT_DOWN,
};
void measurement_bytes(struct measurement *measurement, enum measurement_direction direction,
                       size_t bytes);

/* counter: one of the tally's errors. */
void measurement_error(struct measurement *measurement, uint64_t *counter);

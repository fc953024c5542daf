/* The times at which an open loop plans its requests. They follow from the rate alone, and know
 * nothing of how the requests get on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct schedule {
    double next_ns; /* fractions of a nanosecond add up over a run */
    double gap_ns;  /* the mean one, where poisson */
    bool poisson;   /* gaps are exponential, else constant */
    uint64_t random;
};

/* per_second > 0. The same seed gives the same gaps. */
void schedule_init(struct schedule *schedule, double per_second, bool poisson, uint64_t seed);

/* first_ns: when the first is planned. */
void schedule_start(struct schedule *schedule, double first_ns);

/* When the next is planned. */
uint64_t schedule_next_ns(const struct schedule *schedule);
void schedule_advance(struct schedule *schedule);

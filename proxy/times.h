/* A histogram of times: how many took at most so long. Of any thread. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#define TIMES_BOUNDS_MAX 15

struct times_bounds {
    unsigned count;
    uint64_t ns[TIMES_BOUNDS_MAX];
};

/* Of what is waited for, and of what lasts. */
extern const struct times_bounds times_of_waits;
extern const struct times_bounds times_of_sessions;

struct times {
    const struct times_bounds *bounds;
    atomic_uint_fast64_t counts[TIMES_BOUNDS_MAX + 1]; /* the one behind all bounds: longer */
    atomic_uint_fast64_t sum_ns;
};

void times_init(struct times *times, const struct times_bounds *bounds);
void times_add(struct times *times, uint64_t ns);

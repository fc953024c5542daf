/* How many may begin in a second: at an even pace each would begin so long behind the one before,
 * and as many as a second allows may come at once. Of any thread.
 *
 * `max` is the rate in a second, above 0; `now_ns` of a monotonic clock.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RATE_NS_PER_S UINT64_C(1000000000)

struct rate {
    atomic_uint_fast64_t latest_ns; /* when the latest would have begun at the even pace */
};

/* Rounded up: never more than `max`. */
static inline uint64_t rate_pace_ns(uint32_t max)
{
    return (RATE_NS_PER_S + max - 1) / max;
}

/* One more begins; false: it is too many. */
static inline bool rate_take(struct rate *rate, uint32_t max, uint64_t now_ns)
{
    uint64_t pace_ns = rate_pace_ns(max);
    uint64_t latest_ns = atomic_load(&rate->latest_ns);
    uint64_t next_ns;

    do {
        next_ns = (latest_ns > now_ns ? latest_ns : now_ns) + pace_ns;
        if (next_ns > now_ns + max * pace_ns)
            return false;
    } while (!atomic_compare_exchange_weak(&rate->latest_ns, &latest_ns, next_ns));
    return true;
}

/* What was taken did not begin after all. */
static inline void rate_give_back(struct rate *rate, uint32_t max)
{
    atomic_fetch_sub(&rate->latest_ns, rate_pace_ns(max));
}

/* How many may begin. */
static inline uint32_t rate_room(const struct rate *rate, uint32_t max, uint64_t now_ns)
{
    uint64_t latest_ns = atomic_load(&rate->latest_ns);
    uint64_t ahead_ns = latest_ns > now_ns ? latest_ns - now_ns : 0;
    uint64_t pace_ns = rate_pace_ns(max);

    return ahead_ns < max * pace_ns ? (uint32_t)((max * pace_ns - ahead_ns) / pace_ns) : 0;
}

/* When the next one may; it is past where there is room. */
static inline uint64_t rate_next_ns(const struct rate *rate, uint32_t max)
{
    uint64_t latest_ns = atomic_load(&rate->latest_ns);
    uint64_t ahead_ns = (max - 1) * rate_pace_ns(max);

    return latest_ns > ahead_ns ? latest_ns - ahead_ns : 0;
}

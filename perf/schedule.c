/* Gaps, constant or exponential. */
#include "perf/schedule.h"

#include <math.h>

void schedule_init(struct schedule *schedule, double per_second, bool poisson, uint64_t seed)
{
    *schedule = (struct schedule){
        .gap_ns = 1e9 / per_second,
        .poisson = poisson,
        .random = seed * 2 + 1, /* xorshift stands still at 0 */
    };
}

/* In [0, 1), by xorshift64*: an exponential gap needs no better. */
static double random_unit(struct schedule *schedule)
{
    schedule->random ^= schedule->random >> 12;
    schedule->random ^= schedule->random << 25;
    schedule->random ^= schedule->random >> 27;
    return (double)((schedule->random * UINT64_C(0x2545f4914f6cdd1d)) >> 11) / 9007199254740992.0;
}

void schedule_start(struct schedule *schedule, double first_ns)
{
    schedule->next_ns = first_ns;
}

uint64_t schedule_next_ns(const struct schedule *schedule)
{
    return (uint64_t)schedule->next_ns;
}

void schedule_advance(struct schedule *schedule)
{
    schedule->next_ns +=
        schedule->poisson ? -log(1.0 - random_unit(schedule)) * schedule->gap_ns : schedule->gap_ns;
}

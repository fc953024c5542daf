/* Counting times. */
#include "proxy/times.h"

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

/* A service of this machine answers in a tenth of a millisecond; a guest boots for seconds. */
const struct times_bounds times_of_waits = {
    15,
    {100 * US, 250 * US, 500 * US, 1 * MS, 2500 * US, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS,
     250 * MS, 500 * MS, 1 * S, 5 * S, 30 * S},
};

const struct times_bounds times_of_sessions = {
    8,
    {1 * MS, 10 * MS, 100 * MS, 1 * S, 10 * S, 100 * S, 1000 * S, 10000 * S},
};

void times_init(struct times *times, const struct times_bounds *bounds)
{
    *times = (struct times){.bounds = bounds};
}

void times_add(struct times *times, uint64_t ns)
{
    unsigned i = 0;

    while (i < times->bounds->count && ns > times->bounds->ns[i])
        i++;
    atomic_fetch_add_explicit(&times->counts[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&times->sum_ns, ns, memory_order_relaxed);
}

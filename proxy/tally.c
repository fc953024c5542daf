/* Counters. */
#include "proxy/tally.h"

#include <stdlib.h>
#include <string.h>

bool tally_init(struct tally *tally, unsigned workers)
{
    size_t bytes = workers * sizeof(struct tally_bytes);

    *tally = (struct tally){
        .workers = workers,
        .bytes = aligned_alloc(TALLY_LINE_BYTES, bytes),
    };
    times_init(&tally->connecting, &times_of_waits);
    times_init(&tally->first_bytes, &times_of_waits);
    times_init(&tally->lasting, &times_of_sessions);
    if (tally->bytes)
        memset(tally->bytes, 0, bytes);
    return tally->bytes;
}

void tally_deinit(struct tally *tally)
{
    free(tally->bytes);
}

void tally_add_end(struct tally *tally, enum reason reason, uint64_t lasted_ns)
{
    atomic_fetch_add_explicit(&tally->ended[reason], 1, memory_order_relaxed);
    times_add(&tally->lasting, lasted_ns);
}

uint64_t tally_bytes(const struct tally *tally, enum tally_direction direction)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < tally->workers; i++)
        sum += atomic_load_explicit(&tally->bytes[i].at[direction], memory_order_relaxed);
    return sum;
}

/* What sessions come to: those of a route, or those of a guest. How they ended, how long things
 * took, and the bytes that they have relayed so far.
 *
 * Counted where it happens and read by who shows it, of any thread. Bytes are counted for each
 * send: every worker has counters of its own for them, that no other one writes.
 */
#pragma once

#include "proxy/reason.h"
#include "proxy/times.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Which way: of a route, to its targets and back; of a guest, to it and from it. */
enum tally_direction {
    TALLY_THERE,
    TALLY_BACK,
    TALLY_DIRECTIONS,
};

#define TALLY_LINE_BYTES 64

struct tally_bytes {
    alignas(TALLY_LINE_BYTES) atomic_uint_fast64_t at[TALLY_DIRECTIONS];
};

struct tally {
    atomic_uint_fast64_t ended[REASON_COUNT];
    struct times connecting;  /* from when the target was asked until it was reached */
    struct times first_bytes; /* from the accepting until the target's first byte was handed on */
    struct times lasting;     /* from the accepting to the end */
    unsigned workers;
    struct tally_bytes *bytes; /* of each worker */
};

/* false: out of memory. */
bool tally_init(struct tally *tally, unsigned workers);
void tally_deinit(struct tally *tally);

/* Of that worker's thread. */
static inline void tally_add_bytes(struct tally *tally, unsigned worker,
                                   enum tally_direction direction, uint64_t count)
{
    atomic_uint_fast64_t *at = &tally->bytes[worker].at[direction];

    atomic_store_explicit(at, atomic_load_explicit(at, memory_order_relaxed) + count,
                          memory_order_relaxed);
}

/* A session has ended. */
void tally_add_end(struct tally *tally, enum reason reason, uint64_t lasted_ns);

/* Of all workers. */
uint64_t tally_bytes(const struct tally *tally, enum tally_direction direction);

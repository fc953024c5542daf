/* The receive buffers of a ring, and who holds each: kept (out of circulation), offered to the
 * kernel, or held by a handler.
 *
 * RING_BUFFERS_IDLE are on offer at first; one more whenever the kernel found none. Those that come
 * back while so many are on offer are kept: the latest BUFFERS_WARM with their memory, the others
 * without.
 */
#pragma once

#include "ring/ring.h"

#include <liburing.h>

#define BUFFERS_WARM 192

struct buffers {
    struct io_uring_buf_ring *offers; /* shared with the kernel */
    size_t offers_bytes;
    unsigned offers_mask;
    char *memory;
    uint8_t *states;
    uint16_t *kept; /* stack of the buffers out of circulation */
    unsigned kept_count;
    unsigned warm; /* of them, the topmost: with their memory */
    unsigned max;
    unsigned offered;
    unsigned held;
};

/* Registers them with `uring` as buffer group 0. */
int buffers_init(struct buffers *buffers, struct io_uring *uring, unsigned max);
void buffers_deinit(struct buffers *buffers);

/* The kernel handed this one out. */
void buffers_hold(struct buffers *buffers, unsigned buffer);
void buffers_return(struct buffers *buffers, unsigned buffer);

/* Puts one more into circulation; false: all are. */
bool buffers_grow(struct buffers *buffers);

char *buffers_at(struct buffers *buffers, unsigned buffer);

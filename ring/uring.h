/* The engine on io_uring: what its files share. */
#pragma once

#include "ring/engine.h"
#include "ring/feature.h"
#include "ring/receive_now.h"

#include <liburing.h>

struct uring {
    struct ring ring;
    struct io_uring uring;
    bool has[RING_FEATURES];
    struct io_uring_buf_ring *offers; /* receive buffers, shared with the kernel */
    size_t offers_bytes;
    unsigned offers_mask;
    struct offers pool;    /* the buffers on offer, where the kernel takes none */
    struct batch readable; /* what was polled then, and is to be received */
};

static inline struct uring *uring_of(struct ring *ring)
{
    return (struct uring *)ring;
}

/* A free submission entry. */
struct io_uring_sqe *uring_entry(struct ring *ring);

void uring_accept(struct ring *ring, struct ring_op *op);
void uring_receive(struct ring *ring, struct ring_op *op);
void uring_stop(struct ring *ring, struct ring_op *op);

/* As struct ring_engine has it. */
bool uring_settle(struct ring *ring, struct completion *completion);

/* What an engine is to the ring: it begins operations, and puts what became of them into the batch.
 *
 * ring.c arms, counts, dispatches and keeps the timers; engines know the kernel's interface. An
 * engine embeds struct ring as its first member.
 */
#pragma once

#include "ring/buffers.h"
#include "ring/ring.h"

struct completion {
    struct ring_op *op;
    int result;
    unsigned flags;
};

struct batch {
    struct completion *at;
    size_t count;
    size_t room;
};

/* What cancels in flight are about. */
struct fds {
    int *at;
    size_t count;
    size_t room;
};

/* The functions that begin an operation get it armed: op->fd, op->kind and, of a poll, op->events
 * are set. They do not fail: an error is a completion. */
struct ring_engine {
    const char *name;
    void (*free)(struct ring *ring);

    void (*accept)(struct ring *ring, struct ring_op *op);  /* and accept_on, by op->kind */
    void (*receive)(struct ring *ring, struct ring_op *op); /* and receive_on, by op->kind */
    void (*read)(struct ring *ring, struct ring_op *op);
    void (*send)(struct ring *ring, struct ring_op *op, const void *data, size_t length);
    void (*write)(struct ring *ring, struct ring_op *op, const void *data, size_t length);
    void (*connect)(struct ring *ring, struct ring_op *op); /* waits for what connect(2) began */
    void (*poll)(struct ring *ring, struct ring_op *op);
    void (*watch)(struct ring *ring, struct ring_op *op);
    void (*cancel)(struct ring *ring, struct ring_op *op);
    void (*stop)(struct ring *ring, struct ring_op *op);

    /* Hands over what was begun, waits so long for a completion (UINT64_MAX: for ever), and adds
     * what has completed to ring->batch. Negative errno: broken. */
    int (*turn)(struct ring *ring, uint64_t wait_ns);

    /* Before a completion is told: may change it, or keep it (false) because the operation goes on
     * otherwise. NULL: all are told. */
    bool (*settle)(struct ring *ring, struct completion *completion);
};

struct ring {
    const struct ring_engine *engine;
    struct buffers buffers;
    struct ring_timers timers;
    struct batch batch; /* being dispatched */
    struct batch soon;  /* completed since: to be dispatched behind it */
    struct batch later; /* to be dispatched in the next turn */
    uint64_t now_ns;
    uint64_t spin_ns;
    unsigned in_flight;
    unsigned completions_max;
    uint64_t turns;
    uint64_t overflows; /* the engine's to count, as ring_figures tells them */
    struct fds cancels;
    int refusal; /* of io_uring, where another engine was taken */
};

void batch_add(struct batch *batch, struct ring_op *op, int result, unsigned flags);

/* Is a cancel on its way to every operation on this descriptor? What is begun anew behind it, it
 * would miss. */
bool ring_cancels(const struct ring *ring, int fd);

/* Zeroed memory of `bytes`, that begins with a struct ring of this engine. NULL: out of memory. */
struct ring *ring_allocate(size_t bytes, const struct ring_engine *engine,
                           const struct ring_options *options);
void ring_release(struct ring *ring);

int uring_new(struct ring **ret, const struct ring_options *options);
int epoll_new(struct ring **ret, const struct ring_options *options);

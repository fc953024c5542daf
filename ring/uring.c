/* The engine on io_uring: what is begun, and what comes back. */
#include "ring/uring.h"

#include "ring/restriction.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define ENTRIES_DEFAULT 1024

/* The most telling refusal: with the flags that this kernel does not know left out one after the
 * other. */
static int queue_init(struct uring *uring, unsigned entries)
{
    static const unsigned wishes[] = {
#ifdef IORING_SETUP_DEFER_TASKRUN
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
#endif
        IORING_SETUP_COOP_TASKRUN,
        0,
    };
    unsigned disabled = uring->has[RING_RESTRICTIONS] ? IORING_SETUP_R_DISABLED : 0;
    int error = -EINVAL;
    size_t first = 0;

#ifdef IORING_SETUP_DEFER_TASKRUN
    first = uring->has[RING_DEFER_TASKRUN] ? 0 : 1;
#endif
    for (size_t i = first; i < sizeof(wishes) / sizeof(wishes[0]) && error == -EINVAL; i++) {
        struct io_uring_params params = {
            .flags = wishes[i] | disabled | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
            .cq_entries = entries * 4,
        };
        error = io_uring_queue_init_params(entries, &uring->uring, &params);
    }
    return error;
}

static void offer(struct buffers *buffers, unsigned buffer)
{
    struct uring *uring = (void *)((char *)buffers - offsetof(struct ring, buffers));

    if (!uring->has[RING_BUFFER_RINGS]) {
        offers_add(&uring->pool, buffer);
        return;
    }
    io_uring_buf_ring_add(uring->offers, buffers_at(buffers, buffer), (unsigned)buffers->bytes,
                          (unsigned short)buffer, (int)uring->offers_mask, 0);
    io_uring_buf_ring_advance(uring->offers, 1);
}

static unsigned power_of_two_at_least(unsigned n)
{
    unsigned power = 1;
    while (power < n)
        power *= 2;
    return power;
}

/* Receive buffers as a provided-buffer ring (io_uring_register_buf_ring(3), kernel 5.19). */
static int buffer_ring_init(struct uring *uring)
{
    unsigned entries = power_of_two_at_least(uring->ring.buffers.max);
    void *offers = mmap(NULL, entries * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (offers == MAP_FAILED)
        return -ENOMEM;
    uring->offers = offers;
    uring->offers_bytes = entries * sizeof(struct io_uring_buf);
    uring->offers_mask = entries - 1;
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)offers,
        .ring_entries = entries,
        .bgid = 0,
    };
    int error = io_uring_register_buf_ring(&uring->uring, &registration, 0);
    if (error < 0)
        return error;
    io_uring_buf_ring_init(uring->offers);
    return 0;
}

/* From here on the ring does what this engine submits, and nothing else, whoever writes into its
 * queue (io_uring_register_restrictions(3)). Its buffers are registered; of what could be
 * registered later one thing has to be named for all else to be refused, and that one does nothing
 * any more. */
static int restrict_to_use(struct uring *uring)
{
    struct io_uring_restriction in_use[] = {
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_ACCEPT},
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_RECV},
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READ},
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_SEND},
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_WRITE},
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_POLL_ADD},
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_ASYNC_CANCEL},
        {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = IOSQE_BUFFER_SELECT},
        {.opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = IORING_REGISTER_ENABLE_RINGS},
    };

    return restriction_begin(&uring->uring, in_use, sizeof(in_use) / sizeof(in_use[0]));
}

static void uring_free(struct ring *ring)
{
    struct uring *uring = uring_of(ring);

    io_uring_queue_exit(&uring->uring);
    if (uring->offers)
        munmap(uring->offers, uring->offers_bytes);
    offers_deinit(&uring->pool);
    free(uring->readable.at);
    ring_release(ring);
}

static bool is_receive(const struct ring_op *op)
{
    return op->kind == RING_OP_RECEIVE || op->kind == RING_OP_RECEIVE_ON ||
           op->kind == RING_OP_READ;
}

/* Where the kernel takes no buffers, what completed are polls. It is received when all completions
 * were taken and before any handler runs: the error that a reset leaves is told once, and a send
 * that had it is told first. A cancel that came behind the poll will be told before. */
static void receive_polled(struct ring *ring, struct batch *batch)
{
    struct uring *uring = uring_of(ring);

    for (size_t i = 0; i < uring->readable.count; i++) {
        struct ring_op *op = uring->readable.at[i].op;
        unsigned flags = 0;
        int result = (op->kind == RING_OP_READ ? read_ready : receive_now)(
            &ring->buffers, &uring->pool, op->fd, &flags);
        if (ring_cancels(ring, op->fd))
            op->stopping = true;
        batch_add(batch, op, result, flags);
    }
    uring->readable.count = 0;
}

/* Translates one completion of the kernel, settling what it says about buffers. */
static void take(struct ring *ring, struct batch *batch, const struct io_uring_cqe *cqe)
{
    struct ring_op *op = io_uring_cqe_get_data(cqe);
    unsigned flags = cqe->flags & IORING_CQE_F_MORE ? RING_MORE : 0;

    if (cqe->flags & IORING_CQE_F_BUFFER) {
        unsigned buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
        buffers_hold(&ring->buffers, buffer);
        if (cqe->res > 0)
            flags |= RING_BUFFER | buffer << RING_BUFFER_SHIFT;
        else
            buffers_return(&ring->buffers, buffer);
    }
    int result = cqe->res;
    if (is_receive(op) && result == -ENOBUFS && !buffers_grow(&ring->buffers))
        result = -ENOMEM;
    if (is_receive(op) && result > 0 && !uring_of(ring)->has[RING_BUFFER_RINGS])
        batch = &uring_of(ring)->readable;
    batch_add(batch, op, result, flags);
}

static void drain(struct ring *ring, struct batch *batch)
{
    struct uring *uring = uring_of(ring);
    struct io_uring_cqe *cqes[64];
    unsigned count;

    while ((count = io_uring_peek_batch_cqe(&uring->uring, cqes, 64)) > 0) {
        for (unsigned i = 0; i < count; i++)
            if (io_uring_cqe_get_data(cqes[i]))
                take(ring, batch, cqes[i]);
        io_uring_cq_advance(&uring->uring, count);
    }
    receive_polled(ring, batch);
}

/* A free submission entry. The queue is handed to the kernel when it is full; where the kernel
 * takes nothing (it is short of memory, or its completion queue is full), completions are drained
 * first. */
struct io_uring_sqe *uring_entry(struct ring *ring)
{
    struct io_uring *uring = &uring_of(ring)->uring;
    struct io_uring_sqe *sqe;

    while (!(sqe = io_uring_get_sqe(uring))) {
        int submitted = io_uring_submit(uring);
        if (submitted > 0)
            continue;
        assert(submitted == 0 || submitted == -EBUSY || submitted == -EAGAIN ||
               submitted == -EINTR || submitted == -ENOMEM);
        drain(ring, &ring->soon);
        sched_yield();
    }
    return sqe;
}

void uring_accept(struct ring *ring, struct ring_op *op)
{
    struct io_uring_sqe *sqe = uring_entry(ring);

    if (op->kind == RING_OP_ACCEPT_ON && uring_of(ring)->has[RING_MULTISHOT_ACCEPT])
        io_uring_prep_multishot_accept(sqe, op->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    else
        io_uring_prep_accept(sqe, op->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    io_uring_sqe_set_data(sqe, op);
}

/* receive_polled() receives when they are there. */
static void await_bytes(struct io_uring_sqe *sqe, struct ring_op *op)
{
    io_uring_prep_poll_add(sqe, op->fd, POLLIN);
    io_uring_sqe_set_data(sqe, op);
}

void uring_receive(struct ring *ring, struct ring_op *op)
{
    struct uring *uring = uring_of(ring);
    struct io_uring_sqe *sqe = uring_entry(ring);

    if (!uring->has[RING_BUFFER_RINGS]) {
        await_bytes(sqe, op);
        return;
    }
    if (op->kind == RING_OP_RECEIVE_ON && uring->has[RING_MULTISHOT_RECEIVE])
        io_uring_prep_recv_multishot(sqe, op->fd, NULL, 0, 0);
    else
        io_uring_prep_recv(sqe, op->fd, NULL, 0, 0);
    sqe->buf_group = 0;
    io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
    io_uring_sqe_set_data(sqe, op);
}

static void uring_read(struct ring *ring, struct ring_op *op)
{
    struct io_uring_sqe *sqe = uring_entry(ring);

    if (!uring_of(ring)->has[RING_BUFFER_RINGS]) {
        await_bytes(sqe, op);
        return;
    }
    io_uring_prep_read(sqe, op->fd, NULL, (unsigned)ring->buffers.bytes, (uint64_t)-1);
    sqe->buf_group = 0;
    io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
    io_uring_sqe_set_data(sqe, op);
}

static void uring_send(struct ring *ring, struct ring_op *op, const void *data, size_t length)
{
    struct io_uring_sqe *sqe = uring_entry(ring);

    io_uring_prep_send(sqe, op->fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    io_uring_sqe_set_data(sqe, op);
}

static void uring_write(struct ring *ring, struct ring_op *op, const void *data, size_t length)
{
    struct io_uring_sqe *sqe = uring_entry(ring);

    io_uring_prep_write(sqe, op->fd, data, (unsigned)length, (uint64_t)-1);
    io_uring_sqe_set_data(sqe, op);
}

static void uring_connect(struct ring *ring, struct ring_op *op)
{
    struct io_uring_sqe *sqe = uring_entry(ring);

    io_uring_prep_poll_add(sqe, op->fd, POLLOUT);
    io_uring_sqe_set_data(sqe, op);
}

static void uring_poll(struct ring *ring, struct ring_op *op)
{
    struct io_uring_sqe *sqe = uring_entry(ring);

    io_uring_prep_poll_add(sqe, op->fd, op->events);
    op->events |= POLLERR | POLLHUP | POLLNVAL;
    io_uring_sqe_set_data(sqe, op);
}

/* A multishot poll tells changes (it is edge-triggered); a single one would end at once on
 * POLLRDHUP, which the kernel adds to every poll and which stays. */
static void uring_watch(struct ring *ring, struct ring_op *op)
{
    struct io_uring_sqe *sqe = uring_entry(ring);

    io_uring_prep_poll_multishot(sqe, op->fd, 0);
    io_uring_sqe_set_data(sqe, op);
}

static void uring_cancel(struct ring *ring, struct ring_op *op)
{
    struct io_uring_sqe *sqe = uring_entry(ring);

    io_uring_prep_cancel_fd(sqe, op->fd, IORING_ASYNC_CANCEL_ALL);
    io_uring_sqe_set_data(sqe, op);
}

/* What comes of it is told by the operation itself. */
void uring_stop(struct ring *ring, struct ring_op *op)
{
    struct io_uring_sqe *sqe = uring_entry(ring);

    io_uring_prep_cancel(sqe, op, 0);
    io_uring_sqe_set_data(sqe, NULL);
}

static int submit_and_wait(struct io_uring *uring, uint64_t wait_ns)
{
    struct io_uring_cqe *cqe;
    struct __kernel_timespec wait = {
        .tv_sec = (long long)(wait_ns / 1000000000),
        .tv_nsec = (long long)(wait_ns % 1000000000),
    };

    if (wait_ns == 0)
        return io_uring_submit(uring);
    if (wait_ns == UINT64_MAX)
        return io_uring_submit_and_wait(uring, 1);
    return io_uring_submit_and_wait_timeout(uring, &cqe, 1, &wait, NULL);
}

/* liburing does not enter to wait where completions are there already: the kernel's deferred work,
 * all that waits for readiness, would get no turn. */
static int uring_turn(struct ring *ring, uint64_t wait_ns)
{
    struct io_uring *uring = &uring_of(ring)->uring;
    bool ready = io_uring_cq_ready(uring) > 0;
    int error = submit_and_wait(uring, wait_ns);

    ring->overflows += io_uring_cq_has_overflow(uring);
    if (ready || !wait_ns)
        io_uring_get_events(uring);
    if (error < 0 && error != -ETIME && error != -EINTR && error != -EAGAIN && error != -EBUSY &&
        error != -ENOMEM)
        return error;
    drain(ring, &ring->batch);
    return 0;
}

static const struct ring_engine engine = {
    .name = "io_uring",
    .free = uring_free,
    .accept = uring_accept,
    .receive = uring_receive,
    .read = uring_read,
    .send = uring_send,
    .write = uring_write,
    .connect = uring_connect,
    .poll = uring_poll,
    .watch = uring_watch,
    .cancel = uring_cancel,
    .stop = uring_stop,
    .turn = uring_turn,
    .settle = uring_settle,
};

int uring_new(struct ring **ret, const struct ring_options *options)
{
    int error = ring_feature_refusal();
    if (error < 0)
        return error;
    struct ring *ring = ring_allocate(sizeof(struct uring), &engine, options);
    if (!ring)
        return -ENOMEM;

    struct uring *uring = uring_of(ring);
    for (enum ring_feature feature = 0; feature < RING_FEATURES; feature++)
        uring->has[feature] = ring_feature_state(feature) == 0;
    error = queue_init(uring, options->entries ? options->entries : ENTRIES_DEFAULT);
    if (error < 0) {
        ring_release(ring);
        return error;
    }
    ring->completions_max = *uring->uring.cq.kring_entries;
    if (uring->has[RING_BUFFER_RINGS])
        error = buffer_ring_init(uring);
    else
        error = offers_init(&uring->pool, &ring->buffers);
    if (error == 0 && uring->has[RING_RESTRICTIONS])
        error = restrict_to_use(uring);
    if (error < 0) {
        uring_free(ring);
        return error;
    }
    buffers_start(&ring->buffers, offer);
    *ret = ring;
    return 0;
}

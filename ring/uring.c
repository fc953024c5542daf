/* The ring on io_uring.
 *
 * Completions are drained into `batch` before any handler runs. What completes without the kernel
 * (a connect that succeeds or fails at once) joins the batch of the next turn, as does what must be
 * drained in the middle of a turn because the kernel takes no submission before.
 */
#include "ring/buffers.h"
#include "ring/ring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#define ENTRIES_DEFAULT 1024

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

struct ring {
    struct io_uring uring;
    struct buffers buffers;
    struct ring_timers timers;
    struct batch batch; /* being dispatched */
    struct batch next;  /* to be dispatched in the next turn */
    uint64_t now_ns;
    unsigned in_flight;
    struct fds cancels;
};

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* The most telling refusal: with the flags that this kernel does not know left out one after the
 * other. */
static int queue_init(struct io_uring *uring, unsigned entries)
{
    static const unsigned wishes[] = {
#ifdef IORING_SETUP_DEFER_TASKRUN
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
#endif
        IORING_SETUP_COOP_TASKRUN,
        0,
    };
    int error = -EINVAL;

    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]) && error == -EINVAL; i++) {
        struct io_uring_params params = {
            .flags = wishes[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
            .cq_entries = entries * 4,
        };
        error = io_uring_queue_init_params(entries, uring, &params);
    }
    return error;
}

int ring_new(struct ring **ret, const struct ring_options *options)
{
    struct ring *ring = calloc(1, sizeof(*ring));
    if (!ring)
        return -ENOMEM;

    int error = queue_init(&ring->uring, options->entries ? options->entries : ENTRIES_DEFAULT);
    if (error < 0) {
        free(ring);
        return error;
    }
    error = buffers_init(&ring->buffers, &ring->uring, options->buffers_max);
    if (error < 0) {
        io_uring_queue_exit(&ring->uring);
        free(ring);
        return error;
    }
    ring->now_ns = clock_ns();
    *ret = ring;
    return 0;
}

void ring_free(struct ring *ring)
{
    if (!ring)
        return;
    assert(ring->in_flight == 0);
    assert(ring->buffers.held == 0);
    io_uring_queue_exit(&ring->uring);
    buffers_deinit(&ring->buffers);
    free(ring->batch.at);
    free(ring->next.at);
    free(ring->cancels.at);
    free(ring);
}

static void batch_add(struct batch *batch, struct ring_op *op, int result, unsigned flags)
{
    if (batch->count == batch->room) {
        size_t room = batch->room ? batch->room * 2 : 256;
        struct completion *at = realloc(batch->at, room * sizeof(*at));
        assert(at);
        batch->at = at;
        batch->room = room;
    }
    batch->at[batch->count++] = (struct completion){op, result, flags};
}

static void fds_add(struct fds *fds, int fd)
{
    if (fds->count == fds->room) {
        fds->room = fds->room ? fds->room * 2 : 16;
        fds->at = realloc(fds->at, fds->room * sizeof(*fds->at));
        assert(fds->at);
    }
    fds->at[fds->count++] = fd;
}

static bool fds_has(const struct fds *fds, int fd, size_t *ret_index)
{
    for (size_t i = 0; i < fds->count; i++)
        if (fds->at[i] == fd) {
            *ret_index = i;
            return true;
        }
    return false;
}

static void fds_remove(struct fds *fds, int fd)
{
    size_t index;
    bool had = fds_has(fds, fd, &index);
    assert(had);
    fds->at[index] = fds->at[--fds->count];
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
    if (result == -ENOBUFS && op->kind == RING_OP_RECEIVE && !buffers_grow(&ring->buffers))
        result = -ENOMEM;
    batch_add(batch, op, result, flags);
}

static void drain(struct ring *ring, struct batch *batch)
{
    struct io_uring_cqe *cqes[64];
    unsigned count;

    while ((count = io_uring_peek_batch_cqe(&ring->uring, cqes, 64)) > 0) {
        for (unsigned i = 0; i < count; i++)
            if (io_uring_cqe_get_data(cqes[i]))
                take(ring, batch, cqes[i]);
        io_uring_cq_advance(&ring->uring, count);
    }
}

/* A free submission entry. The queue is handed to the kernel when it is full; where the kernel
 * takes nothing (it is short of memory, or its completion queue is full), completions are drained
 * first. */
static struct io_uring_sqe *entry(struct ring *ring)
{
    struct io_uring_sqe *sqe;

    while (!(sqe = io_uring_get_sqe(&ring->uring))) {
        int submitted = io_uring_submit(&ring->uring);
        if (submitted > 0)
            continue;
        assert(submitted == 0 || submitted == -EBUSY || submitted == -EAGAIN ||
               submitted == -EINTR || submitted == -ENOMEM);
        drain(ring, &ring->next);
        sched_yield();
    }
    return sqe;
}

static void arm(struct ring *ring, struct ring_op *op, enum ring_op_kind kind,
                ring_handler *handler, int fd)
{
    assert(!op->in_flight);
    *op = (struct ring_op){.handler = handler, .fd = fd, .kind = kind, .in_flight = true};
    ring->in_flight++;
}

void ring_accept(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd,
                 bool multishot)
{
    arm(ring, op, RING_OP_ACCEPT, handler, fd);
    struct io_uring_sqe *sqe = entry(ring);
    if (multishot)
        io_uring_prep_multishot_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
    else
        io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
    io_uring_sqe_set_data(sqe, op);
}

void ring_receive(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd)
{
    arm(ring, op, RING_OP_RECEIVE, handler, fd);
    struct io_uring_sqe *sqe = entry(ring);
    io_uring_prep_recv(sqe, fd, NULL, 0, 0);
    sqe->buf_group = 0;
    io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
    io_uring_sqe_set_data(sqe, op);
}

void ring_read(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd)
{
    arm(ring, op, RING_OP_RECEIVE, handler, fd);
    struct io_uring_sqe *sqe = entry(ring);
    io_uring_prep_read(sqe, fd, NULL, RING_BUFFER_BYTES, (uint64_t)-1);
    sqe->buf_group = 0;
    io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
    io_uring_sqe_set_data(sqe, op);
}

void ring_send(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd,
               const void *data, size_t length)
{
    arm(ring, op, RING_OP_SEND, handler, fd);
    struct io_uring_sqe *sqe = entry(ring);
    io_uring_prep_send(sqe, fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    io_uring_sqe_set_data(sqe, op);
}

void ring_write(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd,
                const void *data, size_t length)
{
    arm(ring, op, RING_OP_SEND, handler, fd);
    struct io_uring_sqe *sqe = entry(ring);
    io_uring_prep_write(sqe, fd, data, (unsigned)length, (uint64_t)-1);
    io_uring_sqe_set_data(sqe, op);
}

/* connect(2) itself never waits here; io_uring's own connect is wrong on vsock sockets of kernels
 * without commit 8c8492ca64e7. */
void ring_connect(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd,
                  const struct sockaddr *address, socklen_t length)
{
    arm(ring, op, RING_OP_CONNECT, handler, fd);
    int error = connect(fd, address, length) < 0 ? errno : 0;
    if (error != EINPROGRESS && error != EINTR) {
        batch_add(&ring->next, op, -error, 0);
        return;
    }
    struct io_uring_sqe *sqe = entry(ring);
    io_uring_prep_poll_add(sqe, fd, POLLOUT);
    io_uring_sqe_set_data(sqe, op);
}

void ring_poll(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd,
               unsigned events)
{
    arm(ring, op, RING_OP_POLL, handler, fd);
    op->events = (uint16_t)(events | POLLERR | POLLHUP | POLLNVAL);
    struct io_uring_sqe *sqe = entry(ring);
    io_uring_prep_poll_add(sqe, fd, events);
    io_uring_sqe_set_data(sqe, op);
}

/* A multishot poll tells changes (it is edge-triggered); a single one would end at once on
 * POLLRDHUP, which the kernel adds to every poll and which stays. */
void ring_watch(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd)
{
    arm(ring, op, RING_OP_WATCH, handler, fd);
    struct io_uring_sqe *sqe = entry(ring);
    io_uring_prep_poll_multishot(sqe, fd, 0);
    io_uring_sqe_set_data(sqe, op);
}

void ring_cancel(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd)
{
    arm(ring, op, RING_OP_CANCEL, handler, fd);
    fds_add(&ring->cancels, fd);
    struct io_uring_sqe *sqe = entry(ring);
    io_uring_prep_cancel_fd(sqe, fd, IORING_ASYNC_CANCEL_ALL);
    io_uring_sqe_set_data(sqe, op);
}

/* What the readiness of a connecting socket says, and the end of its non-blocking life. */
static int connect_result(const struct ring_op *op, int result)
{
    if (result > 0) {
        socklen_t length = sizeof(result);
        if (getsockopt(op->fd, SOL_SOCKET, SO_ERROR, &result, &length) < 0)
            result = errno;
        result = -result;
    }
    if (result == 0) {
        int flags = fcntl(op->fd, F_GETFL);
        if (flags < 0 || fcntl(op->fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
            result = -errno;
    }
    return result;
}

/* Polls on. A cancel on the way would reach the kernel before, and miss it: then it ends here. */
static bool poll_on(struct ring *ring, struct ring_op *op, enum ring_op_kind kind)
{
    size_t index;

    if (fds_has(&ring->cancels, op->fd, &index))
        return false;
    op->kind = (uint8_t)kind;
    struct io_uring_sqe *sqe = entry(ring);
    if (kind == RING_OP_CONNECT)
        io_uring_prep_poll_add(sqe, op->fd, POLLOUT);
    else
        io_uring_prep_poll_multishot(sqe, op->fd, op->events);
    io_uring_sqe_set_data(sqe, op);
    return true;
}

/* The kernel tells what woke it and does not ask the socket again, and vsock wakes for POLLOUT when
 * its request has left, before the answer is there. Returns whether the connect is over; *result is
 * then what it came to. */
static bool connect_over(struct ring *ring, struct ring_op *op, int *result)
{
    struct pollfd state = {.fd = op->fd, .events = POLLOUT};

    if (*result > 0 && poll(&state, 1, 0) == 0) {
        if (poll_on(ring, op, RING_OP_CONNECT))
            return false;
        *result = -ECANCELED;
    }
    *result = connect_result(op, *result);
    return true;
}

static void poll_end(struct ring *ring, struct ring_op *op, unsigned told)
{
    op->kind = RING_OP_POLL_ENDING;
    op->events = (uint16_t)told;
    struct io_uring_sqe *sqe = entry(ring);
    io_uring_prep_cancel(sqe, op, 0);
    io_uring_sqe_set_data(sqe, NULL);
}

/* The kernel adds POLLRDHUP to every poll, and it stays set once the other end has half-closed: a
 * poll for anything else would then end at once, again and again. A multishot poll is
 * edge-triggered: it tells it once and waits on. So such a poll goes on as a multishot one, which
 * is cancelled when it has told what was asked for.
 *
 * Returns whether the poll is over; *result is then what the handler is told. */
static bool poll_over(struct ring *ring, struct ring_op *op, int *result, unsigned flags)
{
    bool more = flags & RING_MORE;
    bool told = *result > 0 && (*result & op->events);

    if (op->kind == RING_OP_POLL_ENDING) {
        *result = op->events;
        return !more;
    }
    if (more && told) {
        poll_end(ring, op, (unsigned)*result);
        return false;
    }
    if (!more && !told && *result >= 0) {
        if (poll_on(ring, op, RING_OP_POLL_ON))
            return false;
        *result = -ECANCELED;
    }
    return !more;
}

static bool is_poll(const struct ring_op *op)
{
    return op->kind == RING_OP_POLL || op->kind == RING_OP_POLL_ON ||
           op->kind == RING_OP_POLL_ENDING;
}

static void dispatch(struct ring *ring, const struct completion *completion)
{
    struct ring_op *op = completion->op;
    int result = completion->result;

    assert(op->in_flight);
    if (is_poll(op) && !poll_over(ring, op, &result, completion->flags))
        return;
    if (op->kind == RING_OP_CONNECT && !connect_over(ring, op, &result))
        return;
    if (!(completion->flags & RING_MORE)) {
        op->in_flight = false;
        ring->in_flight--;
        if (op->kind == RING_OP_CANCEL)
            fds_remove(&ring->cancels, op->fd);
    }
    op->handler(op, result, completion->flags);
}

/* How long the kernel may wait: not at all where something is to be dispatched, else until the next
 * deadline. */
static struct __kernel_timespec patience(const struct ring *ring)
{
    uint64_t next_ns = ring_timers_next(&ring->timers);
    uint64_t wait_ns = UINT64_C(3600000000000);

    if (ring->next.count)
        wait_ns = 0;
    else if (next_ns != UINT64_MAX) {
        uint64_t now_ns = clock_ns();
        uint64_t until_ns = next_ns > now_ns ? next_ns - now_ns : 0;
        wait_ns = until_ns < wait_ns ? until_ns : wait_ns;
    }
    return (struct __kernel_timespec){
        .tv_sec = (long long)(wait_ns / 1000000000),
        .tv_nsec = (long long)(wait_ns % 1000000000),
    };
}

int ring_turn(struct ring *ring)
{
    struct __kernel_timespec wait = patience(ring);
    struct io_uring_cqe *cqe;
    bool ready = io_uring_cq_ready(&ring->uring) > 0;

    int error = io_uring_submit_and_wait_timeout(&ring->uring, &cqe, 1, &wait, NULL);
    /* liburing does not enter to wait where completions are there already: the kernel's deferred
     * work, all that waits for readiness, would get no turn. */
    if (ready)
        io_uring_get_events(&ring->uring);
    if (error < 0 && error != -ETIME && error != -EINTR && error != -EAGAIN && error != -EBUSY &&
        error != -ENOMEM)
        return error;

    struct batch batch = ring->next;
    ring->next = ring->batch;
    ring->next.count = 0;
    ring->batch = batch;
    drain(ring, &ring->batch);
    ring->now_ns = clock_ns();
    buffers_review(&ring->buffers, ring->now_ns);
    for (size_t i = 0; i < ring->batch.count; i++)
        dispatch(ring, &ring->batch.at[i]);
    ring->batch.count = 0;
    ring_timers_expire(&ring->timers, ring->now_ns);
    return 0;
}

uint64_t ring_now_ns(const struct ring *ring)
{
    return ring->now_ns;
}

unsigned ring_in_flight(const struct ring *ring)
{
    return ring->in_flight;
}

unsigned ring_completions_max(const struct ring *ring)
{
    return *ring->uring.cq.kring_entries;
}

char *ring_buffer(struct ring *ring, unsigned buffer)
{
    return buffers_at(&ring->buffers, buffer);
}

void ring_buffer_return(struct ring *ring, unsigned buffer)
{
    buffers_return(&ring->buffers, buffer);
}

unsigned ring_buffers_held(const struct ring *ring)
{
    return ring->buffers.held;
}

void ring_timer_arm(struct ring *ring, struct ring_timer *timer, uint64_t deadline_ns,
                    ring_timer_handler *handler)
{
    ring_timers_arm(&ring->timers, timer, deadline_ns, handler);
}

void ring_timer_disarm(struct ring *ring, struct ring_timer *timer)
{
    ring_timers_disarm(&ring->timers, timer);
}

/* The ring above its engine: the lives of operations, the turn, the timers.
 *
 * Completions are gathered into `batch` before any handler runs. What completes while they run (a
 * connect that succeeds at once) is dispatched behind them, and what that leads to again,
 * PASSES_MAX times in a turn; the rest, and who yields, in the next turn.
 */
#include "ring/clock.h"
#include "ring/engine.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define PASSES_MAX 4

struct ring *ring_allocate(size_t bytes, const struct ring_engine *engine,
                           const struct ring_options *options)
{
    struct ring *ring = calloc(1, bytes);

    if (!ring)
        return NULL;
    ring->engine = engine;
    ring->spin_ns = options->spin_ns;
    ring->now_ns = clock_ns();
    if (buffers_init(&ring->buffers, options->buffers_max, options->buffer_bytes) < 0) {
        free(ring);
        return NULL;
    }
    return ring;
}

void ring_release(struct ring *ring)
{
    buffers_deinit(&ring->buffers);
    free(ring->batch.at);
    free(ring->soon.at);
    free(ring->later.at);
    free(ring->cancels.at);
    free(ring);
}

void ring_free(struct ring *ring)
{
    if (!ring)
        return;
    assert(ring->in_flight == 0);
    assert(ring->buffers.held == 0);
    ring->engine->free(ring);
}

void batch_add(struct batch *batch, struct ring_op *op, int result, unsigned flags)
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

static bool fds_find(const struct fds *fds, int fd, size_t *ret_index)
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
    bool had = fds_find(fds, fd, &index);
    assert(had);
    fds->at[index] = fds->at[--fds->count];
}

bool ring_cancels(const struct ring *ring, int fd)
{
    size_t index;
    return fds_find(&ring->cancels, fd, &index);
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
    arm(ring, op, multishot ? RING_OP_ACCEPT_ON : RING_OP_ACCEPT, handler, fd);
    ring->engine->accept(ring, op);
}

void ring_receive(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd)
{
    arm(ring, op, RING_OP_RECEIVE, handler, fd);
    ring->engine->receive(ring, op);
}

void ring_receive_on(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd)
{
    arm(ring, op, RING_OP_RECEIVE_ON, handler, fd);
    ring->engine->receive(ring, op);
}

void ring_read(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd)
{
    arm(ring, op, RING_OP_READ, handler, fd);
    ring->engine->read(ring, op);
}

void ring_send(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd,
               const void *data, size_t length)
{
    arm(ring, op, RING_OP_SEND, handler, fd);
    ring->engine->send(ring, op, data, length);
}

void ring_write(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd,
                const void *data, size_t length)
{
    arm(ring, op, RING_OP_WRITE, handler, fd);
    ring->engine->write(ring, op, data, length);
}

/* io_uring's own connect is wrong on vsock sockets of kernels without commit 8c8492ca64e7. */
void ring_connect(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd,
                  const struct sockaddr *address, socklen_t length)
{
    arm(ring, op, RING_OP_CONNECT, handler, fd);
    int error = connect(fd, address, length) < 0 ? errno : 0;
    if (error == EINPROGRESS || error == EINTR)
        ring->engine->connect(ring, op);
    else
        batch_add(&ring->soon, op, -error, 0);
}

void ring_poll(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd,
               unsigned events)
{
    arm(ring, op, RING_OP_POLL, handler, fd);
    op->events = (uint16_t)events;
    ring->engine->poll(ring, op);
}

void ring_watch(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd)
{
    arm(ring, op, RING_OP_WATCH, handler, fd);
    ring->engine->watch(ring, op);
}

void ring_cancel(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd)
{
    arm(ring, op, RING_OP_CANCEL, handler, fd);
    fds_add(&ring->cancels, fd);
    ring->engine->cancel(ring, op);
}

void ring_stop(struct ring *ring, struct ring_op *op)
{
    assert(op->in_flight);
    if (op->stopping)
        return;
    op->stopping = true;
    ring->engine->stop(ring, op);
}

void ring_yield(struct ring *ring, struct ring_op *op, ring_handler *handler)
{
    arm(ring, op, RING_OP_YIELD, handler, -1);
    batch_add(&ring->later, op, 0, 0);
}

static void dispatch(struct ring *ring, struct completion *completion)
{
    struct ring_op *op = completion->op;

    assert(op->in_flight);
    if (ring->engine->settle && !ring->engine->settle(ring, completion))
        return;
    if (!(completion->flags & RING_MORE)) {
        op->in_flight = false;
        ring->in_flight--;
        if (op->kind == RING_OP_CANCEL)
            fds_remove(&ring->cancels, op->fd);
    }
    op->handler(op, completion->result, completion->flags);
}

/* How long the kernel may wait: not at all where something is to be dispatched, else until the next
 * deadline, or so much before it as is not to be slept through. UINT64_MAX: as long as it takes. */
static uint64_t patience_ns(const struct ring *ring)
{
    uint64_t next_ns = ring_timers_next(&ring->timers);

    if (ring->soon.count || ring->later.count)
        return 0;
    if (next_ns == UINT64_MAX)
        return UINT64_MAX;
    uint64_t awake_ns = clock_ns() + ring->spin_ns;
    return next_ns > awake_ns ? next_ns - awake_ns : 0;
}

/* The batch, which has been dispatched, is what has completed since. */
static void take_soon(struct ring *ring)
{
    struct batch batch = ring->soon;

    ring->soon = ring->batch;
    ring->soon.count = 0;
    ring->batch = batch;
}

static void take_later(struct ring *ring)
{
    for (size_t i = 0; i < ring->later.count; i++)
        batch_add(&ring->batch, ring->later.at[i].op, 0, 0);
    ring->later.count = 0;
}

static void dispatch_batch(struct ring *ring)
{
    for (size_t i = 0; i < ring->batch.count; i++)
        dispatch(ring, &ring->batch.at[i]);
}

int ring_turn(struct ring *ring)
{
    uint64_t wait_ns = patience_ns(ring);

    take_soon(ring);
    take_later(ring);
    int error = ring->engine->turn(ring, wait_ns);
    if (error < 0)
        return error;
    ring->now_ns = clock_ns();
    ring->turns++;
    buffers_review(&ring->buffers, ring->now_ns);
    dispatch_batch(ring);
    for (unsigned pass = 1; pass < PASSES_MAX && ring->soon.count > 0; pass++) {
        take_soon(ring);
        dispatch_batch(ring);
    }
    ring->batch.count = 0;
    ring_timers_expire(&ring->timers, ring->now_ns);
    return 0;
}

void ring_figures(const struct ring *ring, struct ring_figures *ret)
{
    *ret = (struct ring_figures){
        .in_flight = ring->in_flight,
        .buffers_held = ring->buffers.held,
        .buffers_offered = ring->buffers.offered,
        .buffers_max = ring->buffers.max,
        .turns = ring->turns,
        .overflows = ring->overflows,
    };
}

const char *ring_engine_name(const struct ring *ring)
{
    return ring->engine->name;
}

int ring_engine_refusal(const struct ring *ring)
{
    return ring->refusal;
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
    return ring->completions_max;
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

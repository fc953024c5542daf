/* Before a completion of io_uring is told: what goes on in another way first. */
#include "ring/socket.h"
#include "ring/uring.h"

#include <errno.h>
#include <poll.h>

/* What goes on is submitted anew. A cancel on the way would reach the kernel before, and miss it:
 * then it ends here. */
static bool may_go_on(const struct ring *ring, const struct ring_op *op)
{
    return !op->stopping && !ring_cancels(ring, op->fd);
}

static bool poll_on(struct ring *ring, struct ring_op *op, enum ring_op_kind kind)
{
    if (!may_go_on(ring, op))
        return false;
    op->kind = (uint8_t)kind;
    struct io_uring_sqe *sqe = uring_entry(ring);
    if (kind == RING_OP_CONNECT)
        io_uring_prep_poll_add(sqe, op->fd, POLLOUT);
    else
        io_uring_prep_poll_multishot(sqe, op->fd, op->events);
    io_uring_sqe_set_data(sqe, op);
    return true;
}

/* The kernel tells what woke it and does not ask the socket again, and vsock wakes for POLLOUT when
 * its request has left, before the answer is there. Returns whether the connect is over. */
static bool connect_over(struct ring *ring, struct completion *completion)
{
    struct ring_op *op = completion->op;
    struct pollfd state = {.fd = op->fd, .events = POLLOUT};

    if (completion->result > 0 && poll(&state, 1, 0) == 0) {
        if (poll_on(ring, op, RING_OP_CONNECT))
            return false;
        completion->result = -ECANCELED;
    }
    if (completion->result > 0)
        completion->result = ring_socket_error(op->fd);
    return true;
}

static void poll_end(struct ring *ring, struct ring_op *op, unsigned told)
{
    op->kind = RING_OP_POLL_ENDING;
    op->events = (uint16_t)told;
    uring_stop(ring, op);
}

/* The kernel adds POLLRDHUP to every poll, and it stays set once the other end has half-closed: a
 * poll for anything else would then end at once, again and again. A multishot poll is
 * edge-triggered: it tells it once and waits on. So such a poll goes on as a multishot one, which
 * is cancelled when it has told what was asked for.
 *
 * Returns whether the poll is over. */
static bool poll_over(struct ring *ring, struct completion *completion)
{
    struct ring_op *op = completion->op;
    int result = completion->result;
    bool more = completion->flags & RING_MORE;
    bool told = result > 0 && (result & op->events);

    if (op->kind == RING_OP_POLL_ENDING) {
        completion->result = op->events;
        return !more;
    }
    if (more && told) {
        poll_end(ring, op, (unsigned)result);
        return false;
    }
    if (!more && !told && result >= 0) {
        if (poll_on(ring, op, RING_OP_POLL_ON))
            return false;
        completion->result = -ECANCELED;
    }
    return !more;
}

/* Without multishot accept: one more. */
static bool accepted_on(struct ring *ring, struct completion *completion)
{
    struct ring_op *op = completion->op;

    if (!uring_of(ring)->has[RING_MULTISHOT_ACCEPT] && completion->result >= 0 &&
        may_go_on(ring, op)) {
        uring_accept(ring, op);
        completion->flags |= RING_MORE;
    }
    return true;
}

/* Without multishot receive: one more. Without buffer rings nothing may have been there after all.
 * Returns whether there is something to tell. */
static bool received(struct ring *ring, struct completion *completion)
{
    struct uring *uring = uring_of(ring);
    struct ring_op *op = completion->op;

    if (completion->result == -EAGAIN && !uring->has[RING_BUFFER_RINGS]) {
        if (may_go_on(ring, op)) {
            uring_receive(ring, op);
            return false;
        }
        completion->result = -ECANCELED;
    }
    if (op->kind == RING_OP_RECEIVE_ON && !uring->has[RING_MULTISHOT_RECEIVE] &&
        completion->result > 0 && may_go_on(ring, op)) {
        uring_receive(ring, op);
        completion->flags |= RING_MORE;
    }
    return true;
}

bool uring_settle(struct ring *ring, struct completion *completion)
{
    switch (completion->op->kind) {
    case RING_OP_POLL:
    case RING_OP_POLL_ON:
    case RING_OP_POLL_ENDING: return poll_over(ring, completion);
    case RING_OP_CONNECT: return connect_over(ring, completion);
    case RING_OP_ACCEPT_ON: return accepted_on(ring, completion);
    case RING_OP_RECEIVE:
    case RING_OP_RECEIVE_ON:
    case RING_OP_READ: return received(ring, completion);
    default: return true;
    }
}

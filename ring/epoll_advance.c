/* The system calls of the engine on epoll: each kind of operation, as far as it goes at once. */
#include "ring/epoll.h"
#include "ring/socket.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(POLLIN == EPOLLIN && POLLOUT == EPOLLOUT && POLLERR == EPOLLERR &&
                   POLLHUP == EPOLLHUP && POLLRDHUP == EPOLLRDHUP,
               "the events of poll(2) are those of epoll");

/* Of one operation in one turn; what is left is told by the next. */
#define RECEIVES_MAX 4
#define ACCEPTS_MAX  64

#define FAILED (EPOLLERR | EPOLLHUP)

static bool end(struct batch *batch, struct ring_op *op, int result)
{
    batch_add(batch, op, result, 0);
    return true;
}

static bool advance_accept(struct epoll_ring *epoll, struct ring_op *op, struct batch *batch)
{
    bool on = op->kind == RING_OP_ACCEPT_ON;

    for (unsigned i = 0; i < ACCEPTS_MAX && epoll->accepts_left > 0; i++) {
        int fd = accept4(op->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && errno == EAGAIN)
            return false;
        if (fd < 0 || !on)
            return end(batch, op, fd < 0 ? -errno : fd);
        epoll->accepts_left--;
        batch_add(batch, op, fd, RING_MORE);
    }
    return false;
}

static bool advance_receive(struct epoll_ring *epoll, struct ring_op *op, struct batch *batch)
{
    struct buffers *buffers = &epoll->ring.buffers;
    bool on = op->kind == RING_OP_RECEIVE_ON;

    for (unsigned i = 0; i < RECEIVES_MAX; i++) {
        unsigned flags = on ? RING_MORE : 0;
        int count = receive_now(buffers, &epoll->offers, op->fd, &flags);
        if (count == -EAGAIN)
            return false;
        if (count <= 0)
            return end(batch, op, count);
        batch_add(batch, op, count, flags);
        if (!on)
            return true;
        if ((size_t)count < buffers->bytes)
            return false;
    }
    return false;
}

static bool advance_read(struct epoll_ring *epoll, struct ring_op *op, bool ready,
                         struct batch *batch)
{
    struct buffers *buffers = &epoll->ring.buffers;
    unsigned flags = 0;
    int count = read_now(buffers, &epoll->offers, op->fd, &flags);

    if (count == -EOPNOTSUPP)
        count = ready ? read_ready(buffers, &epoll->offers, op->fd, &flags) : -EAGAIN;
    if (count == -EAGAIN)
        return false;
    batch_add(batch, op, count, flags);
    return true;
}

/* What is ready takes PIPE_BUF bytes without waiting. */
static ssize_t write_now(int fd, const void *bytes, size_t length, bool ready)
{
    struct iovec part = {(void *)bytes, length};
    ssize_t count = pwritev2(fd, &part, 1, -1, RWF_NOWAIT);

    if (count < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
        if (!ready)
            return -EAGAIN;
        count = write(fd, bytes, length < PIPE_BUF ? length : PIPE_BUF);
    }
    return count < 0 ? -errno : count;
}

static bool advance_write(struct waiting *waiting, bool ready, struct batch *batch)
{
    ssize_t count = write_now(waiting->op->fd, waiting->data, waiting->length, ready);
    return count != -EAGAIN && end(batch, waiting->op, (int)count);
}

/* epoll has asked the socket itself once more: vsock wakes early, but does not answer so. */
static bool advance_connect(struct ring_op *op, struct batch *batch)
{
    return end(batch, op, ring_socket_error(op->fd));
}

static bool advance_poll(struct ring_op *op, uint32_t events, struct batch *batch)
{
    return end(batch, op, (int)(events & (op->events | FAILED)));
}

static bool advance_watch(struct ring_op *op, uint32_t events, struct batch *batch)
{
    events &= (EPOLLRDHUP | FAILED) & ~(uint32_t)op->events;
    op->events |= (uint16_t)events;
    if (events)
        batch_add(batch, op, (int)events, RING_MORE);
    return false;
}

bool epoll_advance(struct epoll_ring *epoll, struct waiting *waiting, uint32_t events,
                   struct batch *batch)
{
    struct ring_op *op = waiting->op;
    bool ready = events & (epoll_fds_wanted_by(op) | FAILED);

    if (events && !ready)
        return false;
    switch (op->kind) {
    case RING_OP_ACCEPT:
    case RING_OP_ACCEPT_ON: return advance_accept(epoll, op, batch);
    case RING_OP_RECEIVE:
    case RING_OP_RECEIVE_ON: return advance_receive(epoll, op, batch);
    case RING_OP_READ: return advance_read(epoll, op, ready, batch);
    case RING_OP_WRITE: return advance_write(waiting, ready, batch);
    case RING_OP_CONNECT: return advance_connect(op, batch);
    case RING_OP_POLL: return advance_poll(op, events, batch);
    default: return advance_watch(op, events, batch);
    }
}

void epoll_advance_file(struct epoll_ring *epoll, const struct waiting *waiting,
                        struct batch *batch)
{
    struct ring_op *op = waiting->op;
    int ready = op->events & (EPOLLIN | EPOLLOUT);
    unsigned flags = 0;
    ssize_t count;

    switch (op->kind) {
    case RING_OP_READ:
        count = read_ready(&epoll->ring.buffers, &epoll->offers, op->fd, &flags);
        batch_add(batch, op, (int)count, flags);
        break;
    case RING_OP_WRITE:
        count = write(op->fd, waiting->data, waiting->length);
        end(batch, op, count < 0 ? -errno : (int)count);
        break;
    default: end(batch, op, op->kind == RING_OP_POLL && ready ? ready : -EINVAL); break;
    }
}

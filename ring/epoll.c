/* The engine on epoll, for where io_uring is refused.
 *
 * An operation is tried when it is armed, where that may succeed, and else waits on its descriptor.
 * The turn waits for events and lets each operation that waits go on as far as it goes.
 */
#include "ring/epoll.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/epoll.h>

#define ENTRIES_DEFAULT 1024
#define EVENTS_MAX      256

static struct epoll_ring *epoll_of(struct ring *ring)
{
    return (struct epoll_ring *)ring;
}

static void offer(struct buffers *buffers, unsigned buffer)
{
    struct epoll_ring *epoll = (void *)((char *)buffers - offsetof(struct ring, buffers));
    offers_add(&epoll->offers, buffer);
}

static void epoll_free(struct ring *ring)
{
    struct epoll_ring *epoll = epoll_of(ring);

    epoll_fds_deinit(&epoll->fds);
    offers_deinit(&epoll->offers);
    ring_release(ring);
}

/* All that waits on a descriptor ends with this error. Returns how many. */
static int end_all(struct epoll_ring *epoll, int fd, int error, struct batch *batch)
{
    struct epoll_fd *record = epoll_fds_find(&epoll->fds, fd);
    int count = 0;

    for (; record && record->first; count++) {
        batch_add(batch, record->first->op, error, 0);
        epoll_fds_remove(&epoll->fds, &record->first);
    }
    if (record)
        epoll_fds_register(&epoll->fds, fd);
    return count;
}

static void update(struct epoll_ring *epoll, int fd, struct batch *batch)
{
    int error = epoll_fds_register(&epoll->fds, fd);
    if (error < 0)
        end_all(epoll, fd, error, batch);
}

/* What it completes with is told soon. */
static void wait_for(struct epoll_ring *epoll, const struct waiting *what)
{
    struct ring_op *op = what->op;
    struct batch *batch = &epoll->ring.soon;

    if (op->fd < 0) {
        batch_add(batch, op, -EBADF, 0);
        return;
    }
    struct waiting *waiting = epoll_fds_add(&epoll->fds, op);
    if (!waiting) {
        batch_add(batch, op, -ENOMEM, 0);
        return;
    }
    waiting->data = what->data;
    waiting->length = what->length;
    int error = epoll_fds_register(&epoll->fds, op->fd);
    if (error == -EPERM) {
        epoll_advance_file(epoll, waiting, batch);
        epoll_fds_remove(&epoll->fds, &epoll_fds_find(&epoll->fds, op->fd)->first);
    } else if (error < 0) {
        end_all(epoll, op->fd, error, batch);
    }
}

static void try_first(struct ring *ring, struct ring_op *op, const void *data, size_t length)
{
    struct epoll_ring *epoll = epoll_of(ring);
    struct waiting waiting = {.op = op, .data = data, .length = length};

    if (!epoll_advance(epoll, &waiting, 0, &ring->soon))
        wait_for(epoll, &waiting);
}

static void epoll_wait_for(struct ring *ring, struct ring_op *op)
{
    wait_for(epoll_of(ring), &(struct waiting){.op = op});
}

static void epoll_receive(struct ring *ring, struct ring_op *op)
{
    try_first(ring, op, NULL, 0);
}

static void epoll_write(struct ring *ring, struct ring_op *op, const void *data, size_t length)
{
    try_first(ring, op, data, length);
}

/* Others may accept from the same socket: what was announced may be gone, and accept(2) would wait.
 * One that goes on is not tried: it may run ahead by what one turn accepts, and by no more. */
static void epoll_accept(struct ring *ring, struct ring_op *op)
{
    int flags = fcntl(op->fd, F_GETFL);

    if (flags < 0 || (!(flags & O_NONBLOCK) && fcntl(op->fd, F_SETFL, flags | O_NONBLOCK) < 0))
        batch_add(&ring->soon, op, -errno, 0);
    else if (op->kind == RING_OP_ACCEPT_ON)
        epoll_wait_for(ring, op);
    else
        try_first(ring, op, NULL, 0);
}

static void epoll_send(struct ring *ring, struct ring_op *op, const void *data, size_t length)
{
    ssize_t count = send(op->fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    batch_add(&ring->soon, op, count < 0 ? -errno : (int)count, 0);
}

static void epoll_cancel(struct ring *ring, struct ring_op *op)
{
    int count = end_all(epoll_of(ring), op->fd, -ECANCELED, &ring->soon);
    batch_add(&ring->soon, op, count ? count : -ENOENT, 0);
}

static void epoll_stop(struct ring *ring, struct ring_op *op)
{
    struct epoll_ring *epoll = epoll_of(ring);
    struct epoll_fd *record = epoll_fds_find(&epoll->fds, op->fd);
    struct waiting **link = record ? &record->first : NULL;

    while (link && *link && (*link)->op != op)
        link = &(*link)->next;
    if (!link || !*link)
        return;
    epoll_fds_remove(&epoll->fds, link);
    batch_add(&ring->soon, op, -ECANCELED, 0);
    update(epoll, op->fd, &ring->soon);
}

static void go_on(struct epoll_ring *epoll, int fd, uint32_t events)
{
    struct batch *batch = &epoll->ring.batch;
    struct epoll_fd *record = epoll_fds_find(&epoll->fds, fd);

    assert(record);
    struct waiting **link = &record->first;
    while (*link) {
        if (epoll_advance(epoll, *link, events, batch))
            epoll_fds_remove(&epoll->fds, link);
        else
            link = &(*link)->next;
    }
    update(epoll, fd, batch);
}

/* In whole milliseconds, a wait that has to end in time ends too early, and any other one too late.
 */
static int whole_ms(const struct epoll_ring *epoll, uint64_t wait_ns)
{
    uint64_t ms = wait_ns / 1000000;

    if (wait_ns == UINT64_MAX)
        return -1;
    if (wait_ns % 1000000 && epoll->ring.spin_ns == 0)
        ms++;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

static int wait_events(struct epoll_ring *epoll, struct epoll_event *events, uint64_t wait_ns)
{
    struct timespec wait = {
        .tv_sec = (time_t)(wait_ns / 1000000000),
        .tv_nsec = (long)(wait_ns % 1000000000),
    };
    int count = -1;

    if (!epoll->without_ns) {
        count = epoll_pwait2(epoll->fds.epoll, events, EVENTS_MAX,
                             wait_ns == UINT64_MAX ? NULL : &wait, NULL);
        epoll->without_ns = count < 0 && (errno == ENOSYS || errno == EPERM);
    }
    if (epoll->without_ns)
        count = epoll_wait(epoll->fds.epoll, events, EVENTS_MAX, whole_ms(epoll, wait_ns));
    if (count < 0)
        return errno == EINTR ? 0 : -errno;
    return count;
}

static int epoll_turn(struct ring *ring, uint64_t wait_ns)
{
    struct epoll_ring *epoll = epoll_of(ring);
    struct epoll_event events[EVENTS_MAX];
    int count = wait_events(epoll, events, wait_ns);

    if (count < 0)
        return count;
    epoll->accepts_left = ring->completions_max;
    for (int i = 0; i < count; i++)
        go_on(epoll, events[i].data.fd, events[i].events);
    return 0;
}

static const struct ring_engine engine = {
    .name = "epoll",
    .free = epoll_free,
    .accept = epoll_accept,
    .receive = epoll_receive,
    .read = epoll_receive,
    .send = epoll_send,
    .write = epoll_write,
    .connect = epoll_wait_for,
    .poll = epoll_wait_for,
    .watch = epoll_wait_for,
    .cancel = epoll_cancel,
    .stop = epoll_stop,
    .turn = epoll_turn,
};

int epoll_new(struct ring **ret, const struct ring_options *options)
{
    struct ring *ring = ring_allocate(sizeof(struct epoll_ring), &engine, options);
    if (!ring)
        return -ENOMEM;

    struct epoll_ring *epoll = epoll_of(ring);
    int error = offers_init(&epoll->offers, &ring->buffers);
    if (error == 0)
        error = epoll_fds_init(&epoll->fds);
    if (error < 0) {
        offers_deinit(&epoll->offers);
        ring_release(ring);
        return error;
    }
    ring->completions_max = 4 * (options->entries ? options->entries : ENTRIES_DEFAULT);
    epoll->accepts_left = ring->completions_max;
    buffers_start(&ring->buffers, offer);
    *ret = ring;
    return 0;
}

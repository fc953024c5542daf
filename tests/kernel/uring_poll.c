/* io_uring's polls: the events that nobody asked for (IO_POLL_UNMASK in the kernel's
 * io_uring/poll.c: POLLERR, POLLHUP, POLLNVAL and POLLRDHUP are added to every poll), and the edges
 * of a multishot one.
 */
#include "tests/kernel/queue.h"
#include "tests/ring/sockets.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <unistd.h>

static int pair[2];

static void start(enum sockets_kind kind)
{
    queue_init(8);
    sockets_pair(kind, pair);
}

static void finish(void)
{
    io_uring_queue_exit(&queue);
    sockets_close_pair(pair);
}

static void poll_once(unsigned events)
{
    struct io_uring_sqe *sqe = queue_entry();
    io_uring_prep_poll_add(sqe, pair[0], events);
    queue_submit(sqe, 1);
}

static void poll_multishot(unsigned events)
{
    struct io_uring_sqe *sqe = queue_entry();
    io_uring_prep_poll_multishot(sqe, pair[0], events);
    queue_submit(sqe, 1);
}

/* poll(2) would not tell POLLRDHUP here, and it stays. That is why ring_poll() goes on after it. */
Test(kernel_uring_poll, a_single_poll_ends_on_a_half_close)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        poll_once(0);
        queue_expect_none();
        shutdown(pair[1], SHUT_WR);
        for (unsigned i = 0; i < 3; i++) {
            struct io_uring_cqe cqe = queue_take(1);
            cr_assert_eq(cqe.res, POLLRDHUP, "%s: %#x", sockets_name(kind), cqe.res);
            cr_assert_eq(cqe.flags & IORING_CQE_F_MORE, 0);
            poll_once(0);
        }
        finish();
    }
}

/* Once for the half-close, and not for what is no error and no hang-up. */
Test(kernel_uring_poll, a_multishot_poll_for_nothing_tells_changes)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        poll_multishot(0);
        sockets_write(pair[1], "x", 1);
        queue_expect_none();
        sockets_fill(pair[0]);
        sockets_drain(pair[1]);
        queue_expect_none();

        shutdown(pair[1], SHUT_WR);
        struct io_uring_cqe cqe = queue_take(1);
        cr_assert_eq(cqe.res, POLLRDHUP, "%s: %#x", sockets_name(kind), cqe.res);
        cr_assert(cqe.flags & IORING_CQE_F_MORE);
        queue_expect_none();
        sockets_fill(pair[0]);
        sockets_drain(pair[1]);
        queue_expect_none();

        sockets_reset(pair[1]);
        cqe = queue_take(1);
        cr_assert(cqe.res & (POLLERR | POLLHUP), "%s: %#x", sockets_name(kind), cqe.res);
        cr_assert(cqe.flags & IORING_CQE_F_MORE);
        io_uring_queue_exit(&queue);
        close(pair[0]);
    }
}

/* Armed when the half-close is old, it tells it once, and then the room; that is what ring_poll()
 * goes on with. */
Test(kernel_uring_poll, a_multishot_poll_for_room_is_quiet_beside_a_half_close)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        sockets_fill(pair[0]);
        shutdown(pair[1], SHUT_WR);
        cr_assert(sockets_poll(pair[0], POLLRDHUP, 1000) & POLLRDHUP);
        poll_multishot(POLLOUT);
        struct io_uring_cqe cqe = queue_take(1);
        cr_assert_eq(cqe.res, POLLRDHUP, "%s: %#x", sockets_name(kind), cqe.res);
        queue_expect_none();
        sockets_drain(pair[1]);
        cqe = queue_take(1);
        cr_assert(cqe.res & POLLOUT, "%s: %#x", sockets_name(kind), cqe.res);
        finish();
    }
}

/* Not even by closing it: the poll holds the file. Only a cancel ends it. */
Test(kernel_uring_poll, closing_the_descriptor_does_not_end_a_poll)
{
    start(SOCKETS_UNIX);
    int fd = pair[0];
    pair[0] = dup(fd);
    poll_once(POLLIN);
    close(pair[0]);
    close(fd);
    queue_expect_none();
    sockets_write(pair[1], "x", 1);
    cr_assert(queue_take(1).res & POLLIN);
    io_uring_queue_exit(&queue);
    close(pair[1]);
}

Test(kernel_uring_poll, a_cancel_by_descriptor_ends_all_polls)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        poll_once(POLLIN);
        poll_multishot(0);
        poll_once(POLLPRI);
        queue_expect_none();
        queue_cancel(pair[0], 3);
        queue_expect_none();
        finish();
    }
}

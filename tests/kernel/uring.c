/* io_uring's send and receive, as the ring asks for them. */
#include "tests/kernel/queue.h"
#include "tests/ring/sockets.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
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

static void send_more(int flags)
{
    static const char bytes[16 * 1024 * 1024];
    struct io_uring_sqe *sqe = queue_entry();
    io_uring_prep_send(sqe, pair[0], bytes, sizeof(bytes), flags | MSG_NOSIGNAL);
    queue_submit(sqe, 1);
}

/* On a blocking socket: what fits at once, then -EAGAIN; without MSG_DONTWAIT io_uring would wait
 * for room. */
Test(kernel_uring, a_send_with_dontwait_does_not_wait)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        cr_assert_eq(fcntl(pair[0], F_GETFL) & O_NONBLOCK, 0);
        send_more(MSG_DONTWAIT);
        int sent = queue_take(1).res;
        cr_assert(sent > 0 && sent < 16 * 1024 * 1024, "%s: %d", sockets_name(kind), sent);
        sockets_fill(pair[0]);
        send_more(MSG_DONTWAIT);
        cr_assert_eq(queue_take(1).res, -EAGAIN, "%s", sockets_name(kind));

        send_more(0);
        queue_expect_none();
        queue_cancel(pair[0], 1);
        finish();
    }
}

/* Also on a non-blocking socket: only MSG_DONTWAIT says not to. */
Test(kernel_uring, a_receive_waits)
{
    for (unsigned round = 0; round < 2 * SOCKETS_KINDS; round++) {
        enum sockets_kind kind = round / 2;
        char byte;

        start(kind);
        cr_assert_eq(fcntl(pair[0], F_SETFL, round % 2 ? O_NONBLOCK : 0), 0);
        struct io_uring_sqe *sqe = queue_entry();
        io_uring_prep_recv(sqe, pair[0], &byte, 1, 0);
        queue_submit(sqe, 1);
        queue_expect_none();
        sockets_write(pair[1], "x", 1);
        cr_assert_eq(queue_take(1).res, 1, "%s", sockets_name(kind));
        finish();
    }
}

/* Also in non-blocking mode, which a pipe that we did not make may be in. */
Test(kernel_uring, a_read_of_a_pipe_waits)
{
    for (unsigned non_blocking = 0; non_blocking < 2; non_blocking++) {
        int ends[2];
        char byte;

        queue_init(8);
        cr_assert_eq(pipe2(ends, non_blocking ? O_NONBLOCK : 0), 0);
        struct io_uring_sqe *sqe = queue_entry();
        io_uring_prep_read(sqe, ends[0], &byte, 1, (uint64_t)-1);
        queue_submit(sqe, 1);
        queue_expect_none();
        sockets_write(ends[1], "x", 1);
        cr_assert_eq(queue_take(1).res, 1);
        close(ends[0]);
        close(ends[1]);
        io_uring_queue_exit(&queue);
    }
}

/* Receives that wait hold no buffer of a ring of buffers: one serves many. None at all: -ENOBUFS,
 * when there are bytes. */
Test(kernel_uring, a_buffer_is_taken_when_there_are_bytes)
{
    enum { WAITING = 6, BYTES = 4096 };
    static char memory[BYTES];
    int pairs[WAITING][2];

    queue_init(8);
    struct io_uring_buf_ring *offers =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(offers, MAP_FAILED);
    struct io_uring_buf_reg registration = {.ring_addr = (uintptr_t)offers, .ring_entries = 8};
    cr_assert_eq(io_uring_register_buf_ring(&queue, &registration, 0), 0);
    io_uring_buf_ring_init(offers);
    io_uring_buf_ring_add(offers, memory, BYTES, 3, 7, 0);
    io_uring_buf_ring_advance(offers, 1);

    for (unsigned i = 0; i < WAITING; i++) {
        sockets_pair(i % 2 ? SOCKETS_TCP : SOCKETS_UNIX, pairs[i]);
        struct io_uring_sqe *sqe = queue_entry();
        io_uring_prep_recv(sqe, pairs[i][0], NULL, 0, 0);
        io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
        queue_submit(sqe, i + 1);
    }
    queue_expect_none();
    for (unsigned i = 0; i < WAITING; i++) {
        sockets_write(pairs[i][1], "word", 4);
        struct io_uring_cqe cqe = queue_take(i + 1);
        if (i > 0) {
            cr_assert_eq(cqe.res, -ENOBUFS);
            continue;
        }
        cr_assert_eq(cqe.res, 4);
        cr_assert(cqe.flags & IORING_CQE_F_BUFFER);
        cr_assert_eq(cqe.flags >> IORING_CQE_BUFFER_SHIFT, 3);
        cr_assert_arr_eq(memory, "word", 4);
    }
    for (unsigned i = 0; i < WAITING; i++)
        sockets_close_pair(pairs[i]);
    io_uring_queue_exit(&queue);
    munmap(offers, 4096);
}

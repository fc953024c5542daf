/* Bytes: receive, send, read and write, each with its one terminal completion. */
#include "ring/socket.h"
#include "tests/ring/loop.h"
#include "tests/ring/sockets.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static struct loop loop;
static struct probe probe;
static int pair[2];

static void start(enum sockets_kind kind)
{
    loop_init(&loop, 8, 8);
    probe = (struct probe){.loop = &loop};
    sockets_pair(kind, pair);
}

static void finish(void)
{
    cr_assert_eq(probe.completions, probe.terminals);
    loop_deinit(&loop);
    sockets_close_pair(pair);
}

static int receive(void)
{
    ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
    cr_assert(probe.op.in_flight);
    return probe_end(&probe);
}

static int send_bytes(const void *bytes, size_t length)
{
    ring_send(loop.ring, &probe.op, probe_told, pair[0], bytes, length);
    return probe_end(&probe);
}

Test(transfer, receives_what_was_there_and_what_comes)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        sockets_write(pair[1], "before", 6);
        cr_assert_eq(receive(), 6, "%s", sockets_name(kind));
        cr_assert_arr_eq(probe.data, "before", 6);

        ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
        probe_expect_quiet(&probe);
        sockets_write(pair[1], "after", 5);
        cr_assert_eq(probe_end(&probe), 5, "%s", sockets_name(kind));
        cr_assert_arr_eq(probe.data, "after", 5);
        probe_expect_quiet(&probe);
        finish();
    }
}

Test(transfer, receives_at_most_a_buffer)
{
    static const char bytes[RING_BUFFER_BYTES + 1000];

    start(SOCKETS_UNIX);
    sockets_write(pair[1], bytes, sizeof(bytes));
    cr_assert_eq(receive(), RING_BUFFER_BYTES);
    cr_assert_eq(receive(), 1000);
    finish();
}

/* At once and again; after bytes; by half-close and by close. No buffer stays held. */
Test(transfer, tells_end_of_file_without_a_buffer)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        sockets_write(pair[1], "last", 4);
        cr_assert_eq(shutdown(pair[1], SHUT_WR), 0);
        cr_assert_eq(receive(), 4);
        for (unsigned i = 0; i < 20; i++) {
            cr_assert_eq(receive(), 0, "%s", sockets_name(kind));
            cr_assert_eq(ring_buffers_held(loop.ring), 0);
        }
        finish();

        start(kind);
        ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
        probe_expect_quiet(&probe);
        close(pair[1]);
        cr_assert_eq(probe_end(&probe), 0, "%s", sockets_name(kind));
        cr_assert_eq(ring_buffers_held(loop.ring), 0);
        loop_deinit(&loop);
        close(pair[0]);
    }
}

Test(transfer, tells_a_reset_without_a_buffer)
{
    start(SOCKETS_TCP);
    ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
    probe_expect_quiet(&probe);
    sockets_reset(pair[1]);
    cr_assert_eq(probe_end(&probe), -ECONNRESET);
    cr_assert_eq(ring_buffers_held(loop.ring), 0);
    cr_assert_eq(receive(), 0);
    loop_deinit(&loop);
    close(pair[0]);
}

static void take_error(struct ring_op *op, int result, unsigned flags)
{
    probe_told(op, result, flags);
    if (result & POLLERR)
        ring_socket_error(op->fd);
}

/* What a handler asks the socket for is no longer what a receive in flight needs. */
Test(transfer, tells_a_reset_whose_error_a_watch_has_taken)
{
    for (unsigned order = 0; order < 4; order++) {
        struct probe watch = {.loop = &loop};

        start(SOCKETS_TCP);
        if (order & 1)
            ring_watch(loop.ring, &watch.op, take_error, pair[0]);
        if (order & 2)
            ring_receive_on(loop.ring, &probe.op, probe_told, pair[0]);
        else
            ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
        if (!(order & 1))
            ring_watch(loop.ring, &watch.op, take_error, pair[0]);
        probe_expect_quiet(&probe);
        sockets_reset(pair[1]);
        loop_until(&loop, &probe.terminals, 1);
        cr_assert_eq(probe.result, -ECONNRESET, "order %u: %d", order, probe.result);
        loop_until(&loop, &watch.completions, 1);
        if (watch.op.in_flight)
            probe_cancel(&watch);
        loop_deinit(&loop);
        close(pair[0]);
    }
}

static int first_told;

static void note_first(struct ring_op *op, int result, unsigned flags)
{
    probe_told(op, result, flags);
    if (first_told == 1)
        first_told = result;
}

/* A reset leaves one error, for a send or for a receive: that one is told first. */
Test(transfer, tells_a_reset_before_the_end_of_file)
{
    for (unsigned turned = 0; turned < 2; turned++) {
        struct probe sender = {.loop = &loop};

        start(SOCKETS_TCP);
        first_told = 1;
        ring_receive(loop.ring, &probe.op, note_first, pair[0]);
        if (turned)
            probe_expect_quiet(&probe);
        sockets_reset(pair[1]);
        ring_send(loop.ring, &sender.op, note_first, pair[0], "x", 1);
        loop_until(&loop, &probe.terminals, 1);
        loop_until(&loop, &sender.terminals, 1);
        cr_assert_eq(first_told, -ECONNRESET, "%d: receive %d, send %d", first_told, probe.result,
                     sender.result);
        loop_deinit(&loop);
        close(pair[0]);
    }
}

Test(transfer, sends_in_order)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        char bytes[1000];
        for (unsigned i = 0; i < 50; i++) {
            memset(bytes, (int)i, sizeof(bytes));
            cr_assert_eq(send_bytes(bytes, sizeof(bytes)), (int)sizeof(bytes));
        }
        for (unsigned i = 0; i < 50; i++) {
            sockets_read(pair[1], bytes, sizeof(bytes));
            cr_assert(bytes[0] == (char)i && bytes[999] == (char)i);
        }
        finish();
    }
}

/* Never waits: a short count, then -EAGAIN, then again some when the other end has read. */
Test(transfer, a_full_socket_takes_a_part_and_then_nothing)
{
    static const char bytes[16 * 1024 * 1024];

    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        int sent = send_bytes(bytes, sizeof(bytes));
        cr_assert(sent > 0 && sent < (int)sizeof(bytes), "%s: %d", sockets_name(kind), sent);
        size_t filled = (size_t)sent + sockets_fill(pair[0]);
        cr_assert_eq(send_bytes(bytes, sizeof(bytes)), -EAGAIN, "%s", sockets_name(kind));
        cr_assert_eq(send_bytes(bytes, 1), -EAGAIN, "%s", sockets_name(kind));

        cr_assert_eq(sockets_drain(pair[1]), filled, "%s", sockets_name(kind));
        cr_assert_gt(send_bytes(bytes, sizeof(bytes)), 0, "%s", sockets_name(kind));
        finish();
    }
}

Test(transfer, sending_to_nobody_gives_an_error_and_no_signal)
{
    cr_assert_neq(signal(SIGPIPE, SIG_DFL), SIG_ERR);

    start(SOCKETS_UNIX);
    close(pair[1]);
    cr_assert_eq(send_bytes("x", 1), -EPIPE);
    loop_deinit(&loop);
    close(pair[0]);

    start(SOCKETS_TCP);
    sockets_reset(pair[1]);
    cr_assert_eq(send_bytes("x", 1), -ECONNRESET);
    cr_assert_eq(send_bytes("x", 1), -EPIPE);
    loop_deinit(&loop);
    close(pair[0]);
}

Test(transfer, one_socket_receives_and_sends_at_the_same_time)
{
    struct probe sender = {.loop = &loop};

    start(SOCKETS_TCP);
    ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
    ring_send(loop.ring, &sender.op, probe_told, pair[0], "there", 5);
    cr_assert_eq(ring_in_flight(loop.ring), 2);
    cr_assert_eq(probe_end(&sender), 5);
    cr_assert_eq(probe.completions, 0);
    cr_assert_eq(ring_in_flight(loop.ring), 1);
    sockets_write(pair[1], "back", 4);
    cr_assert_eq(probe_end(&probe), 4);
    cr_assert_arr_eq(probe.data, "back", 4);
    finish();
}

Test(transfer, reads_and_writes_a_file_at_its_position)
{
    int fd = memfd_create("transfer", MFD_CLOEXEC);
    struct probe writer = {.loop = &loop};

    start(SOCKETS_UNIX);
    ring_write(loop.ring, &writer.op, probe_told, fd, "first,", 6);
    cr_assert_eq(probe_end(&writer), 6);
    ring_write(loop.ring, &writer.op, probe_told, fd, "second", 6);
    cr_assert_eq(probe_end(&writer), 6);
    cr_assert_eq(lseek(fd, 0, SEEK_CUR), 12);
    lseek(fd, 0, SEEK_SET);

    ring_read(loop.ring, &probe.op, probe_told, fd);
    cr_assert_eq(probe_end(&probe), 12);
    cr_assert_arr_eq(probe.data, "first,second", 12);
    ring_read(loop.ring, &probe.op, probe_told, fd);
    cr_assert_eq(probe_end(&probe), 0);
    cr_assert_eq(ring_buffers_held(loop.ring), 0);
    close(fd);
    finish();
}

Test(transfer, a_file_is_read_in_buffers)
{
    int fd = memfd_create("transfer", MFD_CLOEXEC);
    static const char bytes[RING_BUFFER_BYTES * 2 + 5] = "start";

    start(SOCKETS_UNIX);
    sockets_write(fd, bytes, sizeof(bytes));
    lseek(fd, 0, SEEK_SET);
    static const int expected[] = {RING_BUFFER_BYTES, RING_BUFFER_BYTES, 5, 0, 0};
    for (unsigned i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        ring_read(loop.ring, &probe.op, probe_told, fd);
        cr_assert_eq(probe_end(&probe), expected[i]);
    }
    close(fd);
    finish();
}

Test(transfer, reads_a_pipe)
{
    int ends[2];

    start(SOCKETS_UNIX);
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    ring_read(loop.ring, &probe.op, probe_told, ends[0]);
    probe_expect_quiet(&probe);
    sockets_write(ends[1], "through", 7);
    cr_assert_eq(probe_end(&probe), 7);
    cr_assert_arr_eq(probe.data, "through", 7);

    ring_read(loop.ring, &probe.op, probe_told, ends[0]);
    probe_expect_quiet(&probe);
    close(ends[1]);
    cr_assert_eq(probe_end(&probe), 0);
    cr_assert_eq(ring_buffers_held(loop.ring), 0);
    close(ends[0]);
    finish();
}

/* Unlike a send, a write may wait. */
Test(transfer, a_write_to_a_full_pipe_waits_for_room)
{
    static char bytes[1024 * 1024];
    struct probe writer = {.loop = &loop};
    int ends[2];

    start(SOCKETS_UNIX);
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    ring_write(loop.ring, &writer.op, probe_told, ends[1], bytes, 65536);
    cr_assert_eq(probe_end(&writer), 65536);
    ring_write(loop.ring, &writer.op, probe_told, ends[1], "more", 4);
    probe_expect_quiet(&writer);
    cr_assert_eq(read(ends[0], bytes, 65536), 65536);
    cr_assert_eq(probe_end(&writer), 4);
    cr_assert_eq(read(ends[0], bytes, 65536), 4);
    close(ends[0]);
    close(ends[1]);
    finish();
}

/* Each completion on a bad descriptor is still a completion. */
Test(transfer, a_bad_descriptor_is_told_by_completions)
{
    start(SOCKETS_UNIX);
    int closed = dup(pair[0]);
    close(closed);

    ring_receive(loop.ring, &probe.op, probe_told, closed);
    cr_assert_eq(probe_end(&probe), -EBADF);
    ring_send(loop.ring, &probe.op, probe_told, closed, "x", 1);
    cr_assert_eq(probe_end(&probe), -EBADF);
    ring_accept(loop.ring, &probe.op, probe_told, closed, true);
    cr_assert_eq(probe_end(&probe), -EBADF);
    ring_poll(loop.ring, &probe.op, probe_told, closed, 1);
    cr_assert_eq(probe_end(&probe), -EBADF);
    ring_watch(loop.ring, &probe.op, probe_told, closed);
    cr_assert_eq(probe_end(&probe), -EBADF);
    ring_cancel(loop.ring, &probe.op, probe_told, closed);
    cr_assert_lt(probe_end(&probe), 0);
    finish();
}

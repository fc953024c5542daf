/* Cancelling: of each kind of operation, alone and together, and in each phase of a poll. */
#include "ring/socket.h"
#include "tests/ring/loop.h"
#include "tests/ring/sockets.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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
    probe_expect_quiet(&probe);
    loop_deinit(&loop);
    sockets_close_pair(pair);
}

/* Cancels the probe where it waits; it ends so once, and nothing is left. */
static void expect_cancelled(void)
{
    probe_expect_quiet(&probe);
    unsigned completions = probe.completions;
    cr_assert_eq(probe_cancel(&probe), -ECANCELED, "told %d", probe.result);
    cr_assert_eq(probe.completions, completions + 1);
    cr_assert_eq(ring_in_flight(loop.ring), 0);
    cr_assert_eq(ring_buffers_held(loop.ring), 0);
}

Test(cancel, accept)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        struct sockets_address address;

        start(kind);
        int listener = sockets_listen(kind, 8, &address);
        for (unsigned multishot = 0; multishot < 2; multishot++) {
            ring_accept(loop.ring, &probe.op, probe_told, listener, multishot);
            expect_cancelled();
        }
        close(listener);
        finish();
    }
}

/* The descriptor stays good: what is armed afterwards works. */
Test(cancel, receive)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        for (unsigned i = 0; i < 20; i++) {
            ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
            cr_assert_eq(probe_cancel(&probe), -ECANCELED);
        }
        ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
        expect_cancelled();
        sockets_write(pair[1], "x", 1);
        ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
        cr_assert_eq(probe_end(&probe), 1, "%s", sockets_name(kind));
        finish();
    }
}

Test(cancel, poll)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        ring_poll(loop.ring, &probe.op, probe_told, pair[0], POLLIN);
        expect_cancelled();
        sockets_fill(pair[0]);
        ring_poll(loop.ring, &probe.op, probe_told, pair[0], POLLOUT);
        expect_cancelled();
        finish();
    }
}

/* A poll that goes on beside a half-close. */
Test(cancel, poll_beside_a_half_close)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        sockets_fill(pair[0]);
        shutdown(pair[1], SHUT_WR);
        ring_poll(loop.ring, &probe.op, probe_told, pair[0], POLLOUT);
        expect_cancelled();
        finish();
    }
}

/* The probe polls the full pair[0] for POLLOUT, which never comes: it has ended by the cancel, or
 * early by the half-close, and once. */
static void expect_end(enum sockets_kind kind, const char *what)
{
    loop_for(&loop, 100);
    cr_assert_eq(probe.terminals, 1, "%s, %s: the cancel missed the poll", sockets_name(kind),
                 what);
    cr_assert(probe.result == -ECANCELED || probe.result == POLLRDHUP, "told %#x", probe.result);
    cr_assert_eq(ring_in_flight(loop.ring), 0);
}

/* The poll and its cancel go to the kernel together, which ends the poll at once (half-closed),
 * before the cancel. */
Test(cancel, poll_that_is_not_yet_submitted)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        struct probe cancel = {.loop = &loop};

        start(kind);
        sockets_fill(pair[0]);
        shutdown(pair[1], SHUT_WR);
        sockets_poll(pair[0], POLLRDHUP, 1000);
        ring_poll(loop.ring, &probe.op, probe_told, pair[0], POLLOUT);
        ring_cancel(loop.ring, &cancel.op, probe_told, pair[0]);
        expect_end(kind, "together");
        finish();
    }
}

static struct probe cancel_within;

/* A receive of the same socket that learns the half-close and cancels all, as a session does that
 * stops. */
static void cancel_on_end(struct ring_op *op, int result, unsigned flags)
{
    int fd = op->fd;

    probe_told(op, result, flags);
    cr_assert_eq(result, 0);
    ring_cancel(loop.ring, &cancel_within.op, probe_told, fd);
}

/* The poll's completion by the half-close is in the same batch as the one whose handler cancels;
 * both orders. */
Test(cancel, poll_from_a_handler_of_the_same_turn)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        for (unsigned receive_first = 0; receive_first < 2; receive_first++) {
            struct probe receive = {.loop = &loop};

            start(kind);
            cancel_within = (struct probe){.loop = &loop};
            sockets_fill(pair[0]);
            if (receive_first)
                ring_receive(loop.ring, &receive.op, cancel_on_end, pair[0]);
            ring_poll(loop.ring, &probe.op, probe_told, pair[0], POLLOUT);
            if (!receive_first)
                ring_receive(loop.ring, &receive.op, cancel_on_end, pair[0]);
            probe_expect_quiet(&probe);
            shutdown(pair[1], SHUT_WR);
            loop_until(&loop, &receive.terminals, 1);
            expect_end(kind, receive_first ? "receive first" : "poll first");
            finish();
        }
    }
}

/* The drain and the cancel at the same time, in the phase beside a half-close: POLLOUT or
 * -ECANCELED, once. */
Test(cancel, poll_that_is_about_to_end)
{
    for (unsigned turns = 0; turns < 4; turns++) {
        struct probe cancel = {.loop = &loop};

        start(SOCKETS_UNIX);
        sockets_fill(pair[0]);
        shutdown(pair[1], SHUT_WR);
        ring_poll(loop.ring, &probe.op, probe_told, pair[0], POLLOUT);
        probe_expect_quiet(&probe);
        sockets_drain(pair[1]);
        for (unsigned i = 0; i < turns && probe.op.in_flight; i++)
            loop_for(&loop, 0);
        ring_cancel(loop.ring, &cancel.op, probe_told, pair[0]);
        loop_until(&loop, &cancel.terminals, 1);
        loop_until(&loop, &probe.terminals, 1);
        cr_assert(probe.result == -ECANCELED || probe.result == POLLOUT ||
                      probe.result == (POLLOUT | POLLRDHUP),
                  "told %#x", probe.result);
        cr_assert_eq(probe.completions, 1);
        finish();
    }
}

Test(cancel, watch)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        ring_watch(loop.ring, &probe.op, probe_told, pair[0]);
        expect_cancelled();
        shutdown(pair[1], SHUT_WR);
        ring_watch(loop.ring, &probe.op, probe_told, pair[0]);
        loop_until(&loop, &probe.completions, 2);
        expect_cancelled();
        finish();
    }
}

/* One that waits: the backlog is full, and its packets are dropped. */
Test(cancel, connect)
{
    enum { MANY = 8 };
    static struct probe probes[MANY];
    struct sockets_address address;
    int fds[MANY];
    unsigned pending = 0;

    start(SOCKETS_UNIX);
    int listener = sockets_listen(SOCKETS_TCP, 1, &address);
    for (unsigned i = 0; i < MANY; i++) {
        probes[i] = (struct probe){.loop = &loop};
        fds[i] = ring_socket_open(AF_INET, SOCK_STREAM);
        ring_connect(loop.ring, &probes[i].op, probe_told, fds[i], &address.any, address.length);
    }
    loop_for(&loop, 50);
    for (unsigned i = 0; i < MANY; i++) {
        if (probes[i].op.in_flight) {
            pending++;
            cr_assert_eq(probe_cancel(&probes[i]), -ECANCELED);
        }
        cr_assert_eq(probes[i].completions, 1);
        close(fds[i]);
    }
    cr_assert_geq(pending, 4);
    close(listener);
    finish();
}

/* One that has connected already ends with that. */
Test(cancel, connect_that_is_done)
{
    struct sockets_address address;
    struct probe cancel = {.loop = &loop};

    start(SOCKETS_UNIX);
    int listener = sockets_listen(SOCKETS_UNIX, 8, &address);
    int fd = ring_socket_open(AF_UNIX, SOCK_STREAM);
    ring_connect(loop.ring, &probe.op, probe_told, fd, &address.any, address.length);
    ring_cancel(loop.ring, &cancel.op, probe_told, fd);
    loop_until(&loop, &cancel.terminals, 1);
    loop_until(&loop, &probe.terminals, 1);
    cr_assert_eq(probe.result, 0);
    close(fd);
    close(listener);
    finish();
}

Test(cancel, read_and_write_of_pipes)
{
    static const char bytes[65536];
    int ends[2];

    start(SOCKETS_UNIX);
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    ring_read(loop.ring, &probe.op, probe_told, ends[0]);
    expect_cancelled();
    sockets_write(ends[1], bytes, sizeof(bytes));
    ring_write(loop.ring, &probe.op, probe_told, ends[1], "x", 1);
    expect_cancelled();
    close(ends[0]);
    close(ends[1]);
    finish();
}

/* All on the one descriptor, nothing on another, not even on another of the same socket pair. */
Test(cancel, all_on_one_descriptor)
{
    enum { KINDS = 4 };
    struct probe probes[KINDS] = {0};
    struct probe other = {.loop = &loop};
    struct probe cancel = {.loop = &loop};

    start(SOCKETS_UNIX);
    sockets_fill(pair[0]);
    for (unsigned i = 0; i < KINDS; i++)
        probes[i].loop = &loop;
    ring_receive(loop.ring, &probes[0].op, probe_told, pair[0]);
    ring_poll(loop.ring, &probes[1].op, probe_told, pair[0], POLLOUT);
    ring_watch(loop.ring, &probes[2].op, probe_told, pair[0]);
    ring_poll(loop.ring, &probes[3].op, probe_told, pair[0], POLLIN);
    ring_watch(loop.ring, &other.op, probe_told, pair[1]);
    ring_cancel(loop.ring, &cancel.op, probe_told, pair[0]);
    loop_until(&loop, &cancel.terminals, 1);
    for (unsigned i = 0; i < KINDS; i++) {
        loop_until(&loop, &probes[i].terminals, 1);
        cr_assert_eq(probes[i].result, -ECANCELED, "%u: %d", i, probes[i].result);
        cr_assert_eq(probes[i].completions, 1);
    }
    cr_assert_eq(other.completions, 0);
    cr_assert_eq(ring_in_flight(loop.ring), 1);
    cr_assert_eq(probe_cancel(&other), -ECANCELED);
    finish();
}

Test(cancel, nothing)
{
    struct probe cancel = {.loop = &loop};

    start(SOCKETS_UNIX);
    for (unsigned i = 0; i < 10; i++) {
        ring_cancel(loop.ring, &cancel.op, probe_told, pair[0]);
        probe_end(&cancel);
    }
    cr_assert_eq(cancel.completions, 10);
    finish();
}

/* Bytes that were received before the cancel are not lost: they are told, or still in the socket.
 */
Test(cancel, loses_no_bytes)
{
    start(SOCKETS_TCP);
    for (unsigned i = 0; i < 500; i++) {
        char left = 0;
        ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
        if (i % 2)
            loop_for(&loop, 0);
        sockets_write(pair[1], "x", 1);
        int result = probe_cancel(&probe);
        if (result == -ECANCELED)
            sockets_read(pair[0], &left, 1);
        else
            cr_assert_eq(result, 1);
        cr_assert_eq(ring_buffers_held(loop.ring), 0);
    }
    finish();
}

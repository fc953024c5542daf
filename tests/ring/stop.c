/* Stopping one operation of each kind, beside others on the same descriptor; and yielding. */
#include "ring/socket.h"
#include "tests/ring/loop.h"
#include "tests/ring/sockets.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
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
    cr_assert_eq(ring_in_flight(loop.ring), 0);
    loop_deinit(&loop);
    sockets_close_pair(pair);
}

static int stop(void)
{
    unsigned terminals = probe.terminals;

    ring_stop(loop.ring, &probe.op);
    loop_until(&loop, &probe.terminals, terminals + 1);
    return probe.result;
}

/* It waits, and is stopped, twice over: it ends once. */
static void expect_stopped(void)
{
    probe_expect_quiet(&probe);
    unsigned completions = probe.completions;
    ring_stop(loop.ring, &probe.op);
    cr_assert_eq(stop(), -ECANCELED, "told %d", probe.result);
    cr_assert_eq(probe.completions, completions + 1);
    cr_assert_eq(ring_buffers_held(loop.ring), 0);
}

Test(stop, accept)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        struct sockets_address address;

        start(kind);
        int listener = sockets_listen(kind, 8, &address);
        for (unsigned multishot = 0; multishot < 2; multishot++) {
            ring_accept(loop.ring, &probe.op, probe_told, listener, multishot);
            expect_stopped();
        }
        close(listener);
        finish();
    }
}

/* The descriptor stays good. */
Test(stop, receive)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        for (unsigned i = 0; i < 20; i++) {
            ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
            cr_assert_eq(stop(), -ECANCELED);
            ring_receive_on(loop.ring, &probe.op, probe_told, pair[0]);
            cr_assert_eq(stop(), -ECANCELED);
        }
        ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
        expect_stopped();
        ring_receive_on(loop.ring, &probe.op, probe_told, pair[0]);
        expect_stopped();
        sockets_write(pair[1], "x", 1);
        ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
        cr_assert_eq(probe_end(&probe), 1);
        finish();
    }
}

Test(stop, poll)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        ring_poll(loop.ring, &probe.op, probe_told, pair[0], POLLIN);
        expect_stopped();
        sockets_fill(pair[0]);
        ring_poll(loop.ring, &probe.op, probe_told, pair[0], POLLOUT);
        expect_stopped();
        shutdown(pair[1], SHUT_WR);
        sockets_poll(pair[0], POLLRDHUP, 1000);
        ring_poll(loop.ring, &probe.op, probe_told, pair[0], POLLOUT);
        expect_stopped();
        finish();
    }
}

/* What it asks for is there and told by itself. */
Test(stop, poll_that_is_done)
{
    for (unsigned turned = 0; turned < 2; turned++) {
        start(SOCKETS_UNIX);
        ring_poll(loop.ring, &probe.op, probe_told, pair[0], POLLOUT);
        if (turned)
            sockets_poll(pair[0], POLLOUT, 0);
        stop();
        cr_assert(probe.result == POLLOUT || probe.result == -ECANCELED, "told %d", probe.result);
        cr_assert_eq(probe.completions, 1);
        finish();
    }
}

Test(stop, watch)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        ring_watch(loop.ring, &probe.op, probe_told, pair[0]);
        expect_stopped();
        shutdown(pair[1], SHUT_WR);
        ring_watch(loop.ring, &probe.op, probe_told, pair[0]);
        loop_until(&loop, &probe.completions, 2);
        cr_assert_eq(probe.result, POLLRDHUP);
        expect_stopped();
        finish();
    }
}

/* One that waits: the backlog is full, and its packets are dropped. */
Test(stop, connect)
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
            ring_stop(loop.ring, &probes[i].op);
            loop_until(&loop, &probes[i].terminals, 1);
            cr_assert_eq(probes[i].result, -ECANCELED);
        }
        cr_assert_eq(probes[i].completions, 1);
        close(fds[i]);
    }
    cr_assert_geq(pending, 4);
    close(listener);
    finish();
}

Test(stop, read_and_write_of_pipes)
{
    static const char bytes[65536];
    int ends[2];

    start(SOCKETS_UNIX);
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    ring_read(loop.ring, &probe.op, probe_told, ends[0]);
    expect_stopped();
    sockets_write(ends[1], bytes, sizeof(bytes));
    ring_write(loop.ring, &probe.op, probe_told, ends[1], "x", 1);
    expect_stopped();
    close(ends[0]);
    close(ends[1]);
    finish();
}

/* What ends by itself ends with its own result, or by the stop; once. */
Test(stop, send_and_yield)
{
    start(SOCKETS_TCP);
    ring_send(loop.ring, &probe.op, probe_told, pair[0], "x", 1);
    stop();
    cr_assert(probe.result == 1 || probe.result == -ECANCELED);
    cr_assert_eq(sockets_drain(pair[1]), probe.result == 1 ? 1 : 0);
    ring_yield(loop.ring, &probe.op, probe_told);
    cr_assert_eq(stop(), 0);
    finish();
}

/* Of all that wait on one descriptor only this one. */
Test(stop, leaves_the_others)
{
    enum { KINDS = 5 };

    for (unsigned stopped = 0; stopped < KINDS; stopped++) {
        struct probe probes[KINDS] = {0};

        start(SOCKETS_UNIX);
        sockets_fill(pair[0]);
        for (unsigned i = 0; i < KINDS; i++)
            probes[i].loop = &loop;
        ring_receive_on(loop.ring, &probes[0].op, probe_told, pair[0]);
        ring_poll(loop.ring, &probes[1].op, probe_told, pair[0], POLLOUT);
        ring_watch(loop.ring, &probes[2].op, probe_told, pair[0]);
        ring_poll(loop.ring, &probes[3].op, probe_told, pair[0], POLLOUT);
        ring_watch(loop.ring, &probes[4].op, probe_told, pair[0]);
        ring_stop(loop.ring, &probes[stopped].op);
        loop_until(&loop, &probes[stopped].terminals, 1);
        cr_assert_eq(probes[stopped].result, -ECANCELED);
        cr_assert_eq(ring_in_flight(loop.ring), KINDS - 1);

        sockets_write(pair[1], "x", 1);
        sockets_drain(pair[1]);
        loop_for(&loop, 20);
        shutdown(pair[1], SHUT_WR);
        loop_for(&loop, 20);
        static const int expected[KINDS] = {0, POLLOUT, POLLRDHUP, POLLOUT, POLLRDHUP};
        for (unsigned i = 0; i < KINDS; i++)
            if (i != stopped)
                cr_assert_eq(probes[i].result, expected[i], "%u: %d", i, probes[i].result);
        if (stopped != 0)
            cr_assert_eq(probes[0].bytes, 1);
        for (unsigned i = 2; i < KINDS; i += 2)
            if (i != stopped) {
                ring_stop(loop.ring, &probes[i].op);
                cr_assert_eq(probe_end(&probes[i]), -ECANCELED);
            }
        finish();
    }
}

Test(stop, refuses_what_is_idle, .signal = SIGABRT)
{
    start(SOCKETS_UNIX);
    ring_stop(loop.ring, &probe.op);
}

Test(yield, completes_in_the_next_turn)
{
    start(SOCKETS_UNIX);
    for (unsigned i = 1; i <= 100; i++) {
        ring_yield(loop.ring, &probe.op, probe_told);
        cr_assert_eq(ring_in_flight(loop.ring), 1);
        loop_turn(&loop);
        cr_assert_eq(probe.terminals, i);
        cr_assert_eq(probe.result, 0);
    }
    finish();
}

static unsigned yields;
static bool yielding;

static void yield_again(struct ring_op *op, int result, unsigned flags)
{
    probe_told(op, result, flags);
    yields++;
    if (yielding)
        ring_yield(loop.ring, op, yield_again);
}

/* One that yields again and again has one turn after the other, and all others have theirs. */
Test(yield, leaves_turns_to_others)
{
    struct probe receive = {.loop = &loop};

    start(SOCKETS_UNIX);
    yielding = true;
    ring_yield(loop.ring, &probe.op, yield_again);
    ring_receive_on(loop.ring, &receive.op, probe_told, pair[0]);
    for (unsigned i = 1; i <= 50; i++) {
        unsigned before = yields;
        sockets_write(pair[1], "x", 1);
        unsigned turns = loop_until(&loop, &receive.completions, i);
        cr_assert_leq(turns, 3, "%u turns", turns);
        cr_assert_eq(yields, before + turns);
    }
    yielding = false;
    loop_until(&loop, &probe.terminals, yields + 1);
    cr_assert_eq(probe_cancel(&receive), -ECANCELED);
    finish();
}

/* Receiving on and on: buffer after buffer, and each way to its end. */
#include "tests/ring/loop.h"
#include "tests/ring/sockets.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SMALL_BUFFER 4096

/* What one socket received: byte n of it has to be the one of pattern(n). */
struct flow {
    struct probe probe;
    uint64_t count;
    unsigned buffers_last; /* of the latest arming */
};

static struct loop loop;
static struct flow flow;
static int pair[2];
static uint64_t written;

static char pattern(uint64_t n)
{
    return (char)(n * 2654435761U >> 13);
}

static void start(enum sockets_kind kind, unsigned buffers_max)
{
    loop_init_with(&loop, &(struct ring_options){.entries = 16,
                                                 .buffers_max = buffers_max,
                                                 .buffer_bytes = SMALL_BUFFER});
    flow = (struct flow){.probe.loop = &loop};
    written = 0;
    sockets_pair(kind, pair);
}

static void finish(void)
{
    cr_assert_eq(flow.count, written);
    loop_deinit(&loop);
    sockets_close_pair(pair);
}

static void write_some(size_t length)
{
    char *bytes = malloc(length);

    for (size_t i = 0; i < length; i++)
        bytes[i] = pattern(written++);
    sockets_write(pair[1], bytes, length);
    free(bytes);
}

static void expect_pattern(const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        cr_assert_eq(bytes[i], pattern(flow.count + i), "byte %llu",
                     (unsigned long long)(flow.count + i));
    flow.count += length;
}

/* A probe's buffer is copied from before it may be returned. */
static void received(struct ring_op *op, int result, unsigned flags)
{
    cr_assert_eq(op, &flow.probe.op);
    cr_assert_eq(result > 0, (flags & RING_BUFFER) != 0);
    cr_assert_leq(result, SMALL_BUFFER);
    if (result > 0) {
        expect_pattern(ring_buffer(loop.ring, ring_flags_buffer(flags)), (size_t)result);
        flow.buffers_last++;
    }
    probe_told(op, result, flags);
}

static void arm(void)
{
    flow.buffers_last = 0;
    ring_receive_on(loop.ring, &flow.probe.op, received, pair[0]);
}

/* Arms again where the kernel gave up. */
static void until_received(void)
{
    for (unsigned turns = 0; flow.count < written; turns++) {
        cr_assert_lt(turns, 10000);
        if (!flow.probe.op.in_flight) {
            cr_assert(flow.probe.terminals == 0 || flow.probe.result > 0 ||
                          flow.probe.result == -ENOBUFS,
                      "told %d", flow.probe.result);
            arm();
        }
        loop_turn(&loop);
    }
}

static int stop(void)
{
    unsigned terminals = flow.probe.terminals;

    ring_stop(loop.ring, &flow.probe.op);
    loop_until(&loop, &flow.probe.terminals, terminals + 1);
    return flow.probe.result;
}

/* A completion with RING_MORE for each piece, and none between them. */
Test(receive_on, goes_on_from_piece_to_piece)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind, 8);
        arm();
        for (unsigned i = 1; i <= 200; i++) {
            write_some(i);
            loop_until(&loop, &flow.probe.completions, i);
            cr_assert_eq(flow.probe.result, (int)i);
            cr_assert_eq(flow.probe.terminals, 0, "%s: ended", sockets_name(kind));
        }
        probe_expect_quiet(&flow.probe);
        cr_assert_eq(stop(), -ECANCELED);
        finish();
    }
}

/* Many buffers at once, in order: what was there before and what comes. */
Test(receive_on, fills_many_buffers)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind, 64);
        write_some(10 * SMALL_BUFFER + 7);
        arm();
        until_received();
        for (unsigned i = 0; i < 20; i++) {
            write_some(7 * SMALL_BUFFER - i);
            until_received();
        }
        if (flow.probe.op.in_flight)
            cr_assert_eq(stop(), -ECANCELED);
        finish();
    }
}

Test(receive_on, ends_with_end_of_file_after_the_last_byte)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        for (unsigned armed_before = 0; armed_before < 2; armed_before++) {
            start(kind, 64);
            if (armed_before)
                arm();
            loop_for(&loop, 0);
            write_some(3 * SMALL_BUFFER + 1);
            cr_assert_eq(shutdown(pair[1], SHUT_WR), 0);
            if (!armed_before)
                arm();
            until_received();
            if (flow.probe.terminals == 0)
                probe_end(&flow.probe);
            cr_assert_eq(flow.probe.result, 0, "%s", sockets_name(kind));
            probe_expect_quiet(&flow.probe);
            arm();
            cr_assert_eq(probe_end(&flow.probe), 0);
            finish();
        }
    }
}

Test(receive_on, ends_with_a_reset)
{
    start(SOCKETS_TCP, 8);
    arm();
    write_some(5);
    until_received();
    probe_expect_quiet(&flow.probe);
    sockets_reset(pair[1]);
    cr_assert_eq(probe_end(&flow.probe), -ECONNRESET);
    loop_deinit(&loop);
    close(pair[0]);
}

Test(receive_on, tells_errors_as_completions)
{
    start(SOCKETS_UNIX, 8);
    int closed = dup(pair[0]);
    close(closed);
    ring_receive_on(loop.ring, &flow.probe.op, received, closed);
    cr_assert_eq(probe_end(&flow.probe), -EBADF);
    finish();
}

/* More are added while they are held: -ENOBUFS only ends one arming, and no byte is lost. */
Test(receive_on, goes_on_when_no_buffer_was_free)
{
    enum { HELD = RING_BUFFERS_IDLE + 100 };
    static unsigned held[HELD];

    start(SOCKETS_UNIX, HELD + 1);
    flow.probe.hold = true;
    for (unsigned i = 0; i < HELD; i++) {
        write_some(100 + i);
        until_received();
        held[i] = flow.probe.buffer;
        cr_assert_eq(ring_buffers_held(loop.ring), i + 1);
    }
    if (flow.probe.op.in_flight)
        stop();
    for (unsigned i = 0; i < HELD; i++)
        ring_buffer_return(loop.ring, held[i]);
    finish();
}

Test(receive_on, at_the_limit_it_ends_and_the_bytes_stay)
{
    start(SOCKETS_UNIX, 1);
    flow.probe.hold = true;
    write_some(10);
    until_received();
    unsigned held = flow.probe.buffer;
    write_some(20);
    if (!flow.probe.op.in_flight)
        arm();
    probe_end(&flow.probe);
    cr_assert_eq(flow.probe.result, -ENOMEM);
    cr_assert_eq(flow.count, 10);
    ring_buffer_return(loop.ring, held);
    arm();
    loop_until(&loop, &flow.buffers_last, 1);
    ring_buffer_return(loop.ring, flow.probe.buffer);
    if (flow.probe.op.in_flight)
        stop();
    finish();
}

/* Ends it after some turns: what was not told is still in the socket. */
static void end_in_the_middle(enum sockets_kind kind, bool by_cancel)
{
    unsigned random = 4711;

    start(kind, 64);
    for (unsigned round = 0; round < 400; round++) {
        static char rest[8 * SMALL_BUFFER];
        random = random * 1103515245 + 12345;
        size_t length = 1 + (random >> 8) % (5 * SMALL_BUFFER);
        if (round % 3)
            arm();
        write_some(length);
        if (round % 3 == 0)
            arm();
        for (unsigned turns = random >> 28; turns > 0 && flow.count < written; turns--)
            loop_turn(&loop);
        if (flow.probe.op.in_flight) {
            int result = by_cancel ? probe_cancel(&flow.probe) : stop();
            cr_assert(result > 0 || result == -ECANCELED, "round %u: %d", round, result);
        }
        size_t left = (size_t)(written - flow.count);
        sockets_read(pair[0], rest, left);
        expect_pattern(rest, left);
        cr_assert_eq(ring_buffers_held(loop.ring), 0);
    }
    finish();
}

Test(receive_on, a_stop_in_the_middle_loses_no_byte)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++)
        end_in_the_middle(kind, false);
}

Test(receive_on, a_cancel_in_the_middle_loses_no_byte)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++)
        end_in_the_middle(kind, true);
}

static void stop_at_first(struct ring_op *op, int result, unsigned flags)
{
    received(op, result, flags);
    if (flags & RING_MORE)
        ring_stop(loop.ring, op);
}

/* Stopped by its own handler, while more of it waits to be told. */
Test(receive_on, may_be_stopped_by_its_handler)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        static char rest[16 * SMALL_BUFFER];
        start(kind, 64);
        write_some(10 * SMALL_BUFFER);
        ring_receive_on(loop.ring, &flow.probe.op, stop_at_first, pair[0]);
        loop_until(&loop, &flow.probe.terminals, 1);
        cr_assert(flow.probe.result > 0 || flow.probe.result == -ECANCELED);
        size_t left = (size_t)(written - flow.count);
        sockets_read(pair[0], rest, left);
        expect_pattern(rest, left);
        finish();
    }
}

/* A full socket does not hold up another: both are told of in the first turns. How much of the one
 * comes first is the kernel's choice on io_uring, and ours on epoll. */
Test(receive_on, shares_the_turns)
{
    struct probe other = {.loop = &loop};
    int others[2];

    start(SOCKETS_UNIX, 128);
    write_some(40 * SMALL_BUFFER);
    sockets_pair(SOCKETS_UNIX, others);
    sockets_write(others[1], "x", 1);
    arm();
    ring_receive(loop.ring, &other.op, probe_told, others[0]);
    cr_assert_leq(loop_until(&loop, &other.terminals, 1), 2);
    if (strcmp(ring_engine_name(loop.ring), "epoll") == 0)
        cr_assert_leq(flow.probe.completions, 8, "%u buffers came first", flow.probe.completions);
    until_received();
    if (flow.probe.op.in_flight)
        stop();
    sockets_close_pair(others);
    finish();
}

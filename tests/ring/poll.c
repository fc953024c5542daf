/* Polls, which end on what they asked for, and watches, which tell changes. */
#include "tests/ring/loop.h"
#include "tests/ring/sockets.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* The turns of a phase in which nothing happens: one at its end, and few for what was on its way.
 */
#define PHASE_MS    150
#define PHASE_TURNS 5

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
    loop_deinit(&loop);
    sockets_close_pair(pair);
}

static int poll_for(unsigned events)
{
    ring_poll(loop.ring, &probe.op, probe_told, pair[0], events);
    return probe_end(&probe);
}

Test(poll, ends_on_what_is_there)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        cr_assert_eq(poll_for(POLLOUT), POLLOUT, "%s", sockets_name(kind));
        sockets_write(pair[1], "x", 1);
        cr_assert_eq(poll_for(POLLIN), POLLIN, "%s", sockets_name(kind));
        cr_assert_eq(poll_for(POLLIN | POLLOUT), POLLIN | POLLOUT, "%s", sockets_name(kind));
        cr_assert_eq(probe.completions, 3);
        finish();
    }
}

Test(poll, waits_for_what_comes)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        ring_poll(loop.ring, &probe.op, probe_told, pair[0], POLLIN);
        probe_expect_quiet(&probe);
        sockets_write(pair[1], "x", 1);
        cr_assert(probe_end(&probe) & POLLIN, "%s", sockets_name(kind));
        probe_expect_quiet(&probe);

        sockets_fill(pair[0]);
        ring_poll(loop.ring, &probe.op, probe_told, pair[0], POLLOUT);
        probe_expect_quiet(&probe);
        sockets_drain(pair[1]);
        cr_assert(probe_end(&probe) & POLLOUT, "%s", sockets_name(kind));
        probe_expect_quiet(&probe);
        cr_assert_eq(probe.completions, 2);
        finish();
    }
}

Test(poll, ends_on_end_of_file_and_hang_up)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        ring_poll(loop.ring, &probe.op, probe_told, pair[0], POLLIN);
        probe_expect_quiet(&probe);
        shutdown(pair[1], SHUT_WR);
        cr_assert(probe_end(&probe) & POLLIN, "%s", sockets_name(kind));
        cr_assert(poll_for(POLLRDHUP) & POLLRDHUP, "%s", sockets_name(kind));
        finish();
    }

    start(SOCKETS_UNIX);
    sockets_fill(pair[0]);
    ring_poll(loop.ring, &probe.op, probe_told, pair[0], POLLOUT);
    probe_expect_quiet(&probe);
    close(pair[1]);
    cr_assert(probe_end(&probe) & POLLHUP);
    loop_deinit(&loop);
    close(pair[0]);

    start(SOCKETS_TCP);
    sockets_fill(pair[0]);
    ring_poll(loop.ring, &probe.op, probe_told, pair[0], POLLOUT);
    probe_expect_quiet(&probe);
    sockets_reset(pair[1]);
    cr_assert(probe_end(&probe) & (POLLERR | POLLHUP));
    loop_deinit(&loop);
    close(pair[0]);
}

/* POLLRDHUP is there, and stays, but was not asked for: the poll waits until the socket is
 * writable, without a turn. `before`: the half-close is there when the poll is armed. */
static void poll_beside_half_close(enum sockets_kind kind, bool before)
{
    start(kind);
    sockets_fill(pair[0]);
    if (before)
        cr_assert_eq(shutdown(pair[1], SHUT_WR), 0);
    ring_poll(loop.ring, &probe.op, probe_told, pair[0], POLLOUT);
    probe_expect_quiet(&probe);
    if (!before)
        cr_assert_eq(shutdown(pair[1], SHUT_WR), 0);
    unsigned turns = loop_for(&loop, PHASE_MS);
    cr_assert_eq(probe.completions, 0, "%s: told %#x", sockets_name(kind), probe.result);
    cr_assert_leq(turns, PHASE_TURNS, "%s: %u turns", sockets_name(kind), turns);

    sockets_drain(pair[1]);
    cr_assert(probe_end(&probe) & POLLOUT, "%s: told %#x", sockets_name(kind), probe.result);
    probe_expect_quiet(&probe);
    cr_assert_eq(probe.completions, 1);
    cr_assert_eq(ring_in_flight(loop.ring), 0);
    /* And all of it once more. */
    sockets_fill(pair[0]);
    ring_poll(loop.ring, &probe.op, probe_told, pair[0], POLLOUT);
    cr_assert_leq(loop_for(&loop, PHASE_MS), PHASE_TURNS);
    sockets_drain(pair[1]);
    cr_assert(probe_end(&probe) & POLLOUT);
    cr_assert_eq(probe.completions, 2);
    finish();
}

Test(poll, does_not_end_by_a_half_close_of_before_tcp)
{
    poll_beside_half_close(SOCKETS_TCP, true);
}

Test(poll, does_not_end_by_a_half_close_of_before_unix)
{
    poll_beside_half_close(SOCKETS_UNIX, true);
}

Test(poll, does_not_end_by_a_half_close_tcp)
{
    poll_beside_half_close(SOCKETS_TCP, false);
}

Test(poll, does_not_end_by_a_half_close_unix)
{
    poll_beside_half_close(SOCKETS_UNIX, false);
}

/* Ready and half-closed at once: no reason to wait. */
Test(poll, ends_at_once_where_both_are_there)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        shutdown(pair[1], SHUT_WR);
        sockets_poll(pair[0], POLLIN, 1000);
        cr_assert(poll_for(POLLOUT) & POLLOUT, "%s", sockets_name(kind));
        finish();
    }
}

/* The other end half-closes, then goes: the poll that waits for room is told. */
Test(poll, ends_by_a_reset_after_a_half_close)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        sockets_fill(pair[0]);
        shutdown(pair[1], SHUT_WR);
        ring_poll(loop.ring, &probe.op, probe_told, pair[0], POLLOUT);
        probe_expect_quiet(&probe);
        sockets_reset(pair[1]);
        cr_assert(probe_end(&probe) & (POLLERR | POLLHUP), "%s", sockets_name(kind));
        probe_expect_quiet(&probe);
        cr_assert_eq(probe.completions, 1);
        loop_deinit(&loop);
        close(pair[0]);
    }
}

/* The half-close once, the end once more, and nothing for all that is neither. */
static void watch(enum sockets_kind kind, int last)
{
    start(kind);
    ring_watch(loop.ring, &probe.op, probe_told, pair[0]);
    sockets_write(pair[1], "in", 2);
    probe_expect_quiet(&probe);
    sockets_drain(pair[0]);
    sockets_fill(pair[0]);
    sockets_drain(pair[1]);
    probe_expect_quiet(&probe);
    cr_assert_eq(probe.completions, 0, "%s: told %#x", sockets_name(kind), probe.result);

    shutdown(pair[1], SHUT_WR);
    loop_until(&loop, &probe.completions, 1);
    cr_assert_eq(probe.result, POLLRDHUP, "%s: told %#x", sockets_name(kind), probe.result);
    cr_assert_leq(loop_for(&loop, PHASE_MS), PHASE_TURNS);
    sockets_fill(pair[0]);
    sockets_drain(pair[1]);
    cr_assert_leq(loop_for(&loop, PHASE_MS), PHASE_TURNS);
    cr_assert_eq(probe.completions, 1, "%s: told %#x", sockets_name(kind), probe.result);

    probe.events = 0;
    sockets_reset(pair[1]);
    loop_until(&loop, &probe.completions, 2);
    loop_for(&loop, PHASE_MS);
    cr_assert_eq(probe.events & last, last, "%s: told %#x", sockets_name(kind), probe.events);
    probe_expect_quiet(&probe);
    cr_assert_eq(probe.terminals, 0);
    cr_assert_eq(probe_cancel(&probe), -ECANCELED);
    cr_assert_eq(probe.terminals, 1);
    loop_deinit(&loop);
    close(pair[0]);
}

Test(poll, watch_tells_changes_tcp)
{
    watch(SOCKETS_TCP, POLLERR | POLLHUP);
}

Test(poll, watch_tells_changes_unix)
{
    watch(SOCKETS_UNIX, POLLHUP);
}

/* What is there when the watch begins is told too. */
Test(poll, watch_tells_what_was_there_before)
{
    start(SOCKETS_TCP);
    sockets_reset(pair[1]);
    sockets_poll(pair[0], 0, 1000);
    ring_watch(loop.ring, &probe.op, probe_told, pair[0]);
    loop_until(&loop, &probe.completions, 1);
    cr_assert_eq(probe.result & (POLLERR | POLLHUP), POLLERR | POLLHUP);
    if (probe.op.in_flight)
        probe_cancel(&probe);
    loop_deinit(&loop);
    close(pair[0]);
}

/* What the completion queue does not hold at once: each is told all the same, and once. */
Test(poll, many_beside_a_half_close_through_a_tiny_queue)
{
    enum { MANY = 50 };
    static struct probe polls[MANY], watches[MANY];

    sockets_pair(SOCKETS_UNIX, pair);
    loop_init(&loop, 1, 1);
    sockets_fill(pair[0]);
    for (unsigned i = 0; i < MANY; i++) {
        polls[i].loop = &loop;
        watches[i].loop = &loop;
        ring_poll(loop.ring, &polls[i].op, probe_told, pair[0], POLLOUT);
        ring_watch(loop.ring, &watches[i].op, probe_told, pair[0]);
    }
    loop_for(&loop, 10);
    shutdown(pair[1], SHUT_WR);
    loop_for(&loop, 50);
    cr_assert_leq(loop_for(&loop, PHASE_MS), PHASE_TURNS);
    for (unsigned i = 0; i < MANY; i++) {
        cr_assert_eq(polls[i].completions, 0, "poll %u: told %#x", i, polls[i].result);
        cr_assert_eq(watches[i].completions, 1, "watch %u: told %u times", i,
                     watches[i].completions);
        cr_assert_eq(watches[i].result, POLLRDHUP);
    }
    sockets_drain(pair[1]);
    for (unsigned i = 0; i < MANY; i++) {
        loop_until(&loop, &polls[i].terminals, 1);
        cr_assert(polls[i].result & POLLOUT, "poll %u: told %#x", i, polls[i].result);
        cr_assert_eq(polls[i].completions, 1);
    }
    for (unsigned i = 0; i < MANY; i++)
        if (watches[i].op.in_flight)
            probe_cancel(&watches[i]);
    loop_deinit(&loop);
    sockets_close_pair(pair);
}

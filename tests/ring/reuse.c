/* Descriptors that are closed and their numbers given to others, at once; and files that live on
 * under another number. */
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
static int kept; /* another number of the file that was pair[0] */

static void start(enum sockets_kind kind)
{
    loop_init(&loop, 8, 8);
    probe = (struct probe){.loop = &loop};
    sockets_pair(kind, pair);
    kept = dup(pair[0]);
}

/* The number of pair[0] is another socket's from here on; returns that one's other end. */
static int take_over(enum sockets_kind kind)
{
    int other[2];

    sockets_pair(kind, other);
    cr_assert_eq(dup2(other[0], pair[0]), pair[0]);
    close(other[0]);
    return other[1];
}

static void finish(int other)
{
    loop_deinit(&loop);
    sockets_close_pair(pair);
    close(kept);
    close(other);
}

/* What happens to the file of before is nobody's business; what happens to the new one is told. */
static void expect_only_the_new_one(int other)
{
    ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
    loop_for(&loop, 0);
    sockets_write(pair[1], "old", 3);
    shutdown(pair[1], SHUT_WR);
    unsigned turns = loop_for(&loop, 30);
    cr_assert_leq(turns, 3, "%u turns", turns);
    cr_assert(probe.op.in_flight);
    sockets_write(other, "newer", 5);
    cr_assert_eq(probe_end(&probe), 5);
    cr_assert_arr_eq(probe.data, "newer", 5);
}

Test(reuse, after_a_receive)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
        loop_for(&loop, 0);
        sockets_write(pair[1], "x", 1);
        cr_assert_eq(probe_end(&probe), 1);
        int other = take_over(kind);
        expect_only_the_new_one(other);
        finish(other);
    }
}

Test(reuse, after_a_cancel)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        struct probe watch = {.loop = &loop};

        start(kind);
        ring_receive_on(loop.ring, &probe.op, probe_told, pair[0]);
        ring_watch(loop.ring, &watch.op, probe_told, pair[0]);
        loop_for(&loop, 0);
        cr_assert_eq(probe_cancel(&probe), -ECANCELED);
        loop_until(&loop, &watch.terminals, 1);
        int other = take_over(kind);
        expect_only_the_new_one(other);
        finish(other);
    }
}

Test(reuse, after_a_stop)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        ring_poll(loop.ring, &probe.op, probe_told, pair[0], POLLIN);
        loop_for(&loop, 0);
        ring_stop(loop.ring, &probe.op);
        cr_assert_eq(probe_end(&probe), -ECANCELED);
        int other = take_over(kind);
        expect_only_the_new_one(other);
        finish(other);
    }
}

static enum sockets_kind kind_within;
static int other_within;
static struct probe next;

static void take_over_within(struct ring_op *op, int result, unsigned flags)
{
    probe_told(op, result, flags);
    other_within = take_over(kind_within);
    ring_receive(loop.ring, &next.op, probe_told, pair[0]);
}

/* Closed and taken over by the handler of the operation that waited on it. */
Test(reuse, within_a_handler)
{
    for (kind_within = 0; kind_within < SOCKETS_KINDS; kind_within++) {
        start(kind_within);
        next = (struct probe){.loop = &loop};
        ring_receive(loop.ring, &probe.op, take_over_within, pair[0]);
        loop_for(&loop, 0);
        sockets_write(pair[1], "x", 1);
        loop_until(&loop, &probe.terminals, 1);
        sockets_write(pair[1], "old", 3);
        probe_expect_quiet(&next);
        sockets_write(other_within, "newer", 5);
        cr_assert_eq(probe_end(&next), 5);
        finish(other_within);
    }
}

/* Two numbers of one file, both waited on: each is told, and the end of one leaves the other. */
Test(reuse, of_one_file_by_two_numbers)
{
    struct probe second = {.loop = &loop};

    start(SOCKETS_TCP);
    ring_poll(loop.ring, &probe.op, probe_told, pair[0], POLLIN);
    ring_poll(loop.ring, &second.op, probe_told, kept, POLLIN);
    loop_for(&loop, 0);
    ring_stop(loop.ring, &probe.op);
    cr_assert_eq(probe_end(&probe), -ECANCELED);
    cr_assert(second.op.in_flight);
    close(pair[0]);
    sockets_write(pair[1], "x", 1);
    cr_assert_eq(probe_end(&second), POLLIN);
    pair[0] = dup(kept);
    finish(dup(kept));
}

/* Deadlines of a connection: passed, in the past, of another thread, extended, taken away; reads'
 * and writes' are two. */
#include "tests/vsock/backing.h"
#include "tests/vsock/harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(vsock_conn_deadline, .init = harness_begin, .fini = harness_end);

static struct vsock_conn *pair[2];
static struct waiter waiter;

/* A direction: what waits in it, and what sets its deadline. */
static const struct way {
    const char *name;
    ssize_t (*call)(void *conn);
    int (*set_deadline)(struct vsock_conn *conn, uint64_t deadline_ns);
} ways[] = {
    {"read", waiter_read, vsock_conn_set_read_deadline},
    {"write", waiter_write, vsock_conn_set_write_deadline},
    {"read of both", waiter_read, vsock_conn_set_deadline},
    {"write of both", waiter_write, vsock_conn_set_deadline},
};

static void end_with_time_out(const struct way *way)
{
    ssize_t r = waiter_join(&waiter);
    cr_expect_eq(r, -ETIMEDOUT, "%s: %zd", way->name, r);
}

/* Bytes pass both ways. */
static void check_is_good(void)
{
    static char bytes[1 << 16];

    cr_assert_eq(vsock_conn_set_deadline(pair[1], vsock_deadline_in(200 * MS)), 0);
    while (vsock_conn_read(pair[1], bytes, sizeof(bytes)) > 0)
        ;
    cr_assert_eq(vsock_conn_set_deadline(pair[1], VSOCK_NO_DEADLINE), 0);
    for (unsigned i = 0; i < 2; i++) {
        cr_expect_eq(vsock_conn_write(pair[i], "x", 1, NULL), 0);
        cr_expect_eq(vsock_conn_read(pair[!i], bytes, 1), 1);
    }
}

Test(vsock_conn_deadline, ends_what_waits_at_its_time)
{
    for (const struct way *way = ways; way < ways + COUNT_OF(ways); way++) {
        backing_pair(SOCK_STREAM, pair);
        uint64_t deadline = vsock_deadline_in(100 * MS);
        cr_assert_eq(way->set_deadline(pair[0], deadline), 0);
        cr_expect_eq(way->call(pair[0]), -ETIMEDOUT, "%s", way->name);
        uint64_t now = harness_now();
        cr_expect(now >= deadline && now < deadline + LATE_NS, "%s: %jd ns late", way->name,
                  (intmax_t)(now - deadline));
        cr_expect_eq(way->call(pair[0]), -ETIMEDOUT, "%s", way->name);
        cr_assert_eq(way->set_deadline(pair[0], VSOCK_NO_DEADLINE), 0);
        check_is_good();
        backing_pair_free(pair);
    }
}

Test(vsock_conn_deadline, in_the_past_ends_a_call_before_it_does_anything)
{
    size_t written = 4711;
    char byte = 0;

    backing_pair(SOCK_STREAM, pair);
    cr_assert_eq(vsock_conn_write(pair[1], "x", 1, NULL), 0);
    cr_assert_eq(vsock_conn_set_deadline(pair[0], 1), 0);
    cr_expect_eq(vsock_conn_read(pair[0], &byte, 1), -ETIMEDOUT);
    cr_expect_eq(vsock_conn_write(pair[0], "x", 1, &written), -ETIMEDOUT);
    cr_expect_eq(written, 0);
    cr_assert_eq(vsock_conn_set_deadline(pair[0], vsock_deadline_in(60 * SECOND)), 0);
    cr_expect_eq(vsock_conn_read(pair[0], &byte, 1), 1);
    cr_expect_eq(byte, 'x');
    backing_pair_free(pair);
}

Test(vsock_conn_deadline, that_passes_between_calls_ends_the_next)
{
    char byte;

    backing_pair(SOCK_STREAM, pair);
    uint64_t deadline = vsock_deadline_in(20 * MS);
    cr_assert_eq(vsock_conn_set_deadline(pair[0], deadline), 0);
    cr_assert_eq(vsock_conn_write(pair[1], "x", 1, NULL), 0);
    while (harness_now() <= deadline)
        usleep(1000);
    cr_expect_eq(vsock_conn_read(pair[0], &byte, 1), -ETIMEDOUT);
    cr_expect_eq(vsock_conn_write(pair[0], "x", 1, NULL), -ETIMEDOUT);
    backing_pair_free(pair);
}

Test(vsock_conn_deadline, of_reads_leaves_writes_alone)
{
    char byte;

    backing_pair(SOCK_STREAM, pair);
    cr_assert_eq(vsock_conn_set_read_deadline(pair[0], 1), 0);
    cr_expect_eq(vsock_conn_write(pair[0], "x", 1, NULL), 0);
    cr_expect_eq(vsock_conn_read(pair[1], &byte, 1), 1);
    cr_expect_eq(vsock_conn_read(pair[0], &byte, 1), -ETIMEDOUT);
    backing_pair_free(pair);
}

Test(vsock_conn_deadline, of_writes_leaves_reads_alone)
{
    char byte;

    backing_pair(SOCK_STREAM, pair);
    cr_assert_eq(vsock_conn_set_write_deadline(pair[0], 1), 0);
    cr_assert_eq(vsock_conn_write(pair[1], "x", 1, NULL), 0);
    cr_expect_eq(vsock_conn_read(pair[0], &byte, 1), 1);
    cr_expect_eq(vsock_conn_write(pair[0], "x", 1, NULL), -ETIMEDOUT);
    backing_pair_free(pair);
}

Test(vsock_conn_deadline, of_another_thread_ends_what_waits)
{
    static const uint64_t in_ns[] = {0, 50 * MS};

    for (const struct way *way = ways; way < ways + COUNT_OF(ways); way++) {
        backing_pair(SOCK_STREAM, pair);
        for (size_t i = 0; i < COUNT_OF(in_ns); i++) {
            waiter_start(&waiter, way->call, pair[0]);
            waiter_await_sleep(&waiter);
            uint64_t deadline = vsock_deadline_in(in_ns[i]);
            cr_assert_eq(way->set_deadline(pair[0], deadline), 0);
            end_with_time_out(way);
            cr_expect(waiter.ended_ns >= deadline && waiter.ended_ns < deadline + LATE_NS, "%s",
                      way->name);
            cr_assert_eq(way->set_deadline(pair[0], VSOCK_NO_DEADLINE), 0);
        }
        check_is_good();
        backing_pair_free(pair);
    }
}

Test(vsock_conn_deadline, in_the_past_of_another_thread_ends_what_waits)
{
    for (const struct way *way = ways; way < ways + COUNT_OF(ways); way++) {
        backing_pair(SOCK_STREAM, pair);
        waiter_start(&waiter, way->call, pair[0]);
        waiter_await_sleep(&waiter);
        cr_assert_eq(way->set_deadline(pair[0], 1), 0);
        end_with_time_out(way);
        backing_pair_free(pair);
    }
}

Test(vsock_conn_deadline, ends_every_thread_that_waits)
{
    struct waiter waiters[6];

    backing_pair(SOCK_STREAM, pair);
    for (size_t i = 0; i < COUNT_OF(waiters); i++) {
        waiter_start(&waiters[i], i % 2 ? waiter_write : waiter_read, pair[0]);
        waiter_await_sleep(&waiters[i]);
    }
    cr_assert_eq(vsock_conn_set_deadline(pair[0], vsock_deadline_in(20 * MS)), 0);
    for (size_t i = 0; i < COUNT_OF(waiters); i++)
        cr_expect_eq(waiter_join(&waiters[i]), -ETIMEDOUT);
    backing_pair_free(pair);
}

/* What waits has seen an earlier deadline: the later one, or none, is the one that holds. */
static void check_outlives_first(uint64_t second_in_ns)
{
    backing_pair(SOCK_STREAM, pair);
    uint64_t first = vsock_deadline_in(300 * MS);
    cr_assert_eq(vsock_conn_set_read_deadline(pair[0], first), 0);
    waiter_start(&waiter, waiter_read, pair[0]);
    waiter_await_sleep(&waiter);
    uint64_t second = second_in_ns ? vsock_deadline_in(second_in_ns) : VSOCK_NO_DEADLINE;
    cr_assert_eq(vsock_conn_set_read_deadline(pair[0], second), 0);
    while (harness_now() < first + 50 * MS)
        usleep(10000);
    cr_expect_not(waiter.ended);
    cr_assert_eq(vsock_conn_write(pair[1], "x", 1, NULL), 0);
    cr_expect_eq(waiter_join(&waiter), 1);
    backing_pair_free(pair);
}

Test(vsock_conn_deadline, extended_while_it_waits_does_not_end_it)
{
    check_outlives_first(60 * SECOND);
}

Test(vsock_conn_deadline, taken_away_while_it_waits_does_not_end_it)
{
    check_outlives_first(0);
}

Test(vsock_conn_deadline, brought_forward_while_it_waits_ends_it)
{
    backing_pair(SOCK_STREAM, pair);
    cr_assert_eq(vsock_conn_set_read_deadline(pair[0], vsock_deadline_in(60 * SECOND)), 0);
    waiter_start(&waiter, waiter_read, pair[0]);
    waiter_await_sleep(&waiter);
    cr_assert_eq(vsock_conn_set_read_deadline(pair[0], vsock_deadline_in(10 * MS)), 0);
    cr_expect_eq(waiter_join(&waiter), -ETIMEDOUT);
    backing_pair_free(pair);
}

Test(vsock_conn_deadline, at_the_end_of_time_is_none)
{
    backing_pair(SOCK_STREAM, pair);
    cr_assert_eq(vsock_conn_set_deadline(pair[0], UINT64_MAX), 0);
    cr_assert_eq(vsock_conn_set_deadline(pair[1], vsock_deadline_in(UINT64_MAX)), 0);
    waiter_start(&waiter, waiter_read, pair[0]);
    waiter_await_sleep(&waiter);
    cr_expect_eq(vsock_conn_write(pair[1], "x", 1, NULL), 0);
    cr_expect_eq(waiter_join(&waiter), 1);
    backing_pair_free(pair);
}

Test(vsock_conn_deadline, is_the_monotonic_clocks)
{
    uint64_t before = harness_now(), deadline = vsock_deadline_in(5 * SECOND);

    cr_expect(deadline >= before + 5 * SECOND && deadline <= harness_now() + 5 * SECOND);
    cr_expect_neq(vsock_deadline_in(0), VSOCK_NO_DEADLINE);
}

Test(vsock_conn_deadline, of_what_is_closed_is_refused)
{
    static const uint64_t deadlines[] = {VSOCK_NO_DEADLINE, 1, UINT64_MAX};

    backing_pair(SOCK_STREAM, pair);
    cr_assert_eq(vsock_conn_close(pair[0]), 0);
    for (size_t i = 0; i < COUNT_OF(deadlines); i++) {
        cr_expect_eq(vsock_conn_set_deadline(pair[0], deadlines[i]), -EBADF);
        cr_expect_eq(vsock_conn_set_read_deadline(pair[0], deadlines[i]), -EBADF);
        cr_expect_eq(vsock_conn_set_write_deadline(pair[0], deadlines[i]), -EBADF);
    }
    cr_expect_eq(waiter_read(pair[0]), -EBADF);
    backing_pair_free(pair);
}

/* One direction ends, the other goes on. */
#include "tests/vsock/backing.h"
#include "tests/vsock/harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sys/socket.h>

TestSuite(vsock_conn_half_close, .init = harness_begin, .fini = harness_end);

static struct vsock_conn *pair[2];

static void check_passes(struct vsock_conn *from, struct vsock_conn *to, const char *text)
{
    char bytes[8];

    cr_assert_eq(vsock_conn_write(from, text, 5, NULL), 0);
    cr_assert_eq(vsock_conn_read(to, bytes, sizeof(bytes)), 5);
    cr_expect_arr_eq(bytes, text, 5);
}

static void check_end_of_file(struct vsock_conn *conn)
{
    char byte;

    for (unsigned i = 0; i < 2; i++)
        cr_expect_eq(vsock_conn_read(conn, &byte, 1), 0);
}

static void check_close_write(unsigned first)
{
    struct vsock_conn *ends[2];

    backing_pair(SOCK_STREAM, pair);
    ends[0] = pair[first];
    ends[1] = pair[!first];
    check_passes(ends[0], ends[1], "first");
    cr_assert_eq(vsock_conn_close_write(ends[0]), 0);
    check_end_of_file(ends[1]);
    check_passes(ends[1], ends[0], "later");
    check_passes(ends[1], ends[0], "again");
    cr_expect_eq(vsock_conn_write(ends[0], "x", 1, NULL), -EPIPE);
    cr_assert_eq(vsock_conn_close_write(ends[1]), 0);
    check_end_of_file(ends[0]);
    backing_pair_free(pair);
}

Test(vsock_conn_half_close, the_dialler_writes_no_more_and_reads_on)
{
    check_close_write(0);
}

Test(vsock_conn_half_close, the_accepted_writes_no_more_and_reads_on)
{
    check_close_write(1);
}

Test(vsock_conn_half_close, what_was_written_before_arrives)
{
    static char bytes[50000];
    size_t got = 0;
    ssize_t r;

    backing_pair(SOCK_STREAM, pair);
    cr_assert_eq(vsock_conn_write(pair[0], bytes, sizeof(bytes), NULL), 0);
    cr_assert_eq(vsock_conn_close_write(pair[0]), 0);
    while ((r = vsock_conn_read(pair[1], bytes, sizeof(bytes))) > 0)
        got += (size_t)r;
    cr_expect_eq(r, 0);
    cr_expect_eq(got, sizeof(bytes));
    backing_pair_free(pair);
}

Test(vsock_conn_half_close, ends_a_read_of_the_other_end_that_waits)
{
    struct waiter waiter;

    backing_pair(SOCK_STREAM, pair);
    waiter_start(&waiter, waiter_read, pair[1]);
    waiter_await_sleep(&waiter);
    cr_assert_eq(vsock_conn_close_write(pair[0]), 0);
    cr_expect_eq(waiter_join(&waiter), 0);
    backing_pair_free(pair);
}

Test(vsock_conn_half_close, reading_no_more_ends_a_read_that_waits_and_writing_goes_on)
{
    struct waiter waiter;

    backing_pair(SOCK_STREAM, pair);
    waiter_start(&waiter, waiter_read, pair[0]);
    waiter_await_sleep(&waiter);
    cr_assert_eq(vsock_conn_close_read(pair[0]), 0);
    cr_expect_eq(waiter_join(&waiter), 0);
    check_end_of_file(pair[0]);
    check_passes(pair[0], pair[1], "later");
    backing_pair_free(pair);
}

Test(vsock_conn_half_close, the_other_end_cannot_write_to_what_reads_no_more)
{
    uint64_t until = harness_now() + 10 * SECOND;
    int r = 0;

    backing_pair(SOCK_STREAM, pair);
    cr_assert_eq(vsock_conn_close_read(pair[0]), 0);
    while (r == 0 && harness_now() < until)
        r = vsock_conn_write(pair[1], "x", 1, NULL);
    cr_expect_eq(r, -EPIPE);
    backing_pair_free(pair);
}

Test(vsock_conn_half_close, of_what_is_closed_is_refused)
{
    backing_pair(SOCK_STREAM, pair);
    cr_assert_eq(vsock_conn_close(pair[0]), 0);
    cr_expect_eq(vsock_conn_close_write(pair[0]), -EBADF);
    cr_expect_eq(vsock_conn_close_read(pair[0]), -EBADF);
    backing_pair_free(pair);
}

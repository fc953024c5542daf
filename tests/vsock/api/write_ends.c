/* A write that waits although its other end will read no more: poll(2) tells nothing of it while
 * the socket is full. */
#include "tests/vsock/backing.h"
#include "tests/vsock/harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sys/socket.h>

TestSuite(vsock_conn_write_ends, .init = harness_begin, .fini = harness_end);

static struct vsock_conn *pair[2];
static struct waiter writer;

static void begin(void)
{
    backing_pair(SOCK_STREAM, pair);
    waiter_start(&writer, waiter_write, pair[0]);
    waiter_await_sleep(&writer);
}

static void check_ended(ssize_t or_else)
{
    ssize_t r = waiter_join(&writer);

    cr_expect(r == -EPIPE || r == or_else, "%zd", r);
    backing_pair_free(pair);
}

Test(vsock_conn_write_ends, where_the_other_end_reads_no_more)
{
    begin();
    cr_assert_eq(vsock_conn_close_read(pair[1]), 0);
    check_ended(-EPIPE);
}

/* As a server does that answers "too large" and closes. */
Test(vsock_conn_write_ends, where_the_other_end_answers_and_closes)
{
    begin();
    cr_assert_eq(vsock_conn_write(pair[1], "no", 2, NULL), 0);
    cr_assert_eq(vsock_conn_close(pair[1]), 0);
    check_ended(-ECONNRESET);
}

Test(vsock_conn_write_ends, where_its_own_end_writes_no_more)
{
    begin();
    cr_assert_eq(vsock_conn_close_write(pair[0]), 0);
    check_ended(-EPIPE);
}

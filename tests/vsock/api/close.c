/* Closing a connection, also while others are at it, and its addresses. */
#include "tests/vsock/backing.h"
#include "tests/vsock/harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sys/socket.h>

TestSuite(vsock_conn_close, .init = harness_begin, .fini = harness_end);
TestSuite(vsock_conn_address, .init = harness_begin, .fini = harness_end);

static struct vsock_conn *pair[2];

Test(vsock_conn_close, ends_reads_and_writes_that_wait)
{
    struct waiter waiters[6];

    backing_pair(SOCK_STREAM, pair);
    for (size_t i = 0; i < COUNT_OF(waiters); i++) {
        waiter_start(&waiters[i], i % 2 ? waiter_write : waiter_read, pair[0]);
        waiter_await_sleep(&waiters[i]);
    }
    uint64_t begin = harness_now();
    cr_assert_eq(vsock_conn_close(pair[0]), 0);
    for (size_t i = 0; i < COUNT_OF(waiters); i++) {
        cr_expect_eq(waiter_join(&waiters[i]), -EBADF);
        cr_expect_lt(waiters[i].ended_ns, begin + LATE_NS);
    }
    backing_pair_free(pair);
}

Test(vsock_conn_close, all_that_comes_after_it_is_refused)
{
    size_t written = 4711;
    char byte;

    backing_pair(SOCK_STREAM, pair);
    int fd = vsock_conn_fd(pair[0]);
    cr_assert_eq(vsock_conn_close(pair[0]), 0);
    cr_expect_not(harness_fd_is_open(fd));
    cr_expect_eq(vsock_conn_close(pair[0]), -EBADF);
    cr_expect_eq(vsock_conn_read(pair[0], &byte, 1), -EBADF);
    cr_expect_eq(vsock_conn_write(pair[0], &byte, 1, &written), -EBADF);
    cr_expect_eq(written, 0);
    cr_expect_eq(vsock_conn_fd(pair[0]), -EBADF);
    cr_expect_eq(vsock_conn_take_fd(pair[0]), -EBADF);
    backing_pair_free(pair);
}

Test(vsock_conn_close, is_said_even_where_a_deadline_has_passed)
{
    backing_pair(SOCK_STREAM, pair);
    cr_assert_eq(vsock_conn_set_deadline(pair[0], 1), 0);
    cr_assert_eq(vsock_conn_close(pair[0]), 0);
    cr_expect_eq(waiter_read(pair[0]), -EBADF);
    cr_expect_eq(waiter_write(pair[0]), -EBADF);
    backing_pair_free(pair);
}

Test(vsock_conn_close, is_seen_by_the_other_end_while_it_reads)
{
    struct waiter waiter;

    backing_pair(SOCK_STREAM, pair);
    waiter_start(&waiter, waiter_read, pair[1]);
    waiter_await_sleep(&waiter);
    cr_assert_eq(vsock_conn_close(pair[0]), 0);
    cr_expect_eq(waiter_join(&waiter), 0);
    backing_pair_free(pair);
}

Test(vsock_conn_close, freeing_closes)
{
    backing_pair(SOCK_STREAM, pair);
    int fd = vsock_conn_fd(pair[0]);
    vsock_conn_free(pair[0]);
    cr_expect_not(harness_fd_is_open(fd));
    cr_expect_eq(waiter_read(pair[1]), 0);
    vsock_conn_free(pair[1]);
    vsock_conn_free(NULL);
}

static void check_address(struct vsock_address is, struct vsock_address expected)
{
    cr_expect_eq(is.cid, expected.cid, "%u, not %u", is.cid, expected.cid);
    cr_expect_eq(is.port, expected.port, "%u, not %u", is.port, expected.port);
}

Test(vsock_conn_address, both_ends_know_both_addresses)
{
    struct vsock_listener *listener = backing_listen(NULL);
    struct vsock_address address = vsock_listener_address(listener);

    backing_connect(listener, NULL, pair);
    check_address(vsock_conn_remote_address(pair[0]), address);
    check_address(vsock_conn_local_address(pair[1]), address);
    struct vsock_address dialler = vsock_conn_local_address(pair[0]);
    struct vsock_address seen = vsock_conn_remote_address(pair[1]);
    if (backing_is_vsock()) {
        /* Of a socket that chose its own port the kernel tells no CID (vsock_auto_bind()). */
        cr_expect(dialler.cid == VSOCK_CID_LOCAL || dialler.cid == VSOCK_CID_ANY, "%u",
                  dialler.cid);
        cr_expect(dialler.port > 0 && dialler.port != VSOCK_PORT_ANY, "%u", dialler.port);
        check_address(seen, (struct vsock_address){VSOCK_CID_LOCAL, dialler.port});
    } else {
        check_address(dialler, (struct vsock_address){VSOCK_CID_ANY, VSOCK_PORT_ANY});
        check_address(seen, dialler);
    }
    backing_pair_free(pair);
    vsock_listener_free(listener);
}

Test(vsock_conn_address, is_known_when_closed_too)
{
    struct vsock_address local[2], remote[2];

    backing_pair(SOCK_STREAM, pair);
    for (unsigned i = 0; i < 2; i++) {
        local[i] = vsock_conn_local_address(pair[i]);
        remote[i] = vsock_conn_remote_address(pair[i]);
        cr_assert_eq(vsock_conn_close(pair[i]), 0);
        check_address(vsock_conn_local_address(pair[i]), local[i]);
        check_address(vsock_conn_remote_address(pair[i]), remote[i]);
    }
    backing_pair_free(pair);
}

Test(vsock_conn_address, of_a_pair_is_as_named)
{
    const struct vsock_address ends[2] = {{3, 1024}, {VSOCK_CID_HOST, 80}};

    cr_assert_eq(vsock_conn_pair(&ends[0], &ends[1], 0, pair), 0);
    for (unsigned i = 0; i < 2; i++) {
        check_address(vsock_conn_local_address(pair[i]), ends[i]);
        check_address(vsock_conn_remote_address(pair[i]), ends[!i]);
    }
    backing_pair_free(pair);
}

Test(vsock_conn_address, a_pair_of_another_type_is_refused)
{
    const struct vsock_address end = {3, 1024};

    pair[0] = pair[1] = NULL;
    cr_expect_eq(vsock_conn_pair(&end, &end, SOCK_DGRAM, pair), -EINVAL);
    cr_expect_eq(vsock_conn_pair(&end, &end, -1, pair), -EINVAL);
    cr_expect_null(pair[0]);
    cr_expect_null(pair[1]);
}

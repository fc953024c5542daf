/* Accepting: its deadline in all its ways, closing while it waits. */
#include "tests/vsock/backing.h"
#include "tests/vsock/harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

TestSuite(vsock_accept, .init = harness_begin, .fini = harness_end);

static struct vsock_listener *listener;
static struct waiter waiter;

static int accept_once(void)
{
    return (int)waiter_accept(listener);
}

static void check_accepts(void)
{
    struct vsock_conn *conns[2];
    backing_connect(listener, NULL, conns);
    backing_pair_free(conns);
}

static void wait_in_accept(void)
{
    waiter_start(&waiter, waiter_accept, listener);
    waiter_await_sleep(&waiter);
}

static void dial(void)
{
    struct vsock_conn *conn;
    cr_assert_eq(backing_dial(vsock_listener_address(listener), NULL, &conn), 0);
    vsock_conn_free(conn);
}

Test(vsock_accept, waits_for_a_connection)
{
    listener = backing_listen(NULL);
    wait_in_accept();
    dial();
    cr_expect_eq(waiter_join(&waiter), 0);
    vsock_listener_free(listener);
}

Test(vsock_accept, takes_connections_in_the_order_they_came)
{
    struct vsock_conn *dialled[3], *accepted;
    char byte;

    listener = backing_listen(NULL);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(backing_dial(vsock_listener_address(listener), NULL, &dialled[i]), 0);
        cr_assert_eq(vsock_conn_write(dialled[i], &"abc"[i], 1, NULL), 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(vsock_listener_accept(listener, &accepted), 0);
        cr_expect_eq(vsock_conn_read(accepted, &byte, 1), 1);
        cr_expect_eq(byte, "abc"[i]);
        vsock_conn_free(accepted);
        vsock_conn_free(dialled[i]);
    }
    vsock_listener_free(listener);
}

Test(vsock_accept, what_it_accepts_is_close_on_exec_and_does_not_block)
{
    struct vsock_conn *conns[2];

    listener = backing_listen(NULL);
    backing_connect(listener, NULL, conns);
    for (unsigned i = 0; i < 2; i++) {
        cr_expect(fcntl(vsock_conn_fd(conns[i]), F_GETFD) & FD_CLOEXEC);
        cr_expect(fcntl(vsock_conn_fd(conns[i]), F_GETFL) & O_NONBLOCK);
    }
    backing_pair_free(conns);
    vsock_listener_free(listener);
}

Test(vsock_accept, ends_at_its_deadline_and_recovers)
{
    listener = backing_listen(NULL);
    uint64_t begin = harness_now();
    cr_assert_eq(vsock_listener_set_deadline(listener, vsock_deadline_in(100 * MS)), 0);
    cr_expect_eq(accept_once(), -ETIMEDOUT);
    uint64_t took = harness_now() - begin;
    cr_expect(took >= 100 * MS && took < LATE_NS, "%ju ns", (uintmax_t)took);
    cr_expect_eq(accept_once(), -ETIMEDOUT);
    cr_assert_eq(vsock_listener_set_deadline(listener, VSOCK_NO_DEADLINE), 0);
    check_accepts();
    vsock_listener_free(listener);
}

Test(vsock_accept, a_deadline_in_the_past_ends_it_at_once_though_somebody_dialled)
{
    struct vsock_conn *conn;

    listener = backing_listen(NULL);
    cr_assert_eq(backing_dial(vsock_listener_address(listener), NULL, &conn), 0);
    cr_assert_eq(vsock_listener_set_deadline(listener, 1), 0);
    cr_expect_eq(accept_once(), -ETIMEDOUT);
    cr_assert_eq(vsock_listener_set_deadline(listener, vsock_deadline_in(60 * SECOND)), 0);
    cr_expect_eq(accept_once(), 0);
    vsock_conn_free(conn);
    vsock_listener_free(listener);
}

Test(vsock_accept, a_deadline_of_another_thread_ends_it_while_it_waits)
{
    static const uint64_t in_ns[] = {0, 50 * MS};

    listener = backing_listen(NULL);
    for (size_t i = 0; i < COUNT_OF(in_ns); i++) {
        wait_in_accept();
        uint64_t deadline = vsock_deadline_in(in_ns[i]);
        cr_assert_eq(vsock_listener_set_deadline(listener, deadline), 0);
        cr_expect_eq(waiter_join(&waiter), -ETIMEDOUT);
        cr_expect_geq(waiter.ended_ns, deadline);
        cr_expect_lt(waiter.ended_ns, deadline + LATE_NS);
        cr_assert_eq(vsock_listener_set_deadline(listener, VSOCK_NO_DEADLINE), 0);
    }
    check_accepts();
    vsock_listener_free(listener);
}

Test(vsock_accept, a_deadline_taken_away_while_it_waits_does_not_end_it)
{
    listener = backing_listen(NULL);
    uint64_t deadline = vsock_deadline_in(300 * MS);
    cr_assert_eq(vsock_listener_set_deadline(listener, deadline), 0);
    wait_in_accept();
    cr_assert_eq(vsock_listener_set_deadline(listener, VSOCK_NO_DEADLINE), 0);
    while (harness_now() < deadline + 50 * MS)
        usleep(10000);
    cr_expect_not(waiter.ended);
    dial();
    cr_expect_eq(waiter_join(&waiter), 0);
    vsock_listener_free(listener);
}

Test(vsock_accept, closing_ends_every_accept_that_waits)
{
    struct waiter more[4];

    listener = backing_listen(NULL);
    for (size_t i = 0; i < COUNT_OF(more); i++) {
        waiter_start(&more[i], waiter_accept, listener);
        waiter_await_sleep(&more[i]);
    }
    uint64_t begin = harness_now();
    cr_assert_eq(vsock_listener_close(listener), 0);
    for (size_t i = 0; i < COUNT_OF(more); i++) {
        cr_expect_eq(waiter_join(&more[i]), -EBADF);
        cr_expect_lt(more[i].ended_ns, begin + LATE_NS);
    }
    vsock_listener_free(listener);
}

Test(vsock_accept, all_that_comes_after_closing_is_refused)
{
    listener = backing_listen(NULL);
    cr_assert_eq(vsock_listener_close(listener), 0);
    cr_expect_eq(vsock_listener_close(listener), -EBADF);
    cr_expect_eq(accept_once(), -EBADF);
    cr_expect_eq(vsock_listener_set_deadline(listener, VSOCK_NO_DEADLINE), -EBADF);
    cr_expect_eq(vsock_listener_set_deadline(listener, 1), -EBADF);
    cr_expect_eq(accept_once(), -EBADF);
    vsock_listener_free(listener);
}

Test(vsock_accept, closing_resets_what_was_not_accepted)
{
    struct vsock_conn *conn;
    char byte;

    listener = backing_listen(NULL);
    cr_assert_eq(backing_dial(vsock_listener_address(listener), NULL, &conn), 0);
    cr_assert_eq(vsock_listener_close(listener), 0);
    cr_assert_eq(vsock_conn_set_deadline(conn, vsock_deadline_in(10 * SECOND)), 0);
    ssize_t r = vsock_conn_read(conn, &byte, 1);
    cr_expect(r == 0 || r == -ECONNRESET, "%zd", r);
    vsock_conn_free(conn);
    vsock_listener_free(listener);
}

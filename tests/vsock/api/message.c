/* SOCK_SEQPACKET: messages keep their boundaries, and are sent whole or not at all. */
#include "tests/vsock/backing.h"
#include "tests/vsock/harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

TestSuite(vsock_conn_message, .init = harness_begin, .fini = harness_end);

static struct vsock_conn *pair[2];

Test(vsock_conn_message, each_read_is_one_message)
{
    char bytes[16];

    backing_pair(SOCK_SEQPACKET, pair);
    cr_assert_eq(vsock_conn_write(pair[0], "one", 3, NULL), 0);
    cr_assert_eq(vsock_conn_write(pair[0], "three", 5, NULL), 0);
    cr_expect_eq(vsock_conn_read(pair[1], bytes, sizeof(bytes)), 3);
    cr_expect_arr_eq(bytes, "one", 3);
    cr_expect_eq(vsock_conn_read(pair[1], bytes, sizeof(bytes)), 5);
    cr_expect_arr_eq(bytes, "three", 5);
    backing_pair_free(pair);
}

Test(vsock_conn_message, of_exactly_the_buffers_length_is_whole)
{
    char bytes[5];

    backing_pair(SOCK_SEQPACKET, pair);
    cr_assert_eq(vsock_conn_write(pair[0], "three", 5, NULL), 0);
    cr_expect_eq(vsock_conn_read(pair[1], bytes, sizeof(bytes)), 5);
    cr_expect_arr_eq(bytes, "three", 5);
    backing_pair_free(pair);
}

Test(vsock_conn_message, longer_than_the_buffer_loses_its_rest)
{
    char bytes[6] = "......";

    backing_pair(SOCK_SEQPACKET, pair);
    cr_assert_eq(vsock_conn_write(pair[0], "abcdef", 6, NULL), 0);
    cr_assert_eq(vsock_conn_write(pair[0], "next", 4, NULL), 0);
    cr_expect_eq(vsock_conn_read(pair[1], bytes, 4), -EMSGSIZE);
    cr_expect_arr_eq(bytes, "abcd..", 6);
    cr_expect_eq(vsock_conn_read(pair[1], bytes, sizeof(bytes)), 4);
    cr_expect_arr_eq(bytes, "next", 4);
    backing_pair_free(pair);
}

/* vsock has no empty messages: none is sent. */
Test(vsock_conn_message, may_be_empty_where_the_socket_has_such)
{
    size_t written = 4711;
    char bytes[4];

    backing_pair(SOCK_SEQPACKET, pair);
    cr_expect_eq(vsock_conn_write(pair[0], "", 0, &written), 0);
    cr_expect_eq(written, 0);
    cr_assert_eq(vsock_conn_write(pair[0], "x", 1, NULL), 0);
    if (!backing_is_vsock())
        cr_expect_eq(vsock_conn_read(pair[1], bytes, sizeof(bytes)), 0);
    cr_expect_eq(vsock_conn_read(pair[1], bytes, sizeof(bytes)), 1);
    backing_pair_free(pair);
}

Test(vsock_conn_message, stays_where_nothing_is_asked_for)
{
    char bytes[4];

    backing_pair(SOCK_SEQPACKET, pair);
    cr_assert_eq(vsock_conn_write(pair[0], "word", 4, NULL), 0);
    cr_expect_eq(vsock_conn_read(pair[1], bytes, 0), 0);
    cr_expect_eq(vsock_conn_read(pair[1], bytes, sizeof(bytes)), 4);
    backing_pair_free(pair);
}

Test(vsock_conn_message, larger_than_what_the_socket_holds_is_refused)
{
    static char bytes[16 << 20];
    size_t written = 4711;
    char byte;

    backing_pair(SOCK_SEQPACKET, pair);
    int r = vsock_conn_write(pair[0], bytes, sizeof(bytes), &written);
    /* Up to Linux 6.1 vsock has one errno for whatever is wrong with a send. */
    cr_expect(r == -EMSGSIZE || (backing_is_vsock() && r == -ENOMEM), "%d", r);
    cr_expect_eq(written, 0);
    cr_assert_eq(vsock_conn_write(pair[0], "x", 1, NULL), 0);
    cr_expect_eq(vsock_conn_read(pair[1], &byte, 1), 1);
    backing_pair_free(pair);
}

Test(vsock_conn_message, is_not_sent_in_part_when_its_deadline_passes)
{
    static char bytes[30000];
    unsigned sent = 0, received = 0;
    size_t written = 0;
    int r;

    backing_pair(SOCK_SEQPACKET, pair);
    cr_assert_eq(vsock_conn_set_write_deadline(pair[0], vsock_deadline_in(300 * MS)), 0);
    while ((r = vsock_conn_write(pair[0], bytes, sizeof(bytes), &written)) == 0) {
        cr_expect_eq(written, sizeof(bytes));
        sent++;
    }
    cr_expect_eq(r, -ETIMEDOUT);
    cr_expect_eq(written, 0);
    cr_assert_eq(vsock_conn_close_write(pair[0]), 0);
    ssize_t length;
    while ((length = vsock_conn_read(pair[1], bytes, sizeof(bytes))) > 0) {
        cr_expect_eq(length, (ssize_t)sizeof(bytes));
        received++;
    }
    cr_expect_eq(length, 0);
    cr_expect_eq(received, sent);
    backing_pair_free(pair);
}

static ssize_t write_until_it_fails(void *conn)
{
    static char bytes[30000];
    int r;

    while ((r = vsock_conn_write(conn, bytes, sizeof(bytes), NULL)) == 0)
        ;
    return r;
}

Test(vsock_conn_message, that_waits_ends_when_its_connection_is_closed)
{
    struct waiter waiter;

    backing_pair(SOCK_SEQPACKET, pair);
    waiter_start(&waiter, write_until_it_fails, pair[0]);
    waiter_await_sleep(&waiter);
    cr_assert_eq(vsock_conn_close(pair[0]), 0);
    ssize_t r = waiter_join(&waiter);
    cr_expect_eq(r, -EBADF, "%zd", r);
    backing_pair_free(pair);
}

#define MESSAGE_COUNT 400
#define MESSAGE_BYTES 50000

static size_t message_length(unsigned index)
{
    return index * 7919 % MESSAGE_BYTES + 1;
}

static ssize_t messages_write(void *conn)
{
    static char bytes[MESSAGE_BYTES];

    for (unsigned i = 0; i < MESSAGE_COUNT; i++) {
        memset(bytes, (int)('a' + i % 26), message_length(i));
        int r = vsock_conn_write(conn, bytes, message_length(i), NULL);
        if (r < 0)
            return r;
    }
    return 0;
}

/* More than the buffers hold: the writer waits, again and again. */
Test(vsock_conn_message, many_arrive_whole_and_in_their_order)
{
    static char bytes[MESSAGE_BYTES];
    struct waiter waiter;

    backing_pair(SOCK_SEQPACKET, pair);
    waiter_start(&waiter, messages_write, pair[0]);
    waiter_await_sleep(&waiter);
    for (unsigned i = 0; i < MESSAGE_COUNT; i++) {
        ssize_t length = vsock_conn_read(pair[1], bytes, sizeof(bytes));
        cr_assert_eq(length, (ssize_t)message_length(i), "message %u: %zd bytes", i, length);
        cr_assert_eq(bytes[0], (char)('a' + i % 26));
        cr_assert_eq(memcmp(bytes, bytes + 1, (size_t)length - 1), 0);
    }
    cr_expect_eq(waiter_join(&waiter), 0);
    backing_pair_free(pair);
}

Test(vsock_conn_message, are_not_dialled_by_a_stream)
{
    struct vsock_listener *listener =
        backing_listen(&(struct vsock_listen_options){.type = SOCK_SEQPACKET});
    struct vsock_conn *conn = NULL;
    int r = backing_dial(vsock_listener_address(listener), NULL, &conn);

    cr_expect_lt(r, 0);
    cr_expect_null(conn);
    vsock_listener_free(listener);
}

/* A connection's descriptor: lent, taken, given. */
#include "tests/vsock/backing.h"
#include "tests/vsock/harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

TestSuite(vsock_conn_fd, .init = harness_begin, .fini = harness_end);

static struct vsock_conn *pair[2];
static struct vsock_conn *const untouched = (struct vsock_conn *)4711;

static void check_fd_receives(int fd, struct vsock_conn *from)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    char byte = 0;

    cr_assert_eq(vsock_conn_write(from, "x", 1, NULL), 0);
    cr_assert_eq(poll(&readable, 1, 10000), 1);
    cr_expect_eq(recv(fd, &byte, 1, 0), 1);
    cr_expect_eq(byte, 'x');
}

Test(vsock_conn_fd, is_lent_for_calls_of_ones_own)
{
    char byte;

    backing_pair(SOCK_STREAM, pair);
    int fd = vsock_conn_fd(pair[0]);
    cr_assert_geq(fd, 0);
    cr_expect_eq(vsock_conn_fd(pair[0]), fd);
    cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    cr_expect(fcntl(fd, F_GETFL) & O_NONBLOCK);
    check_fd_receives(fd, pair[1]);
    cr_assert_eq(vsock_conn_write(pair[0], "y", 1, NULL), 0);
    cr_expect_eq(vsock_conn_read(pair[1], &byte, 1), 1);
    backing_pair_free(pair);
}

Test(vsock_conn_fd, taken_it_lives_on_and_the_connection_is_closed)
{
    backing_pair(SOCK_STREAM, pair);
    int lent = vsock_conn_fd(pair[0]), fd = vsock_conn_take_fd(pair[0]);
    cr_expect_eq(fd, lent);
    cr_expect_eq(waiter_read(pair[0]), -EBADF);
    cr_expect_eq(waiter_write(pair[0]), -EBADF);
    cr_expect_eq(vsock_conn_fd(pair[0]), -EBADF);
    cr_expect_eq(vsock_conn_take_fd(pair[0]), -EBADF);
    cr_expect_eq(vsock_conn_close(pair[0]), -EBADF);
    vsock_conn_free(pair[0]);
    check_fd_receives(fd, pair[1]);
    close(fd);
    vsock_conn_free(pair[1]);
}

Test(vsock_conn_fd, taking_it_ends_what_waits_and_waits_for_it)
{
    struct waiter waiters[4];

    backing_pair(SOCK_STREAM, pair);
    for (size_t i = 0; i < COUNT_OF(waiters); i++) {
        waiter_start(&waiters[i], i % 2 ? waiter_write : waiter_read, pair[0]);
        waiter_await_sleep(&waiters[i]);
    }
    int fd = vsock_conn_take_fd(pair[0]);
    cr_assert_geq(fd, 0);
    for (size_t i = 0; i < COUNT_OF(waiters); i++)
        cr_expect_eq(waiter_join(&waiters[i]), -EBADF);
    check_fd_receives(fd, pair[1]);
    close(fd);
    backing_pair_free(pair);
}

Test(vsock_conn_fd, given_it_is_a_connection_with_its_addresses)
{
    struct vsock_address local, remote;
    char byte = 0;

    backing_pair(SOCK_STREAM, pair);
    local = vsock_conn_local_address(pair[0]);
    remote = vsock_conn_remote_address(pair[0]);
    if (!backing_is_vsock())
        local = remote = (struct vsock_address){VSOCK_CID_ANY, VSOCK_PORT_ANY};
    int fd = vsock_conn_take_fd(pair[0]);
    cr_assert_eq(fcntl(fd, F_SETFL, 0), 0);
    vsock_conn_free(pair[0]);

    cr_assert_eq(vsock_conn_from_fd(fd, &pair[0]), 0);
    cr_expect(fcntl(fd, F_GETFL) & O_NONBLOCK);
    cr_expect_eq(vsock_conn_local_address(pair[0]).cid, local.cid);
    cr_expect_eq(vsock_conn_local_address(pair[0]).port, local.port);
    cr_expect_eq(vsock_conn_remote_address(pair[0]).cid, remote.cid);
    cr_expect_eq(vsock_conn_remote_address(pair[0]).port, remote.port);
    cr_assert_eq(vsock_conn_write(pair[1], "x", 1, NULL), 0);
    cr_expect_eq(vsock_conn_read(pair[0], &byte, 1), 1);
    cr_expect_eq(byte, 'x');
    backing_pair_free(pair);
    cr_expect_not(harness_fd_is_open(fd));
}

Test(vsock_conn_fd, given_with_one_direction_ended_it_is_a_connection_too)
{
    char bytes[8];

    backing_pair(SOCK_STREAM, pair);
    cr_assert_eq(vsock_conn_write(pair[1], "rest", 4, NULL), 0);
    cr_assert_eq(vsock_conn_close_write(pair[0]), 0);
    int fd = vsock_conn_take_fd(pair[0]);
    vsock_conn_free(pair[0]);

    cr_assert_eq(vsock_conn_from_fd(fd, &pair[0]), 0);
    cr_expect_eq(vsock_conn_read(pair[0], bytes, sizeof(bytes)), 4);
    cr_expect_arr_eq(bytes, "rest", 4);
    backing_pair_free(pair);
}

static int tcp_connection(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(bind(listener, (struct sockaddr *)&address, length), 0);
    cr_assert_eq(listen(listener, 1), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, length), 0);
    close(listener);
    return fd;
}

static int listening(void)
{
    struct vsock_listener *listener = backing_listen(NULL);
    int fd = vsock_listener_take_fd(listener);
    vsock_listener_free(listener);
    return fd;
}

Test(vsock_conn_fd, what_is_no_connection_is_refused_and_closed)
{
    int datagrams[2], ends[2];

    cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, datagrams), 0);
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    const int wrong[] = {
        datagrams[0],
        ends[0],
        tcp_connection(),
        open("/dev/null", O_RDWR | O_CLOEXEC),
        listening(),
        socket(backing_is_vsock() ? AF_VSOCK : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0),
    };

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct vsock_conn *conn = untouched;
        cr_assert(harness_fd_is_open(wrong[i]));
        cr_expect_eq(vsock_conn_from_fd(wrong[i], &conn), -EINVAL, "descriptor %zu", i);
        cr_expect_eq(conn, untouched, "descriptor %zu", i);
        cr_expect_not(harness_fd_is_open(wrong[i]), "descriptor %zu", i);
    }
    close(datagrams[1]);
    close(ends[1]);
}

Test(vsock_conn_fd, no_descriptor_is_refused)
{
    struct vsock_conn *conn = untouched;
    int fd = dup(0);

    close(fd);
    cr_expect_eq(vsock_conn_from_fd(-1, &conn), -EBADF);
    cr_expect_eq(vsock_conn_from_fd(fd, &conn), -EBADF);
    cr_expect_eq(conn, untouched);
}

/* Listening: addresses, ports that are taken, options that are none, and the listener's descriptor.
 */
#include "tests/vsock/backing.h"
#include "tests/vsock/harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

TestSuite(vsock_listen, .init = harness_begin, .fini = harness_end);
TestSuite(vsock_listener_fd, .init = harness_begin, .fini = harness_end);

static struct vsock_listener *const untouched = (struct vsock_listener *)4711;

static void check_dial(struct vsock_listener *listener)
{
    struct vsock_conn *conns[2];
    backing_connect(listener, NULL, conns);
    backing_pair_free(conns);
}

Test(vsock_listen, accepts_what_dials_its_port)
{
    struct vsock_listener *listener = NULL;
    int r = backing_listen_on(2049, NULL, &listener);

    cr_assert_eq(r, 0, "%s", strerror(-r));
    cr_expect_eq(vsock_listener_address(listener).port, 2049);
    check_dial(listener);
    check_dial(listener);
    vsock_listener_free(listener);
}

Test(vsock_listen, knows_its_address_also_when_closed)
{
    struct vsock_listener *listener = backing_listen(NULL);
    struct vsock_address address = vsock_listener_address(listener);

    cr_expect_eq(address.cid, VSOCK_CID_LOCAL);
    cr_expect(address.port > 0 && address.port != VSOCK_PORT_ANY, "%u", address.port);
    cr_assert_eq(vsock_listener_close(listener), 0);
    cr_expect_eq(vsock_listener_address(listener).cid, address.cid);
    cr_expect_eq(vsock_listener_address(listener).port, address.port);
    vsock_listener_free(listener);
}

Test(vsock_listen, two_on_free_ports_differ)
{
    struct vsock_listener *first = backing_listen(NULL), *second = backing_listen(NULL);

    cr_expect_neq(vsock_listener_address(first).port, vsock_listener_address(second).port);
    check_dial(first);
    check_dial(second);
    vsock_listener_free(first);
    vsock_listener_free(second);
}

Test(vsock_listen, a_port_in_use_is_refused)
{
    struct vsock_listener *listener = backing_listen(NULL), *second = untouched;
    uint32_t port = vsock_listener_address(listener).port;

    cr_expect_eq(backing_listen_on(port, NULL, &second), -EADDRINUSE);
    cr_expect_eq(second, untouched);
    check_dial(listener);
    vsock_listener_free(listener);
}

Test(vsock_listen, a_port_is_free_again_once_closed)
{
    struct vsock_listener *listener = backing_listen(NULL), *second = NULL;
    uint32_t port = vsock_listener_address(listener).port;

    cr_assert_eq(vsock_listener_close(listener), 0);
    cr_assert_eq(backing_listen_on(port, NULL, &second), 0);
    check_dial(second);
    vsock_listener_free(listener);
    vsock_listener_free(second);
}

Test(vsock_listen, refuses_options_that_are_none)
{
    const struct vsock_listen_options wrong[] = {
        {.type = SOCK_DGRAM},
        {.type = SOCK_RAW},
        {.type = -1},
        {.type = SOCK_STREAM | 1 << 20},
        {.reserved = {1, 0, 0, 0}},
        {.reserved = {0, 0, 0, 1}},
    };

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct vsock_listener *listener = untouched;
        cr_expect_eq(backing_listen_on(0, &wrong[i], &listener), -EINVAL, "options %zu", i);
        cr_expect_eq(listener, untouched, "options %zu", i);
    }
}

Test(vsock_listen, takes_zeroed_options_as_none)
{
    struct vsock_listener *listener = backing_listen(&(struct vsock_listen_options){0});
    check_dial(listener);
    vsock_listener_free(listener);
}

Test(vsock_listen, freeing_nothing_is_nothing)
{
    vsock_listener_free(NULL);
}

Test(vsock_listener_fd, is_close_on_exec_and_does_not_block)
{
    struct vsock_listener *listener = backing_listen(NULL);
    int fd = vsock_listener_fd(listener), listens = 0;
    socklen_t length = sizeof(listens);

    cr_assert_geq(fd, 0);
    cr_expect(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    cr_expect(fcntl(fd, F_GETFL) & O_NONBLOCK);
    cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length), 0);
    cr_expect_eq(listens, 1);
    cr_assert_eq(vsock_listener_close(listener), 0);
    cr_expect_eq(vsock_listener_fd(listener), -EBADF);
    cr_expect_not(harness_fd_is_open(fd));
    vsock_listener_free(listener);
}

Test(vsock_listener_fd, taken_it_listens_on_and_the_listener_is_closed)
{
    struct vsock_listener *listener = backing_listen(NULL);
    struct vsock_address address = vsock_listener_address(listener);
    struct vsock_conn *conn = NULL;
    int fd = vsock_listener_take_fd(listener);

    cr_assert_geq(fd, 0);
    cr_expect_eq(vsock_listener_take_fd(listener), -EBADF);
    cr_expect_eq(vsock_listener_accept(listener, &conn), -EBADF);
    cr_expect_eq(vsock_listener_close(listener), -EBADF);
    vsock_listener_free(listener);
    int listens = 0;
    socklen_t length = sizeof(listens);
    cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length), 0);
    cr_expect_eq(listens, 1);
    cr_assert_eq(backing_dial(address, NULL, &conn), 0);
    vsock_conn_free(conn);
    close(fd);
}

Test(vsock_listener_fd, taking_it_ends_an_accept_that_waits)
{
    struct vsock_listener *listener = backing_listen(NULL);
    struct waiter waiter;

    waiter_start(&waiter, waiter_accept, listener);
    waiter_await_sleep(&waiter);
    int fd = vsock_listener_take_fd(listener);
    cr_expect_geq(fd, 0);
    cr_expect_eq(waiter_join(&waiter), -EBADF);
    close(fd);
    vsock_listener_free(listener);
}

Test(vsock_listener_fd, a_descriptor_becomes_a_listener_and_stays_the_callers)
{
    struct vsock_listener *listener = backing_listen(NULL), *second = NULL;
    struct vsock_address address = vsock_listener_address(listener);
    struct vsock_conn *dialled = NULL, *accepted = NULL;
    int fd = vsock_listener_fd(listener);

    cr_assert_eq(vsock_listener_from_fd(fd, &second), 0);
    cr_expect_neq(vsock_listener_fd(second), fd);
    cr_expect(fcntl(vsock_listener_fd(second), F_GETFD) & FD_CLOEXEC);
    if (backing_is_vsock()) {
        cr_expect_eq(vsock_listener_address(second).cid, address.cid);
        cr_expect_eq(vsock_listener_address(second).port, address.port);
    } else {
        cr_expect_eq(vsock_listener_address(second).cid, VSOCK_CID_ANY);
        cr_expect_eq(vsock_listener_address(second).port, VSOCK_PORT_ANY);
    }
    cr_assert_eq(backing_dial(address, NULL, &dialled), 0);
    cr_assert_eq(vsock_listener_accept(second, &accepted), 0);
    vsock_conn_free(dialled);
    vsock_conn_free(accepted);

    vsock_listener_free(second);
    cr_expect(harness_fd_is_open(fd));
    check_dial(listener);
    vsock_listener_free(listener);
}

/* Of the family that is tested; -1: there is none. */
static int socket_make(int type, bool bound)
{
    struct vsock_listener *listener;
    int fd;

    if (!bound)
        return socket(backing_is_vsock() ? AF_VSOCK : AF_UNIX, type | SOCK_CLOEXEC, 0);
    listener = backing_listen(&(struct vsock_listen_options){.type = type});
    fd = vsock_listener_take_fd(listener);
    vsock_listener_free(listener);
    return fd;
}

static int tcp_listener(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(fd, 1), 0);
    return fd;
}

Test(vsock_listener_fd, a_descriptor_that_is_no_listener_is_refused_and_left_alone)
{
    struct vsock_conn *pair[2];
    int datagrams[2], ends[2];

    backing_pair(SOCK_STREAM, pair);
    cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, datagrams), 0);
    cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
    const int wrong[] = {
        vsock_conn_fd(pair[0]),
        datagrams[0],
        ends[0],
        tcp_listener(),
        open("/dev/null", O_RDWR | O_CLOEXEC),
        socket_make(SOCK_STREAM, false),
    };

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct vsock_listener *listener = untouched;
        cr_expect_eq(vsock_listener_from_fd(wrong[i], &listener), -EINVAL, "descriptor %zu", i);
        cr_expect_eq(listener, untouched, "descriptor %zu", i);
        cr_expect(harness_fd_is_open(wrong[i]), "descriptor %zu", i);
    }
    for (size_t i = 3; i < COUNT_OF(wrong); i++)
        close(wrong[i]);
    for (size_t i = 0; i < 2; i++) {
        close(datagrams[i]);
        close(ends[i]);
    }
    backing_pair_free(pair);
}

Test(vsock_listener_fd, no_descriptor_is_refused)
{
    struct vsock_listener *listener = untouched;
    int fd = dup(0);

    close(fd);
    cr_expect_eq(vsock_listener_from_fd(-1, &listener), -EBADF);
    cr_expect_eq(vsock_listener_from_fd(fd, &listener), -EBADF);
    cr_expect_eq(listener, untouched);
}

Test(vsock_listener_fd, of_messages_is_a_listener_too)
{
    struct vsock_listener *listener = NULL;
    int fd = socket_make(SOCK_SEQPACKET, true);

    cr_assert_eq(vsock_listener_from_fd(fd, &listener), 0);
    vsock_listener_free(listener);
    cr_expect(harness_fd_is_open(fd));
    close(fd);
}

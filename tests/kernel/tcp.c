/* TCP of loopback: resets, and what a listener hands on. */
#include "tests/ring/sockets.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static int pair[2];

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t length = sizeof(value);
    cr_assert_eq(getsockopt(fd, level, name, &value, &length), 0);
    return value;
}

static int tcp_state(int fd)
{
    struct tcp_info info;
    socklen_t length = sizeof(info);
    cr_assert_eq(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
    return info.tcpi_state;
}

Test(kernel_tcp, a_close_with_a_linger_time_of_0_is_a_reset)
{
    sockets_pair(SOCKETS_TCP, pair);
    sockets_reset(pair[1]);
    short events = sockets_poll(pair[0], 0, 1000);
    cr_assert_eq(events, POLLERR | POLLHUP, "%#x", events);
    cr_assert_eq(tcp_state(pair[0]), TCP_CLOSE);
    cr_assert_eq(option(pair[0], SOL_SOCKET, SO_ERROR), ECONNRESET);
    /* The error is told once, the hang-up stays. */
    cr_assert_eq(option(pair[0], SOL_SOCKET, SO_ERROR), 0);
    events = sockets_poll(pair[0], 0, 0);
    cr_assert_eq(events, POLLHUP, "%#x", events);
    close(pair[0]);
}

Test(kernel_tcp, a_close_is_no_reset)
{
    char byte;

    sockets_pair(SOCKETS_TCP, pair);
    close(pair[1]);
    cr_assert_eq(sockets_poll(pair[0], POLLRDHUP, 1000), POLLRDHUP);
    cr_assert_eq(sockets_poll(pair[0], 0, 0), 0);
    cr_assert_eq(recv(pair[0], &byte, 1, 0), 0);
    cr_assert_eq(tcp_state(pair[0]), TCP_CLOSE_WAIT);
    close(pair[0]);
}

Test(kernel_tcp, a_close_with_unread_bytes_is_a_reset)
{
    sockets_pair(SOCKETS_TCP, pair);
    sockets_write(pair[0], "never read", 10);
    cr_assert(sockets_poll(pair[1], POLLIN, 1000) & POLLIN);
    close(pair[1]);
    cr_assert_eq(sockets_poll(pair[0], 0, 1000), POLLERR | POLLHUP);
    cr_assert_eq(option(pair[0], SOL_SOCKET, SO_ERROR), ECONNRESET);
    close(pair[0]);
}

/* Linux keeps the receive queue over a reset: the bytes first, then the error, once, then
 * end-of-file. */
Test(kernel_tcp, bytes_from_before_a_reset_stay_readable)
{
    char bytes[8];

    sockets_pair(SOCKETS_TCP, pair);
    sockets_write(pair[1], "last", 4);
    cr_assert(sockets_poll(pair[0], POLLIN, 1000) & POLLIN);
    sockets_reset(pair[1]);
    cr_assert(sockets_poll(pair[0], 0, 1000) & POLLERR);
    cr_assert_eq(recv(pair[0], bytes, 2, 0), 2);
    cr_assert_eq(recv(pair[0], bytes, sizeof(bytes), 0), 2);
    cr_assert_arr_eq(bytes, "st", 2);
    cr_assert_eq(recv(pair[0], bytes, sizeof(bytes), 0), -1);
    cr_assert_eq(errno, ECONNRESET);
    cr_assert_eq(recv(pair[0], bytes, sizeof(bytes), 0), 0);
    close(pair[0]);
}

/* Nor does taking the error take the bytes. */
Test(kernel_tcp, bytes_stay_readable_after_the_error_was_taken)
{
    char bytes[8];

    sockets_pair(SOCKETS_TCP, pair);
    sockets_write(pair[1], "last", 4);
    sockets_reset(pair[1]);
    cr_assert(sockets_poll(pair[0], 0, 1000) & POLLERR);
    cr_assert_eq(option(pair[0], SOL_SOCKET, SO_ERROR), ECONNRESET);
    cr_assert_eq(recv(pair[0], bytes, sizeof(bytes), 0), 4);
    cr_assert_eq(recv(pair[0], bytes, sizeof(bytes), 0), 0);
    close(pair[0]);
}

/* Not as ECONNRESET: the other end had said before that it sends no more. */
Test(kernel_tcp, a_reset_after_a_half_close_is_told_as_epipe)
{
    sockets_pair(SOCKETS_TCP, pair);
    shutdown(pair[1], SHUT_WR);
    cr_assert_eq(sockets_poll(pair[0], POLLRDHUP, 1000), POLLRDHUP);
    sockets_reset(pair[1]);
    cr_assert_eq(sockets_poll(pair[0], 0, 1000), POLLERR | POLLHUP);
    cr_assert_eq(option(pair[0], SOL_SOCKET, SO_ERROR), EPIPE);
    close(pair[0]);
}

/* Of no use to tell a close from a half-close, unlike that of Unix and vsock: TCP itself cannot
 * know. */
Test(kernel_tcp, a_send_of_no_bytes_tells_a_reset_only)
{
    sockets_pair(SOCKETS_TCP, pair);
    cr_assert_eq(send(pair[0], "", 0, MSG_DONTWAIT | MSG_NOSIGNAL), 0);
    close(pair[1]);
    cr_assert_eq(sockets_poll(pair[0], POLLRDHUP, 1000), POLLRDHUP);
    cr_assert_eq(send(pair[0], "", 0, MSG_DONTWAIT | MSG_NOSIGNAL), 0);
    close(pair[0]);

    sockets_pair(SOCKETS_TCP, pair);
    sockets_reset(pair[1]);
    cr_assert(sockets_poll(pair[0], 0, 1000) & POLLERR);
    cr_assert_eq(send(pair[0], "", 0, MSG_DONTWAIT | MSG_NOSIGNAL), -1);
    cr_assert_eq(errno, ECONNRESET);
    cr_assert_eq(send(pair[0], "", 0, MSG_DONTWAIT | MSG_NOSIGNAL), -1);
    cr_assert_eq(errno, EPIPE);
    close(pair[0]);
}

/* Set once on the listener, they cost no call for each connection. */
Test(kernel_tcp, accepted_sockets_inherit_options)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 77}, {IPPROTO_TCP, TCP_KEEPINTVL, 13},
        {IPPROTO_TCP, TCP_KEEPCNT, 5},
    };
    enum { COUNT = sizeof(options) / sizeof(options[0]) };
    struct sockets_address address;
    int listener = sockets_listen(SOCKETS_TCP, 4, &address);

    int before = sockets_connect(&address);
    int plain = accept(listener, NULL, NULL);
    for (unsigned i = 0; i < COUNT; i++) {
        cr_assert_neq(option(plain, options[i].level, options[i].name), options[i].value);
        cr_assert_eq(
            setsockopt(listener, options[i].level, options[i].name, &options[i].value, sizeof(int)),
            0);
    }
    int client = sockets_connect(&address);
    int fd = accept(listener, NULL, NULL);
    for (unsigned i = 0; i < COUNT; i++)
        cr_assert_eq(option(fd, options[i].level, options[i].name), options[i].value, "option %u",
                     i);
    close(fd);
    close(client);
    close(plain);
    close(before);
    close(listener);
}

/* A full socket whose reader goes is told so: it does not wait for room. */
Test(kernel_tcp, a_full_socket_hangs_up)
{
    sockets_pair(SOCKETS_TCP, pair);
    sockets_fill(pair[0]);
    cr_assert_eq(sockets_poll(pair[0], POLLOUT, 0), 0);
    close(pair[1]);
    cr_assert(sockets_poll(pair[0], POLLOUT, 5000) & POLLERR);
    close(pair[0]);
}

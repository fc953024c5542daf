/* Unix stream sockets: how the end of the other side shows. */
#include "tests/ring/sockets.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static int pair[2];

static void expect_error(int fd, int error)
{
    int pending = 0;
    socklen_t length = sizeof(pending);
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &length);
    cr_assert_eq(pending, error, "%s", strerror(pending));
}

/* POLLHUP comes by the close; what was sent before stays readable, and then there is end-of-file.
 */
Test(kernel_unix, hang_up_comes_before_the_data_are_read)
{
    char bytes[8];

    sockets_pair(SOCKETS_UNIX, pair);
    sockets_write(pair[1], "last", 4);
    close(pair[1]);
    short events = sockets_poll(pair[0], POLLIN | POLLRDHUP, 0);
    cr_assert_eq(events, POLLIN | POLLRDHUP | POLLHUP, "%#x", events);
    cr_assert_eq(recv(pair[0], bytes, 2, 0), 2);
    cr_assert(sockets_poll(pair[0], 0, 0) & POLLHUP);
    cr_assert_eq(recv(pair[0], bytes, sizeof(bytes), 0), 2);
    cr_assert_eq(recv(pair[0], bytes, sizeof(bytes), 0), 0);
    close(pair[0]);
}

/* A half-close is not a hang-up; both ends' half-closes are. */
Test(kernel_unix, hang_up_is_not_told_by_a_half_close)
{
    sockets_pair(SOCKETS_UNIX, pair);
    shutdown(pair[1], SHUT_WR);
    short events = sockets_poll(pair[0], POLLIN | POLLRDHUP, 0);
    cr_assert_eq(events, POLLIN | POLLRDHUP, "%#x", events);
    cr_assert_eq(sockets_poll(pair[0], 0, 0), 0);
    shutdown(pair[0], SHUT_WR);
    cr_assert(sockets_poll(pair[0], 0, 0) & POLLHUP);
    sockets_close_pair(pair);
}

/* 0 of a half-closed connection, EPIPE of one that is gone. */
Test(kernel_unix, a_send_of_no_bytes_tells_whether_the_other_end_is_gone)
{
    sockets_pair(SOCKETS_UNIX, pair);
    cr_assert_eq(send(pair[0], "", 0, MSG_DONTWAIT | MSG_NOSIGNAL), 0);
    shutdown(pair[1], SHUT_WR);
    cr_assert_eq(send(pair[0], "", 0, MSG_DONTWAIT | MSG_NOSIGNAL), 0);
    close(pair[1]);
    cr_assert_eq(send(pair[0], "", 0, MSG_DONTWAIT | MSG_NOSIGNAL), -1);
    cr_assert_eq(errno, EPIPE);
    close(pair[0]);
}

/* Closing while bytes stand unread is a reset. What came from there before is still readable. */
Test(kernel_unix, a_close_with_unread_bytes_is_a_reset)
{
    char bytes[8];

    sockets_pair(SOCKETS_UNIX, pair);
    sockets_write(pair[0], "never read", 10);
    sockets_write(pair[1], "last", 4);
    close(pair[1]);
    cr_assert_eq(sockets_poll(pair[0], 0, 0), POLLERR | POLLHUP);
    cr_assert_eq(recv(pair[0], bytes, sizeof(bytes), 0), 4);
    cr_assert_eq(recv(pair[0], bytes, sizeof(bytes), 0), -1);
    cr_assert_eq(errno, ECONNRESET);
    cr_assert_eq(recv(pair[0], bytes, sizeof(bytes), 0), 0);
    close(pair[0]);
}

Test(kernel_unix, a_close_with_all_read_is_no_reset)
{
    char bytes[8];

    sockets_pair(SOCKETS_UNIX, pair);
    sockets_write(pair[0], "read", 4);
    sockets_read(pair[1], bytes, 4);
    close(pair[1]);
    cr_assert_eq(sockets_poll(pair[0], 0, 0), POLLHUP);
    expect_error(pair[0], 0);
    close(pair[0]);
}

/* Not a pending connection, as of TCP: nothing is under way, and a later attempt is in order. */
Test(kernel_unix, a_full_backlog_gives_eagain)
{
    struct sockets_address address;
    int listener = sockets_listen(SOCKETS_UNIX, 1, &address);
    int first = sockets_connect(&address);
    int second = sockets_connect(&address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    cr_assert_eq(connect(fd, &address.any, address.length), -1);
    cr_assert_eq(errno, EAGAIN);
    close(accept(listener, NULL, NULL));
    cr_assert_eq(connect(fd, &address.any, address.length), 0);
    close(fd);
    close(first);
    close(second);
    close(listener);
}

/* Also while the connection waits to be accepted, by a close of the listener. */
Test(kernel_unix, a_connection_that_is_not_accepted_is_reset)
{
    struct sockets_address address;
    int listener = sockets_listen(SOCKETS_UNIX, 1, &address);
    int fd = sockets_connect(&address);

    cr_assert_eq(sockets_poll(fd, 0, 0), 0);
    sockets_write(fd, "early", 5);
    close(listener);
    cr_assert(sockets_poll(fd, 0, 0) & POLLHUP);
    expect_error(fd, ECONNRESET);
    close(fd);
}

/* A full socket whose reader goes is told so: it does not wait for room. The send's error is that
 * of a close in good order, and leaves the one of the reset where it was. */
Test(kernel_unix, a_full_socket_hangs_up)
{
    sockets_pair(SOCKETS_UNIX, pair);
    sockets_fill(pair[0]);
    cr_assert_eq(sockets_poll(pair[0], POLLOUT, 0), 0);
    close(pair[1]);
    short events = sockets_poll(pair[0], POLLOUT, 0);
    cr_assert_eq(events & (POLLERR | POLLHUP), POLLERR | POLLHUP, "%#x", events);
    cr_assert_eq(send(pair[0], "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL), -1);
    cr_assert_eq(errno, EPIPE);
    expect_error(pair[0], ECONNRESET);
    close(pair[0]);
}

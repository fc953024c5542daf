/* The life of an AF_VSOCK connection: how it begins, or does not, and how its end shows. */
#include "tests/kernel/vsock_case.h"
#include "tests/kernel/vsock_loopback.h"
#include "tests/kernel/vsock_place.h"

#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_MS 5000

/* What poll(2) is asked for. */
#define ALL (POLLIN | POLLOUT | POLLRDHUP)

static int pair[2];
static char bytes[64];

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* The other end is gone: end-of-file for good, no error, no hang-up; EPIPE tells. */
static void expect_gone(int fd)
{
    loopback_await_end(fd);
    EXPECT_EQ(loopback_poll(fd, ALL, 0), ALL);
    EXPECT_EQ(loopback_error(fd), 0);
    EXPECT_EQ(loopback_receive(fd, bytes, sizeof(bytes), 0), 0);
    EXPECT_EQ(loopback_receive(fd, bytes, sizeof(bytes), 0), 0);
    EXPECT_EQ(loopback_send(fd, "", 0), -EPIPE);
    EXPECT_EQ(loopback_send(fd, "x", 1), -EPIPE);
    EXPECT_EQ(loopback_error(fd), 0);
}

CASE(a_connect_to_no_listener_is_reset)
{
    uint32_t port = loopback_free_port();
    int fd = loopback_socket(SOCK_STREAM);

    EXPECT_EQ(loopback_connect(fd, port), ECONNRESET);
    EXPECT_EQ(loopback_error(fd), vsock_kernel->connect_error_stays ? ECONNRESET : 0);
    close(fd);
}

CASE(a_connect_to_no_listener_that_does_not_wait_is_told_by_so_error)
{
    uint32_t port = loopback_free_port();
    int fd = loopback_socket(SOCK_STREAM | SOCK_NONBLOCK);

    EXPECT_EQ(loopback_connect(fd, port), EINPROGRESS);
    EXPECT_EQ(loopback_poll(fd, POLLOUT, DEADLINE_MS), POLLOUT | POLLERR);
    EXPECT_EQ(loopback_error(fd), ECONNRESET);
    EXPECT_EQ(loopback_error(fd), 0);
    close(fd);
}

CASE(a_port_that_is_bound_only_resets)
{
    int bound = loopback_socket(SOCK_STREAM);
    int fd = loopback_socket(SOCK_STREAM);

    EXPECT_EQ(loopback_bind(bound, LOOPBACK_DEFAULT), 0);
    EXPECT_EQ(loopback_connect(fd, loopback_port(bound)), ECONNRESET);
    close(fd);
    close(bound);
}

/* EALREADY for ever, also when somebody listens by now. */
CASE(a_failed_socket_that_does_not_wait_is_of_no_more_use)
{
    uint32_t port = loopback_free_port();
    int fd = loopback_socket(SOCK_STREAM | SOCK_NONBLOCK);
    int listener = loopback_socket(SOCK_STREAM);

    EXPECT_EQ(loopback_connect(fd, port), EINPROGRESS);
    EXPECT(loopback_poll(fd, POLLOUT, DEADLINE_MS) & POLLERR);
    EXPECT_EQ(loopback_error(fd), ECONNRESET);
    EXPECT_EQ(loopback_bind(listener, port), 0);
    EXPECT_EQ(listen(listener, 1), 0);
    EXPECT_EQ(loopback_connect(fd, port), EALREADY);
    EXPECT_EQ(loopback_poll(fd, POLLOUT, 0), POLLOUT);
    EXPECT_EQ(loopback_error(fd), 0);
    EXPECT_EQ(loopback_connect(fd, port), EALREADY);
    EXPECT_EQ(loopback_send(fd, "x", 1), -ENOTCONN);
    EXPECT_EQ(loopback_poll(listener, POLLIN, 20), 0);
    close(fd);
    close(listener);
}

/* On 6.1 it connects, and says that it did not: the listener has a connection, the caller none. */
CASE(a_failed_socket_that_waits_may_fail_where_it_connects)
{
    uint32_t port = loopback_free_port();
    int fd = loopback_socket(SOCK_STREAM);
    int listener = loopback_socket(SOCK_STREAM);

    EXPECT_EQ(loopback_connect(fd, port), ECONNRESET);
    EXPECT_EQ(loopback_bind(listener, port), 0);
    EXPECT_EQ(listen(listener, 1), 0);
    bool fails = vsock_kernel->connect_error_stays;
    EXPECT_EQ(loopback_connect(fd, port), fails ? ECONNRESET : 0);
    EXPECT_EQ(loopback_poll(listener, POLLIN, DEADLINE_MS), POLLIN);
    int accepted = accept(listener, NULL, NULL);
    EXPECT_GE(accepted, 0);
    EXPECT_EQ(loopback_send(fd, "x", 1), fails ? -ENOTCONN : 1);
    close(accepted);
    close(fd);
    close(listener);
}

/* POLLOUT says nothing before the connection is there. */
CASE(a_new_socket_is_writable)
{
    int fd = loopback_socket(SOCK_STREAM);

    EXPECT_EQ(loopback_poll(fd, ALL, 0), POLLOUT);
    EXPECT_EQ(loopback_send(fd, "x", 1), -ENOTCONN);
    close(fd);
}

CASE(a_connect_that_does_not_wait)
{
    uint32_t port;
    int listener = loopback_listen(SOCK_STREAM, 1, &port);
    int fd = loopback_socket(SOCK_STREAM | SOCK_NONBLOCK);

    EXPECT_EQ(loopback_connect(fd, port), EINPROGRESS);
    EXPECT_EQ(loopback_poll(fd, POLLOUT, DEADLINE_MS), POLLOUT);
    EXPECT_EQ(loopback_error(fd), 0);
    EXPECT_EQ(loopback_connect(fd, port), EISCONN);
    close(fd);
    close(listener);
}

/* One more than its number wait; the next is refused at once, and is not tried again. */
CASE(a_full_backlog_resets_at_once)
{
    enum { BACKLOG = 3 };
    uint32_t port;
    int listener = loopback_listen(SOCK_STREAM, BACKLOG, &port);
    int waiting[BACKLOG + 1];

    for (int i = 0; i <= BACKLOG; i++) {
        waiting[i] = loopback_socket(SOCK_STREAM);
        EXPECT_EQ(loopback_connect(waiting[i], port), 0);
    }
    double start = seconds();
    int refused = loopback_socket(SOCK_STREAM);
    EXPECT_EQ(loopback_connect(refused, port), ECONNRESET);
    EXPECT(seconds() - start < 1);
    int accepted = accept(listener, NULL, NULL);
    int fd = loopback_socket(SOCK_STREAM);
    EXPECT_EQ(loopback_connect(fd, port), 0);
    for (int i = 0; i <= BACKLOG; i++)
        close(waiting[i]);
    close(refused);
    close(accepted);
    close(fd);
    close(listener);
}

CASE(a_thousand_connections_at_once)
{
    enum { COUNT = 1000 };
    static int connected[COUNT], accepted[COUNT];
    struct rlimit files = {.rlim_cur = 2 * COUNT + 100, .rlim_max = 2 * COUNT + 100};
    uint32_t port;

    EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
    int listener = loopback_listen(SOCK_STREAM, COUNT, &port);
    for (int i = 0; i < COUNT; i++) {
        connected[i] = loopback_socket(SOCK_STREAM);
        EXPECT_EQ(loopback_connect(connected[i], port), 0);
    }
    for (int i = 0; i < COUNT; i++) {
        EXPECT_EQ(loopback_send(connected[i], &i, sizeof(i)), sizeof(i));
        accepted[i] = accept(listener, NULL, NULL);
        EXPECT_GE(accepted[i], 0);
    }
    /* They are accepted in their order. */
    for (int i = 0; i < COUNT; i++) {
        int number;
        loopback_read(accepted[i], &number, sizeof(number));
        EXPECT_EQ(number, i);
        close(connected[i]);
        close(accepted[i]);
    }
    close(listener);
}

CASE(a_close_at_either_end_is_end_of_file_after_the_data)
{
    for (int gone = 0; gone < 2; gone++) {
        loopback_pair(SOCK_STREAM, pair);
        EXPECT_EQ(loopback_send(pair[gone], "last", 4), 4);
        close(pair[gone]);
        loopback_await_end(pair[!gone]);
        EXPECT_EQ(loopback_receive(pair[!gone], bytes, sizeof(bytes), 0), 4);
        expect_gone(pair[!gone]);
        close(pair[!gone]);
    }
}

/* Unlike TCP and Unix. Bytes from before stay readable. */
CASE(a_close_with_unread_bytes_is_no_error)
{
    loopback_pair(SOCK_STREAM, pair);
    EXPECT_EQ(loopback_send(pair[0], "never read", 10), 10);
    loopback_await(pair[1], 10);
    EXPECT_EQ(loopback_send(pair[1], "last", 4), 4);
    close(pair[1]);
    loopback_await_end(pair[0]);
    EXPECT_EQ(loopback_receive(pair[0], bytes, sizeof(bytes), 0), 4);
    expect_gone(pair[0]);
    close(pair[0]);
}

/* It is sent an RST. */
CASE(a_connection_that_is_not_accepted_ends_with_its_listener)
{
    uint32_t port;
    int listener = loopback_listen(SOCK_STREAM, 1, &port);
    int fd = loopback_socket(SOCK_STREAM);

    EXPECT_EQ(loopback_connect(fd, port), 0);
    EXPECT_EQ(loopback_poll(fd, ALL, 0), POLLOUT);
    EXPECT_EQ(loopback_send(fd, "early", 5), 5);
    close(listener);
    expect_gone(fd);
    close(fd);
}

CASE(a_full_socket_learns_that_its_reader_is_gone)
{
    loopback_pair(SOCK_STREAM, pair);
    loopback_fill(pair[0], 4096);
    EXPECT_EQ(loopback_poll(pair[0], POLLOUT, 0), 0);
    close(pair[1]);
    EXPECT_EQ(loopback_poll(pair[0], POLLOUT, DEADLINE_MS), POLLOUT);
    expect_gone(pair[0]);
    close(pair[0]);
}

CASE(a_half_close_ends_one_direction)
{
    loopback_pair(SOCK_STREAM, pair);
    EXPECT_EQ(loopback_send(pair[0], "last", 4), 4);
    EXPECT_EQ(shutdown(pair[0], SHUT_WR), 0);
    EXPECT_EQ(loopback_send(pair[0], "x", 1), -EPIPE);
    loopback_await_end(pair[1]);
    EXPECT_EQ(loopback_receive(pair[1], bytes, sizeof(bytes), 0), 4);
    EXPECT_EQ(loopback_receive(pair[1], bytes, sizeof(bytes), 0), 0);
    EXPECT_EQ(loopback_poll(pair[1], ALL, 0), ALL);
    /* A send of no bytes tells that it is only that: see expect_gone(). */
    EXPECT_EQ(loopback_send(pair[1], "", 0), 0);
    EXPECT_EQ(loopback_send(pair[1], "back", 4), 4);
    loopback_read(pair[0], bytes, 4);

    /* Both directions are a hang-up, for both. */
    EXPECT_EQ(shutdown(pair[1], SHUT_WR), 0);
    loopback_await_end(pair[0]);
    for (int end = 0; end < 2; end++) {
        EXPECT_EQ(loopback_poll(pair[end], 0, 0), POLLHUP);
        EXPECT_EQ(loopback_receive(pair[end], bytes, sizeof(bytes), 0), 0);
    }
    loopback_close_pair(pair);
}

/* What stands unread is lost to the reader; the writer is told; the other direction lives. */
CASE(a_reader_that_reads_no_more_is_told_as_epipe)
{
    loopback_pair(SOCK_STREAM, pair);
    EXPECT_EQ(loopback_send(pair[1], "there", 5), 5);
    loopback_await(pair[0], 5);
    EXPECT_EQ(shutdown(pair[0], SHUT_RD), 0);
    EXPECT_EQ(loopback_receive(pair[0], bytes, sizeof(bytes), 0), 0);
    for (int ms = 0; ms < DEADLINE_MS && loopback_send(pair[1], "", 0) == 0; ms++)
        usleep(1000);
    EXPECT_EQ(loopback_send(pair[1], "", 0), -EPIPE);
    EXPECT_EQ(loopback_send(pair[1], "x", 1), -EPIPE);
    EXPECT_EQ(loopback_error(pair[1]), 0);
    EXPECT_EQ(loopback_poll(pair[1], ALL, 0), POLLOUT);
    EXPECT_EQ(loopback_send(pair[0], "forth", 5), 5);
    loopback_read(pair[1], bytes, 5);
    loopback_close_pair(pair);
}

/* Of a connection that the other end closed, both shutdowns succeed; of a socket without
 * connection, none. */
CASE(a_shutdown_of_what_is_gone)
{
    loopback_pair(SOCK_STREAM, pair);
    close(pair[1]);
    loopback_await_end(pair[0]);
    EXPECT_EQ(shutdown(pair[0], SHUT_WR), 0);
    EXPECT_EQ(shutdown(pair[0], SHUT_RD), 0);
    close(pair[0]);

    uint32_t port;
    int fds[] = {loopback_socket(SOCK_STREAM), loopback_listen(SOCK_STREAM, 1, &port)};
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(shutdown(fds[i], SHUT_RDWR), -1);
        EXPECT_EQ(errno, ENOTCONN);
        close(fds[i]);
    }
}

CASE(a_linger_time_of_0_is_no_reset)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    loopback_pair(SOCK_STREAM, pair);
    EXPECT_EQ(setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    EXPECT_EQ(loopback_send(pair[1], "last", 4), 4);
    close(pair[1]);
    loopback_await_end(pair[0]);
    EXPECT_EQ(loopback_receive(pair[0], bytes, sizeof(bytes), 0), 4);
    expect_gone(pair[0]);
    close(pair[0]);
}

/* All was sent, and the other end has not closed. */
CASE(a_linger_time_delays_close)
{
    struct linger second = {.l_onoff = 1, .l_linger = 1};

    loopback_pair(SOCK_STREAM, pair);
    EXPECT_EQ(setsockopt(pair[1], SOL_SOCKET, SO_LINGER, &second, sizeof(second)), 0);
    EXPECT_EQ(loopback_send(pair[1], "last", 4), 4);
    loopback_await(pair[0], 4);
    double start = seconds();
    close(pair[1]);
    double took = seconds() - start;
    if (vsock_kernel->linger_waits_for_close)
        EXPECT(took >= 0.9);
    else
        EXPECT(took < 0.5);
    EXPECT_EQ(loopback_receive(pair[0], bytes, sizeof(bytes), 0), 4);
    expect_gone(pair[0]);
    close(pair[0]);
}

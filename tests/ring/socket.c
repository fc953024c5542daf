/* The calls on sockets that do not wait. */
#include "ring/socket.h"
#include "tests/ring/sockets.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static int pair[2];

Test(socket, open_is_non_blocking_and_closes_on_exec)
{
    int fd = ring_socket_open(AF_INET, SOCK_STREAM);

    cr_assert_geq(fd, 0);
    cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    cr_assert_eq(ring_socket_open(-1, SOCK_STREAM), -EAFNOSUPPORT);
}

Test(socket, set_sets_or_tells)
{
    int on = 1;
    int got = 0;
    socklen_t length = sizeof(got);

    sockets_pair(SOCKETS_TCP, pair);
    cr_assert_eq(ring_socket_set(pair[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)), 0);
    getsockopt(pair[0], IPPROTO_TCP, TCP_NODELAY, &got, &length);
    cr_assert_eq(got, 1);
    cr_assert_eq(ring_socket_set(pair[0], IPPROTO_TCP, 9999, &on, sizeof(on)), -ENOPROTOOPT);
    sockets_close_pair(pair);
}

Test(socket, shutdown_write_leaves_the_other_direction)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        char byte;

        sockets_pair(kind, pair);
        cr_assert_eq(ring_socket_shutdown_write(pair[0]), 0);
        cr_assert_eq(read(pair[1], &byte, 1), 0);
        sockets_write(pair[1], "x", 1);
        sockets_read(pair[0], &byte, 1);
        sockets_close_pair(pair);
    }
}

Test(socket, shutdown_write_tells_that_the_other_end_is_gone)
{
    sockets_pair(SOCKETS_TCP, pair);
    sockets_reset(pair[1]);
    sockets_poll(pair[0], 0, 1000);
    cr_assert_eq(ring_socket_shutdown_write(pair[0]), -ENOTCONN);
    close(pair[0]);
}

/* Not by a half-close, even with bytes unread; yes by a close of a Unix socket; by a reset with the
 * error. */
Test(socket, peer_gone)
{
    int error = 1;

    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        sockets_pair(kind, pair);
        cr_assert(!ring_socket_peer_gone(pair[0], &error));
        cr_assert_eq(error, 0);
        sockets_write(pair[1], "x", 1);
        shutdown(pair[1], SHUT_WR);
        sockets_poll(pair[0], POLLRDHUP, 1000);
        cr_assert(!ring_socket_peer_gone(pair[0], &error), "%s", sockets_name(kind));
        /* Nor by a half-closed and full one. */
        sockets_fill(pair[0]);
        cr_assert(!ring_socket_peer_gone(pair[0], &error), "%s", sockets_name(kind));
        sockets_close_pair(pair);
    }

    sockets_pair(SOCKETS_UNIX, pair);
    close(pair[1]);
    error = 1;
    cr_assert(ring_socket_peer_gone(pair[0], &error));
    cr_assert_eq(error, 0);
    close(pair[0]);

    sockets_pair(SOCKETS_UNIX, pair);
    sockets_write(pair[0], "x", 1);
    close(pair[1]);
    cr_assert(ring_socket_peer_gone(pair[0], &error));
    cr_assert_eq(error, -ECONNRESET);
    close(pair[0]);

    sockets_pair(SOCKETS_TCP, pair);
    sockets_reset(pair[1]);
    sockets_poll(pair[0], 0, 1000);
    cr_assert(ring_socket_peer_gone(pair[0], &error));
    cr_assert_eq(error, -ECONNRESET);
    close(pair[0]);
}

/* The answer of the send alone, which is the only one that vsock gives. Of Unix sockets it differs
 * from POLLHUP where the other end has ended its reading. */
Test(socket, peer_gone_by_the_send)
{
    int error = 1;

    sockets_pair(SOCKETS_UNIX, pair);
    shutdown(pair[1], SHUT_RD);
    cr_assert_eq(sockets_poll(pair[0], 0, 0), 0);
    cr_assert(ring_socket_peer_gone(pair[0], &error));
    cr_assert_eq(error, 0);
    sockets_close_pair(pair);
}

Test(socket, error_is_told_once)
{
    sockets_pair(SOCKETS_TCP, pair);
    cr_assert_eq(ring_socket_error(pair[0]), 0);
    sockets_reset(pair[1]);
    sockets_poll(pair[0], 0, 1000);
    cr_assert_eq(ring_socket_error(pair[0]), -ECONNRESET);
    cr_assert_eq(ring_socket_error(pair[0]), 0);
    close(pair[0]);
    cr_assert_eq(ring_socket_error(pair[0]), -EBADF);
}

Test(socket, receive_now_does_not_wait)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        char bytes[8];

        sockets_pair(kind, pair);
        cr_assert_eq(ring_socket_receive_now(pair[0], bytes, sizeof(bytes), 0), -EAGAIN);
        sockets_write(pair[1], "word", 4);
        sockets_poll(pair[0], POLLIN, 1000);
        cr_assert_eq(ring_socket_receive_now(pair[0], bytes, sizeof(bytes), MSG_PEEK), 4);
        cr_assert_eq(ring_socket_receive_now(pair[0], bytes, 2, 0), 2);
        cr_assert_eq(ring_socket_receive_now(pair[0], bytes, sizeof(bytes), 0), 2);
        cr_assert_arr_eq(bytes, "rd", 2);
        close(pair[1]);
        cr_assert_eq(ring_socket_receive_now(pair[0], bytes, sizeof(bytes), 0), 0);
        close(pair[0]);
    }
}

/* A short count, then -EAGAIN, then some again; errors without a signal. */
Test(socket, send_now_does_not_wait)
{
    static const char bytes[16 * 1024 * 1024];

    cr_assert_neq(signal(SIGPIPE, SIG_DFL), SIG_ERR);
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        char got[4];

        sockets_pair(kind, pair);
        cr_assert_eq(ring_socket_send_now(pair[0], "word", 4), 4);
        sockets_read(pair[1], got, sizeof(got));
        cr_assert_arr_eq(got, "word", 4);
        ssize_t sent = ring_socket_send_now(pair[0], bytes, sizeof(bytes));
        cr_assert(sent > 0 && sent < (ssize_t)sizeof(bytes), "%s: %zd", sockets_name(kind), sent);
        size_t filled = (size_t)sent + sockets_fill(pair[0]);
        cr_assert_eq(ring_socket_send_now(pair[0], bytes, 1), -EAGAIN, "%s", sockets_name(kind));
        cr_assert_eq(sockets_drain(pair[1]), filled);
        cr_assert_gt(ring_socket_send_now(pair[0], bytes, sizeof(bytes)), 0);
        sockets_reset(pair[1]);
        sockets_poll(pair[0], 0, 1000);
        ssize_t error = ring_socket_send_now(pair[0], bytes, 1);
        cr_assert(error == -EPIPE || error == -ECONNRESET, "%s: %zd", sockets_name(kind), error);
        cr_assert_eq(ring_socket_send_now(pair[0], bytes, 1), -EPIPE);
        close(pair[0]);
    }
}

/* Sockets that keep messages apart show the pieces. */
Test(socket, send_pieces_now_sends_no_larger_piece)
{
    char bytes[4 * RING_SOCKET_PIECES_MAX + 1], got[sizeof(bytes)];
    const ssize_t pieces[] = {4, 4, 2};

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)i;
    cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    cr_assert_eq(ring_socket_send_pieces_now(pair[0], bytes, 10, 4), 10);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        cr_assert_eq(read(pair[1], got, sizeof(got)), pieces[i]);
        cr_assert_arr_eq(got, bytes + 4 * i, (size_t)pieces[i]);
    }
    cr_assert_eq(ring_socket_send_pieces_now(pair[0], bytes, sizeof(bytes), 4), sizeof(bytes) - 1);
    for (unsigned i = 0; i < RING_SOCKET_PIECES_MAX; i++) {
        cr_assert_eq(read(pair[1], got, sizeof(got)), 4);
        cr_assert_arr_eq(got, bytes + (size_t)4 * i, 4);
    }
    sockets_close_pair(pair);
}

Test(socket, send_pieces_now_does_not_wait)
{
    static char bytes[16 * 1024 * 1024];
    const size_t piece = sizeof(bytes) / RING_SOCKET_PIECES_MAX;

    cr_assert_neq(signal(SIGPIPE, SIG_DFL), SIG_ERR);
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        sockets_pair(kind, pair);
        ssize_t sent = ring_socket_send_pieces_now(pair[0], bytes, sizeof(bytes), piece);
        cr_assert(sent > 0 && sent < (ssize_t)sizeof(bytes), "%s: %zd", sockets_name(kind), sent);
        size_t filled = (size_t)sent + sockets_fill(pair[0]);
        cr_assert_eq(ring_socket_send_pieces_now(pair[0], bytes, 2, 1), -EAGAIN);
        cr_assert_eq(sockets_drain(pair[1]), filled);
        sockets_reset(pair[1]);
        sockets_poll(pair[0], 0, 1000);
        ssize_t error = ring_socket_send_pieces_now(pair[0], bytes, 2, 1);
        cr_assert(error == -EPIPE || error == -ECONNRESET, "%s: %zd", sockets_name(kind), error);
        close(pair[0]);
    }
}

Test(socket, peer_is_the_other_address)
{
    struct sockaddr_storage peer;
    struct sockets_address address;
    socklen_t length = 0;

    int listener = sockets_listen(SOCKETS_TCP, 1, &address);
    int fd = sockets_connect(&address);
    cr_assert_eq(ring_socket_peer(fd, &peer, &length), 0);
    cr_assert_eq(length, address.length);
    cr_assert_eq(((struct sockaddr_in *)&peer)->sin_port, address.tcp.sin_port);
    length = 77;
    cr_assert_eq(ring_socket_peer(listener, &peer, &length), -ENOTCONN);
    cr_assert_eq(length, 77);
    close(fd);
    close(listener);
}

Test(socket, peer_of_a_unix_socket_is_a_user_with_groups)
{
    gid_t groups[NGROUPS_MAX];
    gid_t found[NGROUPS_MAX];
    size_t count = NGROUPS_MAX;
    uid_t uid = 4711;
    gid_t gid = 4711;

    if (getuid() == 0)
        cr_assert_eq(setgroups(3, (gid_t[]){4712, 4713, 4714}), 0);
    int own = getgroups(NGROUPS_MAX, groups);
    sockets_pair(SOCKETS_UNIX, pair);
    cr_assert_eq(ring_socket_peer_user(pair[0], &uid, &gid), 0);
    cr_expect_eq(uid, geteuid());
    cr_expect_eq(gid, getegid());
    cr_assert_eq(ring_socket_peer_groups(pair[0], found, &count), 0);
    cr_assert_eq(count, (size_t)own);
    cr_expect_eq(memcmp(found, groups, count * sizeof(*found)), 0);
    if (count > 0) {
        count--;
        cr_expect_eq(ring_socket_peer_groups(pair[0], found, &count), -ERANGE);
        cr_expect_eq(count, (size_t)own);
    }
    close(pair[0]);
    close(pair[1]);
}

Test(socket, local_is_its_own_address)
{
    struct sockaddr_storage local;
    struct sockets_address address;
    socklen_t length = 0;

    int listener = sockets_listen(SOCKETS_TCP, 1, &address);
    int fd = sockets_connect(&address);
    cr_assert_eq(ring_socket_local(listener, &local, &length), 0);
    cr_assert_eq(length, address.length);
    cr_assert_eq(((struct sockaddr_in *)&local)->sin_port, address.tcp.sin_port);
    cr_assert_eq(ring_socket_local(fd, &local, &length), 0);
    cr_assert_neq(((struct sockaddr_in *)&local)->sin_port, address.tcp.sin_port);
    close(fd);
    close(listener);
    length = 77;
    cr_assert_eq(ring_socket_local(-1, &local, &length), -EBADF);
    cr_assert_eq(length, 77);
}

Test(socket, close_ends_and_reset_breaks)
{
    char byte;

    sockets_pair(SOCKETS_TCP, pair);
    ring_socket_close(pair[1]);
    cr_assert_eq(read(pair[0], &byte, 1), 0);
    close(pair[0]);

    sockets_pair(SOCKETS_TCP, pair);
    ring_socket_reset(pair[1]);
    cr_assert_eq(read(pair[0], &byte, 1), -1);
    cr_assert_eq(errno, ECONNRESET);
    close(pair[0]);
}

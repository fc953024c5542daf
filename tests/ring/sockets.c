/* Sockets for tests. */
#include "tests/ring/sockets.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* How long bytes may be on their way through loopback. */
#define SETTLE_MS 50

const char *sockets_name(enum sockets_kind kind)
{
    return kind == SOCKETS_TCP ? "TCP" : "Unix";
}

static int open_stream(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0, "socket: %s", strerror(errno));
    if (family == AF_INET) {
        int bytes = 64 * 1024;
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
    }
    return fd;
}

int sockets_listen(enum sockets_kind kind, int backlog, struct sockets_address *ret)
{
    *ret = (struct sockets_address){.length = sizeof(ret->tcp)};
    ret->tcp = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    if (kind == SOCKETS_UNIX) {
        ret->local = (struct sockaddr_un){.sun_family = AF_UNIX};
        ret->length = sizeof(sa_family_t);
    }
    int fd = open_stream(ret->any.sa_family);
    int on = 1; /* past what is in TIME_WAIT; not past a listener */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    cr_assert_eq(bind(fd, &ret->any, ret->length), 0, "bind: %s", strerror(errno));
    cr_assert_eq(listen(fd, backlog), 0);
    ret->length = sizeof(ret->local);
    cr_assert_eq(getsockname(fd, &ret->any, &ret->length), 0);
    return fd;
}

int sockets_connect(const struct sockets_address *address)
{
    int fd = open_stream(address->any.sa_family);
    cr_assert_eq(connect(fd, &address->any, address->length), 0, "connect: %s", strerror(errno));
    return fd;
}

void sockets_pair(enum sockets_kind kind, int ret[2])
{
    if (kind == SOCKETS_UNIX) {
        cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret), 0);
        return;
    }
    struct sockets_address address;
    int listener = sockets_listen(kind, 1, &address);
    ret[0] = sockets_connect(&address);
    ret[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    cr_assert_geq(ret[1], 0, "accept: %s", strerror(errno));
    close(listener);
}

size_t sockets_fill(int fd)
{
    static const char bytes[64 * 1024];
    size_t total = 0;

    do {
        ssize_t count;
        while ((count = send(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
            total += (size_t)count;
        cr_assert_eq(errno, EAGAIN, "send: %s", strerror(errno));
    } while (sockets_poll(fd, POLLOUT, SETTLE_MS) & POLLOUT);
    return total;
}

size_t sockets_drain(int fd)
{
    static char bytes[64 * 1024];
    size_t total = 0;

    while (sockets_poll(fd, POLLIN, SETTLE_MS) & POLLIN) {
        ssize_t count = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (count <= 0)
            break;
        total += (size_t)count;
    }
    return total;
}

void sockets_write(int fd, const void *bytes, size_t length)
{
    cr_assert_eq(write(fd, bytes, length), (ssize_t)length, "write: %s", strerror(errno));
}

void sockets_read(int fd, void *ret, size_t length)
{
    char *at = ret;

    while (length > 0) {
        cr_assert_neq(sockets_poll(fd, POLLIN, 5000), 0, "%zu bytes are missing", length);
        ssize_t count = read(fd, at, length);
        cr_assert_gt(count, 0, "%zu bytes are missing", length);
        at += count;
        length -= (size_t)count;
    }
}

void sockets_reset(int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    cr_assert_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
    close(fd);
}

short sockets_poll(int fd, short events, int ms)
{
    struct pollfd state = {.fd = fd, .events = events};
    return poll(&state, 1, ms) > 0 ? state.revents : 0;
}

void sockets_close_pair(const int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

/* Connecting: in order, refused, with a full backlog. Cancelling one is in cancel.c. */
#include "ring/socket.h"
#include "tests/ring/loop.h"
#include "tests/ring/sockets.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static struct loop loop;
static struct probe probe;

static void start(void)
{
    loop_init(&loop, 8, 1);
    probe = (struct probe){.loop = &loop};
}

static int open_for(const struct sockets_address *address)
{
    int fd = ring_socket_open(address->any.sa_family, SOCK_STREAM);
    cr_assert_geq(fd, 0, "%s", strerror(-fd));
    cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
    cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    return fd;
}

/* The probe itself asserts that its handler does not run before the next turn. */
static int connect_to(int fd, const struct sockets_address *address)
{
    ring_connect(loop.ring, &probe.op, probe_told, fd, &address->any, address->length);
    cr_assert(probe.op.in_flight);
    cr_assert_eq(probe.completions, probe.terminals);
    return probe_end(&probe);
}

Test(connect, connects_and_stays_non_blocking)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        struct sockets_address address;
        char byte;

        start();
        int listener = sockets_listen(kind, 8, &address);
        int fd = open_for(&address);
        cr_assert_eq(connect_to(fd, &address), 0, "%s", sockets_name(kind));
        cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
        int other = accept(listener, NULL, NULL);
        sockets_write(fd, "x", 1);
        sockets_read(other, &byte, 1);
        cr_assert_eq(byte, 'x');
        close(other);
        close(fd);
        close(listener);
        loop_deinit(&loop);
    }
}

Test(connect, tells_that_nobody_listens)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        struct sockets_address address;

        start();
        close(sockets_listen(kind, 8, &address));
        int fd = open_for(&address);
        cr_assert_eq(connect_to(fd, &address), -ECONNREFUSED, "%s", sockets_name(kind));
        close(fd);
        loop_deinit(&loop);
    }
}

Test(connect, tells_that_a_path_is_missing)
{
    struct sockets_address address = {
        .local = {.sun_family = AF_UNIX, .sun_path = "/nonexistent/socket"},
        .length = sizeof(struct sockaddr_un),
    };

    start();
    int fd = open_for(&address);
    cr_assert_eq(connect_to(fd, &address), -ENOENT);
    close(fd);
    loop_deinit(&loop);
}

Test(connect, tells_that_a_unix_backlog_is_full)
{
    struct sockets_address address;
    int fds[4];
    unsigned connected = 0;

    start();
    int listener = sockets_listen(SOCKETS_UNIX, 1, &address);
    int result = 0;
    while (connected < 4) {
        fds[connected] = open_for(&address);
        result = connect_to(fds[connected++], &address);
        if (result < 0)
            break;
    }
    cr_assert_eq(result, -EAGAIN);
    cr_assert_eq(connected, 3);
    close(accept(listener, NULL, NULL));
    /* Of a Unix socket, another attempt is in order. */
    cr_assert_eq(connect_to(fds[2], &address), 0);
    for (unsigned i = 0; i < connected; i++)
        close(fds[i]);
    close(listener);
    loop_deinit(&loop);
}

/* Each ends on its own: those that end without the kernel, and those that wait for it. */
Test(connect, many_at_once)
{
    enum { MANY = 200 };
    static struct probe probes[MANY];
    struct sockets_address listening[2], closed[2];
    int fds[MANY], listeners[2];

    start();
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        listeners[kind] = sockets_listen(kind, MANY, &listening[kind]);
        close(sockets_listen(kind, 1, &closed[kind]));
    }
    for (unsigned i = 0; i < MANY; i++) {
        const struct sockets_address *address = i % 3 ? &listening[i % 2] : &closed[i % 2];
        probes[i].loop = &loop;
        fds[i] = open_for(address);
        ring_connect(loop.ring, &probes[i].op, probe_told, fds[i], &address->any, address->length);
    }
    cr_assert_eq(ring_in_flight(loop.ring), MANY);
    for (unsigned i = 0; i < MANY; i++) {
        loop_until(&loop, &probes[i].terminals, 1);
        cr_assert_eq(probes[i].completions, 1);
        cr_assert_eq(probes[i].result, i % 3 ? 0 : -ECONNREFUSED, "%u: %d", i, probes[i].result);
        close(fds[i]);
    }
    close(listeners[0]);
    close(listeners[1]);
    loop_deinit(&loop);
}

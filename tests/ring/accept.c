/* Accepting, one and many. */
#include "tests/ring/loop.h"
#include "tests/ring/sockets.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MANY 300

static struct loop loop;

/* An accepting probe that keeps what it got. */
struct acceptor {
    struct probe probe;
    int fds[MANY + 1];
    unsigned count;
    unsigned rearmed;
};

static void accepted(struct ring_op *op, int result, unsigned flags)
{
    struct acceptor *acceptor = (struct acceptor *)op;

    cr_assert_eq(acceptor->probe.terminals, 0, "a completion after the terminal one");
    probe_told(op, result, flags);
    if (result < 0)
        return;
    cr_assert_lt(acceptor->count, MANY + 1);
    acceptor->fds[acceptor->count++] = result;
}

/* A full completion queue ends a multishot accept, with a good descriptor and without RING_MORE. */
static void accepted_and_on(struct ring_op *op, int result, unsigned flags)
{
    struct acceptor *acceptor = (struct acceptor *)op;
    int fd = op->fd;

    accepted(op, result, flags);
    if (result >= 0 && !(flags & RING_MORE)) {
        acceptor->probe.terminals--;
        acceptor->rearmed++;
        ring_accept(loop.ring, op, accepted_and_on, fd, true);
    }
}

static void start(struct acceptor *acceptor, unsigned entries)
{
    loop_init(&loop, entries, 1);
    *acceptor = (struct acceptor){.probe.loop = &loop};
}

/* Each accepted socket is open, closes on exec, and is connected to a client of its own. */
static void expect_all_different(const struct acceptor *acceptor, const int clients[],
                                 unsigned count)
{
    static bool known[MANY + 1];

    memset(known, 0, sizeof(known));
    cr_assert_eq(acceptor->count, count);
    for (unsigned i = 0; i < count; i++)
        sockets_write(clients[i], &i, sizeof(i));
    for (unsigned i = 0; i < count; i++) {
        unsigned number;
        cr_assert(fcntl(acceptor->fds[i], F_GETFD) & FD_CLOEXEC);
        sockets_read(acceptor->fds[i], &number, sizeof(number));
        cr_assert(number < count && !known[number]);
        known[number] = true;
    }
}

static void close_all(const int fds[], unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        close(fds[i]);
}

/* Those that wait already and those that come, then the cancel: the terminal completion is the
 * last, and the address can be bound again at once. */
static void accept_many(enum sockets_kind kind, unsigned entries)
{
    static struct acceptor acceptor;
    struct sockets_address address;
    int clients[MANY];

    start(&acceptor, entries);
    int listener = sockets_listen(kind, MANY, &address);
    for (unsigned i = 0; i < MANY / 2; i++)
        clients[i] = sockets_connect(&address);
    ring_accept(loop.ring, &acceptor.probe.op, accepted_and_on, listener, true);
    loop_until(&loop, &acceptor.count, MANY / 2);
    for (unsigned i = MANY / 2; i < MANY; i++)
        clients[i] = sockets_connect(&address);
    loop_until(&loop, &acceptor.count, MANY);
    cr_assert_eq(acceptor.probe.terminals, 0);
    if (ring_completions_max(loop.ring) >= MANY / 2)
        cr_assert_eq(acceptor.rearmed, 0, "a multishot accept ended %u times", acceptor.rearmed);
    probe_expect_quiet(&acceptor.probe);
    expect_all_different(&acceptor, clients, MANY);

    cr_assert_eq(probe_cancel(&acceptor.probe), -ECANCELED);
    cr_assert_eq(acceptor.probe.terminals, 1);
    cr_assert_eq(ring_in_flight(loop.ring), 0);
    close(listener);
    close_all(acceptor.fds, MANY);
    int again = socket(address.any.sa_family, SOCK_STREAM, 0);
    int on = 1;
    setsockopt(again, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    cr_assert_eq(bind(again, &address.any, address.length), 0, "%s: %s", sockets_name(kind),
                 strerror(errno));
    cr_assert_eq(listen(again, 1), 0, "%s: %s", sockets_name(kind), strerror(errno));
    close(again);
    close_all(clients, MANY);
    loop_deinit(&loop);
}

Test(accept, many_tcp)
{
    accept_many(SOCKETS_TCP, 64);
}

Test(accept, many_unix)
{
    accept_many(SOCKETS_UNIX, 64);
}

/* More wait than the completion queue can hold. */
Test(accept, many_tcp_through_a_tiny_queue)
{
    accept_many(SOCKETS_TCP, 1);
}

Test(accept, many_unix_through_a_tiny_queue)
{
    accept_many(SOCKETS_UNIX, 1);
}

Test(accept, a_single_accept_takes_one)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        static struct acceptor acceptor;
        struct sockets_address address;
        int clients[2];

        start(&acceptor, 4);
        int listener = sockets_listen(kind, 8, &address);
        ring_accept(loop.ring, &acceptor.probe.op, accepted, listener, false);
        probe_expect_quiet(&acceptor.probe);
        clients[0] = sockets_connect(&address);
        clients[1] = sockets_connect(&address);
        cr_assert_geq(probe_end(&acceptor.probe), 0);
        probe_expect_quiet(&acceptor.probe);
        cr_assert_eq(acceptor.count, 1);
        cr_assert_eq(ring_in_flight(loop.ring), 0);

        acceptor.probe.terminals = 0;
        ring_accept(loop.ring, &acceptor.probe.op, accepted, listener, false);
        cr_assert_geq(probe_end(&acceptor.probe), 0);
        expect_all_different(&acceptor, clients, 2);
        close_all(acceptor.fds, 2);
        close_all(clients, 2);
        close(listener);
        loop_deinit(&loop);
    }
}

/* Whatever the listener is: splice(2) from a blocking socket would wait. */
Test(accept, accepted_sockets_do_not_block)
{
    static struct acceptor acceptor;
    struct sockets_address address;

    start(&acceptor, 4);
    int listener = sockets_listen(SOCKETS_TCP, 8, &address);
    cr_assert_eq(fcntl(listener, F_GETFL) & O_NONBLOCK, 0);
    int client = sockets_connect(&address);
    ring_accept(loop.ring, &acceptor.probe.op, accepted, listener, true);
    loop_until(&loop, &acceptor.count, 1);
    cr_assert(fcntl(acceptor.fds[0], F_GETFL) & O_NONBLOCK);
    if (acceptor.probe.op.in_flight)
        cr_assert_eq(probe_cancel(&acceptor.probe), -ECANCELED);
    close(acceptor.fds[0]);
    close(client);
    close(listener);
    loop_deinit(&loop);
}

/* No more are told when nobody could say that it is enough: between one turn and the next. The one
 * that does not fit into the completion queue ends it, and is told too. */
Test(accept, runs_ahead_by_the_completions_at_most)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        static struct acceptor acceptor;
        struct sockets_address address;
        int clients[MANY];

        start(&acceptor, 2);
        int listener = sockets_listen(kind, MANY, &address);
        for (unsigned i = 0; i < MANY; i++)
            clients[i] = sockets_connect(&address);
        unsigned told = 0;
        ring_accept(loop.ring, &acceptor.probe.op, accepted, listener, true);
        while (told == 0 || (acceptor.probe.op.in_flight && acceptor.count < MANY)) {
            told = acceptor.count;
            loop_turn(&loop);
            cr_assert_leq(acceptor.count - told, ring_completions_max(loop.ring) + 1,
                          "%u in a turn", acceptor.count - told);
            told = acceptor.count;
        }
        if (acceptor.probe.op.in_flight)
            cr_assert_eq(probe_cancel(&acceptor.probe), -ECANCELED);
        close_all(acceptor.fds, acceptor.count);
        close_all(clients, MANY);
        close(listener);
        loop_deinit(&loop);
    }
}

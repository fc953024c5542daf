/* Several rings, each in its thread, accept from one listening socket. */
#include "ring/ring.h"
#include "tests/ring/sockets.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define THREADS 3
#define CLIENTS 300
#define TICK_NS UINT64_C(5000000)

struct acceptor {
    struct ring_op op;
    struct ring_timer tick;
    struct ring *ring;
    pthread_t thread;
    bool multishot;
    unsigned count;
    int error;
};

static int listener;
static atomic_uint accepted_count;
static atomic_bool ending;
static int accepted_fds[CLIENTS];

static struct acceptor *acceptor_of(struct ring_op *op)
{
    return (struct acceptor *)op;
}

static void accepted(struct ring_op *op, int result, unsigned flags)
{
    struct acceptor *acceptor = acceptor_of(op);

    if (result >= 0) {
        accepted_fds[atomic_fetch_add(&accepted_count, 1) % CLIENTS] = result;
        acceptor->count++;
    } else {
        acceptor->error = result;
    }
    if (!(flags & RING_MORE) && result >= 0)
        ring_accept(acceptor->ring, op, accepted, listener, acceptor->multishot);
}

/* So that the end is seen. */
static void tick(struct ring_timer *timer)
{
    struct acceptor *acceptor = (void *)((char *)timer - offsetof(struct acceptor, tick));

    if (!ending)
        ring_timer_arm(acceptor->ring, timer, ring_now_ns(acceptor->ring) + TICK_NS, tick);
    else if (acceptor->op.in_flight)
        ring_stop(acceptor->ring, &acceptor->op);
}

static void *accept_until_the_end(void *argument)
{
    struct acceptor *acceptor = argument;
    struct ring_options options = {.entries = 64, .buffers_max = 1};

    if (ring_new(&acceptor->ring, &options) < 0)
        return NULL;
    ring_timer_arm(acceptor->ring, &acceptor->tick, ring_now_ns(acceptor->ring) + TICK_NS, tick);
    ring_accept(acceptor->ring, &acceptor->op, accepted, listener, acceptor->multishot);
    while (ring_in_flight(acceptor->ring) && ring_turn(acceptor->ring) == 0)
        ;
    ring_timer_disarm(acceptor->ring, &acceptor->tick);
    ring_free(acceptor->ring);
    return NULL;
}

static void all_are_accepted_once(enum sockets_kind kind, bool multishot)
{
    struct acceptor acceptors[THREADS] = {0};
    struct sockets_address address;
    static int clients[CLIENTS];

    listener = sockets_listen(kind, CLIENTS, &address);
    accepted_count = 0;
    ending = false;
    for (unsigned i = 0; i < THREADS; i++) {
        acceptors[i].multishot = multishot;
        cr_assert_eq(
            pthread_create(&acceptors[i].thread, NULL, accept_until_the_end, &acceptors[i]), 0);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = sockets_connect(&address);
        if (i % 50 == 0)
            usleep(2000);
    }
    for (unsigned ms = 0; accepted_count < CLIENTS && ms < 5000; ms++)
        usleep(1000);
    ending = true;
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(acceptors[i].thread, NULL);
        cr_assert_eq(acceptors[i].error, -ECANCELED, "%d", acceptors[i].error);
    }
    cr_assert_eq(accepted_count, CLIENTS, "%u", accepted_count);
    for (unsigned i = 0; i < CLIENTS; i++) {
        close(accepted_fds[i]);
        close(clients[i]);
    }
    close(listener);
}

Test(shared, many_at_once)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++)
        all_are_accepted_once(kind, true);
}

Test(shared, one_after_the_other)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++)
        all_are_accepted_once(kind, false);
}

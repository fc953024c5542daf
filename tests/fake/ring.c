/* ring/ring.h: the turn of the loop, dispatching, and the checks of the contract. */
#include "tests/fake/internal.h"

#include <errno.h>
#include <stdlib.h>

#define TURN_NS     500     /* what a turn costs at least */
#define SLOW_NS_MAX 2000000 /* what a slow one may cost */
#define TURNS_MAX   20000   /* without anything moved in the network: the program spins */

int ring_new(struct ring **ret, const struct ring_options *options)
{
    if (!fake_current)
        return -ENOSYS;
    struct ring *ring = &fake_current->ring;
    if (options->buffer_bytes % 4096)
        fake_fail(fake_current, "buffers of %zu bytes, which are no whole pages",
                  options->buffer_bytes);
    if (options->buffers_max && options->buffers_max < ring->buffers_max)
        ring->buffers_max = options->buffers_max;
    if (!ring->buffer_bytes)
        ring->buffer_bytes = options->buffer_bytes;
    *ret = ring;
    return 0;
}

void ring_free(struct ring *ring)
{
    if (!ring)
        return;
    if (ring->in_flight)
        fake_fail(ring->fake, "the ring is freed with %u operations in flight", ring->in_flight);
    if (ring->buffers_held)
        fake_fail(ring->fake, "the ring is freed with %u buffers held", ring->buffers_held);
}

uint64_t ring_now_ns(const struct ring *ring)
{
    return ring->now_ns;
}

unsigned ring_in_flight(const struct ring *ring)
{
    return ring->in_flight;
}

unsigned ring_completions_max(const struct ring *ring)
{
    return 4096;
}

void ring_timer_arm(struct ring *ring, struct ring_timer *timer, uint64_t deadline_ns,
                    ring_timer_handler *handler)
{
    ring_timers_arm(&ring->timers, timer, deadline_ns, handler);
}

void ring_timer_disarm(struct ring *ring, struct ring_timer *timer)
{
    ring_timers_disarm(&ring->timers, timer);
}

static void flight_free(struct ring *ring, struct flight *flight)
{
    *flight->link = flight->next;
    if (flight->next)
        flight->next->link = flight->link;
    else
        ring->flights_last = flight->link;
    ring_timers_disarm(&ring->fake->events, &flight->attempt);
    ring_timers_disarm(&ring->fake->events, &flight->stop);
    ring->in_flight--;
    free(flight);
}

/* The memory of an operation in flight is the kernel's. */
static void check_memory(struct ring *ring)
{
    for (const struct flight *flight = ring->flights; flight; flight = flight->next) {
        const struct ring_op *op = flight->op;
        if (op->handler != flight->copy.handler || op->fd != flight->copy.fd ||
            op->kind != flight->copy.kind || op->stopping != flight->copy.stopping ||
            !op->in_flight)
            fake_fail(ring->fake, "the memory of a %s in flight on descriptor %d was changed",
                      flight_name(flight->copy.kind), flight->copy.fd);
    }
}

static void submit(struct ring *ring)
{
    for (struct flight *flight = ring->flights; flight; flight = flight->next) {
        if (flight->state == FLIGHT_ARMED) {
            flight->state = FLIGHT_WAITING;
            flight_attempt_soon(flight);
        }
        if (flight->copy.stopping && !flight->stop_seen) {
            flight->stop_seen = true;
            flight_stop_soon(flight);
        }
    }
}

static uint64_t next_completion_ns(const struct ring *ring)
{
    uint64_t next_ns = UINT64_MAX;
    for (const struct completion *c = ring->completions; c; c = c->next)
        if (c->due_ns < next_ns)
            next_ns = c->due_ns;
    return next_ns;
}

static void describe_hang(struct ring *ring)
{
    struct fake *fake = ring->fake;
    char text[256];

    fake->trace = true;
    for (const struct flight *flight = ring->flights; flight; flight = flight->next) {
        text[0] = '\0';
        if (flight->descriptor && flight->descriptor->socket)
            net_describe(flight->descriptor->socket, text, sizeof(text));
        fake_note(fake, "in flight: %s on descriptor %d: %s", flight_name(flight->copy.kind),
                  flight->copy.fd, text);
    }
    fake_fail(fake, "nothing will ever happen again");
}

static bool something_due(const struct ring *ring)
{
    return next_completion_ns(ring) <= ring->fake->now_ns ||
           ring_timers_next(&ring->timers) <= ring->fake->now_ns;
}

static void pass_time(struct fake *fake, uint64_t until_ns)
{
    if (until_ns > fake->now_ns)
        fake->now_ns = until_ns;
    ring_timers_expire(&fake->events, fake->now_ns);
}

static uint64_t earlier(uint64_t a_ns, uint64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

/* Lets time pass until something is to be dispatched. A slow program finds more of it. */
static void wait_for_something(struct ring *ring)
{
    struct fake *fake = ring->fake;

    pass_time(fake, fake->now_ns + TURN_NS);
    while (!something_due(ring)) {
        uint64_t next_ns =
            earlier(ring_timers_next(&fake->events),
                    earlier(next_completion_ns(ring), ring_timers_next(&ring->timers)));
        if (next_ns == UINT64_MAX)
            describe_hang(ring);
        pass_time(fake, next_ns);
    }
    if (!fake_fault(fake, fake->faults.slow))
        return;
    uint64_t until_ns = fake->now_ns + random_size(&fake->random, SLOW_NS_MAX);
    while (ring_timers_next(&fake->events) <= until_ns)
        pass_time(fake, ring_timers_next(&fake->events));
    pass_time(fake, until_ns);
}

void fake_settle(struct fake *fake)
{
    if (fake->ring.in_flight)
        fake_fail(fake, "%u operations are in flight that should be over", fake->ring.in_flight);
    while (ring_timers_next(&fake->events) != UINT64_MAX)
        pass_time(fake, ring_timers_next(&fake->events));
}

/* Must `later` be told after `earlier`? */
static bool ordered(const struct completion *earlier, const struct completion *later)
{
    const struct flight *a = earlier->flight;
    const struct flight *b = later->flight;
    return a == b ||
           (a->descriptor == b->descriptor && flight_moves_bytes(a) && flight_moves_bytes(b));
}

/* Moves the completions that are due to a list of their own, in an order of chance but where it
 * counts. */
static struct completion *take_due(struct ring *ring)
{
    struct completion *batch = NULL;
    struct completion **link = &ring->completions;

    while (*link) {
        struct completion *c = *link;
        if (c->due_ns > ring->fake->now_ns) {
            link = &c->next;
            continue;
        }
        *link = c->next;
        struct completion **after = &batch;
        for (struct completion **at = &batch; *at; at = &(*at)->next)
            if (ordered(*at, c))
                after = &(*at)->next;
        struct completion **place = after;
        while (*place && fake_random(ring->fake) % 2)
            place = &(*place)->next;
        c->next = *place;
        *place = c;
    }
    ring->completions_last = link;
    return batch;
}

static void dispatch(struct ring *ring, struct completion *completion)
{
    struct flight *flight = completion->flight;
    struct ring_op *op = flight->op;
    int result = completion->result;
    unsigned flags = completion->flags;
    ring_handler *handler = flight->copy.handler;

    check_memory(ring);
    if (flight->data && flight_checksum(flight->data, flight->length) != flight->checksum)
        fake_fail(ring->fake, "the bytes of a send in flight on descriptor %d were changed",
                  flight->copy.fd);
    fake_note(ring->fake, "%s(%d) = %d%s", flight_name(flight->copy.kind), flight->copy.fd, result,
              flags & RING_MORE ? ", more" : "");
    free(completion);
    if (!(flags & RING_MORE)) {
        op->in_flight = false;
        flight_free(ring, flight);
    }
    handler(op, result, flags);
}

int ring_turn(struct ring *ring)
{
    if (ring->turning)
        fake_fail(ring->fake, "ring_turn() inside ring_turn()");
    if (++ring->turns_idle > TURNS_MAX)
        fake_fail(ring->fake, "%u turns in which no byte moved: the program spins", TURNS_MAX);
    ring->turning = true;
    ring->turns++;
    check_memory(ring);
    submit(ring);
    wait_for_something(ring);
    ring->now_ns = ring->fake->now_ns;
    struct completion *batch = take_due(ring);
    while (batch) {
        struct completion *completion = batch;
        batch = batch->next;
        dispatch(ring, completion);
    }
    ring_timers_expire(&ring->timers, ring->now_ns);
    ring->turning = false;
    return 0;
}

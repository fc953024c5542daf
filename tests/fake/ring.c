/* ring/ring.h: arming, the turn of the loop, dispatching, and the checks of the contract. */
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
    if (options->buffers_max && options->buffers_max < fake_current->ring.buffers_max)
        fake_current->ring.buffers_max = options->buffers_max;
    *ret = &fake_current->ring;
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

static const char *kind_name(unsigned kind)
{
    switch (kind) {
    case RING_OP_ACCEPT: return "accept";
    case RING_OP_RECEIVE: return "receive";
    case RING_OP_SEND: return "send";
    case RING_OP_CONNECT: return "connect";
    case RING_OP_POLL: return "poll";
    case RING_OP_WATCH: return "watch";
    case RING_OP_CANCEL: return "cancel";
    default: return "unknown";
    }
}

static bool one_at_a_time(unsigned kind)
{
    return kind == RING_OP_RECEIVE || kind == RING_OP_SEND || kind == RING_OP_CONNECT;
}

static void check_arming(struct ring *ring, const struct ring_op *op, unsigned kind, int fd)
{
    for (const struct flight *flight = ring->flights; flight; flight = flight->next) {
        if (flight->op == op)
            fake_fail(ring->fake,
                      "%s armed on descriptor %d with an operation that is in flight (%s)",
                      kind_name(kind), fd, kind_name(flight->copy.kind));
        if (flight->copy.fd == fd && flight->copy.kind == kind && one_at_a_time(kind))
            fake_fail(ring->fake, "two operations at once on descriptor %d: %s", fd,
                      kind_name(kind));
    }
    if (op->in_flight)
        fake_fail(ring->fake, "%s armed with memory that is no idle operation", kind_name(kind));
}

static struct flight *arm(struct ring *ring, struct ring_op *op, enum ring_op_kind kind,
                          ring_handler *handler, int fd)
{
    struct flight *flight = fake_allocate(sizeof(*flight));

    flight->descriptor = descriptor_of(ring->fake, fd, kind_name(kind));
    check_arming(ring, op, kind, fd);
    if (!handler)
        fake_fail(ring->fake, "%s armed on descriptor %d without a handler", kind_name(kind), fd);
    *op = (struct ring_op){.handler = handler, .fd = fd, .kind = kind, .in_flight = true};
    flight->fake = ring->fake;
    flight->op = op;
    flight->copy = *op;
    flight->link = ring->flights_last;
    *ring->flights_last = flight;
    ring->flights_last = &flight->next;
    ring->in_flight++;
    return flight;
}

static void flight_free(struct ring *ring, struct flight *flight)
{
    *flight->link = flight->next;
    if (flight->next)
        flight->next->link = flight->link;
    else
        ring->flights_last = flight->link;
    ring_timers_disarm(&ring->fake->events, &flight->attempt);
    ring->in_flight--;
    free(flight);
}

static void check_socket(struct flight *flight)
{
    const struct descriptor *descriptor = flight->descriptor;
    if (descriptor->listening || descriptor->connecting)
        fake_fail(flight->fake, "%s on descriptor %d, which is not connected",
                  kind_name(flight->copy.kind), descriptor->fd);
}

void ring_accept(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd,
                 bool multishot)
{
    struct flight *flight = arm(ring, op, RING_OP_ACCEPT, handler, fd);
    if (!flight->descriptor->listening)
        fake_fail(ring->fake, "accept on descriptor %d, which does not listen", fd);
    flight->multishot = multishot;
}

static void receive(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd, bool file)
{
    struct flight *flight = arm(ring, op, RING_OP_RECEIVE, handler, fd);
    check_socket(flight);
    if (!file && flight->descriptor->kind == FAKE_FILE)
        fake_fail(ring->fake, "ring_receive() on descriptor %d, which is no socket", fd);
    if (!flight->descriptor->reads)
        fake_fail(ring->fake, "descriptor %d is not for reading", fd);
}

void ring_receive(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd)
{
    receive(ring, op, handler, fd, false);
}

void ring_read(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd)
{
    receive(ring, op, handler, fd, true);
}

static void send_data(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd,
                      const void *data, size_t length, bool file)
{
    struct flight *flight = arm(ring, op, RING_OP_SEND, handler, fd);
    check_socket(flight);
    if (!file && flight->descriptor->kind == FAKE_FILE)
        fake_fail(ring->fake, "ring_send() on descriptor %d, which is no socket", fd);
    if (!flight->descriptor->writes)
        fake_fail(ring->fake, "descriptor %d is not for writing", fd);
    if (length == 0)
        fake_fail(ring->fake, "a send of no bytes on descriptor %d", fd);
    flight->data = data;
    flight->length = length;
    flight->checksum = flight_checksum(data, length);
}

void ring_send(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd,
               const void *data, size_t length)
{
    send_data(ring, op, handler, fd, data, length, false);
}

void ring_write(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd,
                const void *data, size_t length)
{
    send_data(ring, op, handler, fd, data, length, true);
}

void ring_connect(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd,
                  const struct sockaddr *address, socklen_t length)
{
    struct flight *flight = arm(ring, op, RING_OP_CONNECT, handler, fd);
    if (!flight->descriptor->connecting || flight->descriptor->tried)
        fake_fail(ring->fake,
                  "connect on descriptor %d, which is not fresh from ring_socket_open()", fd);
    flight->descriptor->tried = true;
    flight_connect(flight, address, length);
}

void ring_poll(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd,
               unsigned events)
{
    struct flight *flight = arm(ring, op, RING_OP_POLL, handler, fd);
    flight->events = events;
}

void ring_watch(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd)
{
    struct flight *flight = arm(ring, op, RING_OP_WATCH, handler, fd);
    check_socket(flight);
}

void ring_cancel(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd)
{
    arm(ring, op, RING_OP_CANCEL, handler, fd);
}

/* The memory of an operation in flight is the kernel's. */
static void check_memory(struct ring *ring)
{
    for (const struct flight *flight = ring->flights; flight; flight = flight->next) {
        const struct ring_op *op = flight->op;
        if (op->handler != flight->copy.handler || op->fd != flight->copy.fd ||
            op->kind != flight->copy.kind || !op->in_flight)
            fake_fail(ring->fake, "the memory of a %s in flight on descriptor %d was changed",
                      kind_name(flight->copy.kind), flight->copy.fd);
    }
}

static void submit(struct ring *ring)
{
    for (struct flight *flight = ring->flights; flight; flight = flight->next)
        if (flight->state == FLIGHT_ARMED) {
            flight->state = FLIGHT_WAITING;
            flight_attempt_soon(flight);
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
        if (flight->descriptor->socket)
            net_describe(flight->descriptor->socket, text, sizeof(text));
        fake_note(fake, "in flight: %s on descriptor %d: %s", kind_name(flight->copy.kind),
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
    fake_note(ring->fake, "%s(%d) = %d%s", kind_name(flight->copy.kind), flight->copy.fd, result,
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

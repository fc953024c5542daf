/* ring/ring.h: arming, asking to end, and what may be in flight beside what. */
#include "tests/fake/internal.h"

const char *flight_name(unsigned kind)
{
    switch (kind) {
    case RING_OP_ACCEPT: return "accept";
    case RING_OP_RECEIVE: return "receive";
    case RING_OP_RECEIVE_ON: return "receive that goes on";
    case RING_OP_SEND: return "send";
    case RING_OP_CONNECT: return "connect";
    case RING_OP_POLL: return "poll";
    case RING_OP_WATCH: return "watch";
    case RING_OP_CANCEL: return "cancel";
    case RING_OP_YIELD: return "yield";
    default: return "unknown";
    }
}

bool flight_receives(const struct flight *flight)
{
    return flight->copy.kind == RING_OP_RECEIVE || flight->copy.kind == RING_OP_RECEIVE_ON;
}

bool flight_sends(const struct flight *flight)
{
    return flight->copy.kind == RING_OP_SEND;
}

void flights_check_reader(struct fake *fake, const struct descriptor *descriptor, const char *what)
{
    for (const struct flight *flight = fake->ring.flights; flight; flight = flight->next)
        if (flight->descriptor == descriptor && flight_receives(flight))
            fake_fail(fake, "%s on descriptor %d while a %s is in flight", what, descriptor->fd,
                      flight_name(flight->copy.kind));
}

void flights_check_writer(struct fake *fake, const struct descriptor *descriptor, const char *what)
{
    for (const struct flight *flight = fake->ring.flights; flight; flight = flight->next)
        if (flight->descriptor == descriptor && flight_sends(flight))
            fake_fail(fake, "%s on descriptor %d while a %s is in flight", what, descriptor->fd,
                      flight_name(flight->copy.kind));
}

static void check_alone(struct flight *flight)
{
    const char *name = flight_name(flight->copy.kind);

    if (flight_receives(flight))
        flights_check_reader(flight->fake, flight->descriptor, name);
    if (flight_sends(flight))
        flights_check_writer(flight->fake, flight->descriptor, name);
}

static struct flight *find(const struct ring *ring, const struct ring_op *op)
{
    struct flight *flight = ring->flights;
    while (flight && flight->op != op)
        flight = flight->next;
    return flight;
}

static void check_arming(struct ring *ring, const struct ring_op *op, const char *name,
                         ring_handler *handler, int fd)
{
    const struct flight *flight = find(ring, op);

    if (flight)
        fake_fail(ring->fake, "%s armed on descriptor %d with an operation that is in flight (%s)",
                  name, fd, flight_name(flight->copy.kind));
    if (op->in_flight)
        fake_fail(ring->fake, "%s armed with memory that is no idle operation", name);
    if (!handler)
        fake_fail(ring->fake, "%s armed on descriptor %d without a handler", name, fd);
}

static struct flight *arm_without_descriptor(struct ring *ring, struct ring_op *op,
                                             enum ring_op_kind kind, ring_handler *handler, int fd)
{
    struct flight *flight = fake_allocate(sizeof(*flight));

    check_arming(ring, op, flight_name(kind), handler, fd);
    *op = (struct ring_op){.handler = handler, .fd = fd, .kind = kind, .in_flight = true};
    flight->fake = ring->fake;
    flight->op = op;
    flight->copy = *op;
    return flight;
}

static void take_off(struct ring *ring, struct flight *flight)
{
    flight->link = ring->flights_last;
    *ring->flights_last = flight;
    ring->flights_last = &flight->next;
    ring->in_flight++;
}

static struct flight *arm(struct ring *ring, struct ring_op *op, enum ring_op_kind kind,
                          ring_handler *handler, int fd)
{
    struct flight *flight = arm_without_descriptor(ring, op, kind, handler, fd);

    flight->descriptor = descriptor_of(ring->fake, fd, flight_name(kind));
    check_alone(flight);
    take_off(ring, flight);
    return flight;
}

static void check_socket(struct flight *flight)
{
    const struct descriptor *descriptor = flight->descriptor;
    if (descriptor->listening || descriptor->connecting)
        fake_fail(flight->fake, "%s on descriptor %d, which is not connected",
                  flight_name(flight->copy.kind), descriptor->fd);
}

void ring_accept(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd,
                 bool multishot)
{
    struct flight *flight = arm(ring, op, RING_OP_ACCEPT, handler, fd);
    if (!flight->descriptor->listening)
        fake_fail(ring->fake, "accept on descriptor %d, which does not listen", fd);
    flight->multishot = multishot;
}

static void receive(struct ring *ring, struct ring_op *op, enum ring_op_kind kind,
                    ring_handler *handler, int fd, bool file)
{
    struct flight *flight = arm(ring, op, kind, handler, fd);
    ring->receives++;
    check_socket(flight);
    if (!file && flight->descriptor->kind == FAKE_FILE)
        fake_fail(ring->fake, "%s on descriptor %d, which is no socket", flight_name(kind), fd);
    if (!flight->descriptor->reads)
        fake_fail(ring->fake, "descriptor %d is not for reading", fd);
}

void ring_receive(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd)
{
    receive(ring, op, RING_OP_RECEIVE, handler, fd, false);
}

void ring_receive_on(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd)
{
    receive(ring, op, RING_OP_RECEIVE_ON, handler, fd, false);
}

void ring_read(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd)
{
    receive(ring, op, RING_OP_RECEIVE, handler, fd, true);
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

/* The kernel sees it with what is armed: in the next turn. */
void ring_stop(struct ring *ring, struct ring_op *op)
{
    struct flight *flight = find(ring, op);

    if (!flight)
        fake_fail(ring->fake, "ring_stop() of an operation that is not in flight");
    op->stopping = true;
    flight->copy.stopping = true;
}

void ring_yield(struct ring *ring, struct ring_op *op, ring_handler *handler)
{
    struct flight *flight = arm_without_descriptor(ring, op, RING_OP_YIELD, handler, -1);

    take_off(ring, flight);
    flight_complete_now(flight, 0);
}

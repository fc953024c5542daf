/* Operations in flight: what the kernel does with each, when, and which faults it meets. An attempt
 * takes effect at one instant; its completion is told later. */
#include "tests/fake/internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#define CHECKED_BYTES 128

/* Of some of the bytes, spread over all: long sends are asked for again and again. */
uint64_t flight_checksum(const char *data, size_t length)
{
    size_t step = length / CHECKED_BYTES + 1;
    uint64_t sum = length;

    for (size_t i = 0; i < length; i += step)
        sum = (sum ^ (unsigned char)data[i]) * UINT64_C(0x100000001b3);
    return (sum ^ (unsigned char)data[length - 1]) * UINT64_C(0x100000001b3);
}

bool flight_moves_bytes(const struct flight *flight)
{
    return flight_receives(flight) || flight_sends(flight);
}

static void complete(struct flight *flight, uint64_t due_ns, int result, unsigned flags)
{
    struct ring *ring = &flight->fake->ring;
    struct completion *completion = fake_allocate(sizeof(*completion));

    *completion = (struct completion){
        .flight = flight,
        .due_ns = due_ns,
        .result = result,
        .flags = flags,
    };
    *ring->completions_last = completion;
    ring->completions_last = &completion->next;
    if (!(flags & RING_MORE)) {
        flight->state = FLIGHT_SETTLED;
        ring_timers_disarm(&flight->fake->events, &flight->attempt);
    }
}

void flight_complete(struct flight *flight, int result, unsigned flags)
{
    uint64_t due_ns = flight->fake->now_ns + fake_delay_ns(flight->fake);
    uint64_t *latest_ns =
        flight_moves_bytes(flight) ? &flight->descriptor->completed_ns : &flight->completed_ns;

    if (due_ns < *latest_ns)
        due_ns = *latest_ns;
    *latest_ns = due_ns;
    complete(flight, due_ns, result, flags);
}

void flight_complete_now(struct flight *flight, int result)
{
    complete(flight, flight->fake->now_ns, result, 0);
}

static void attempt_timer(struct ring_timer *timer)
{
    flight_attempt(CONTAINER(timer, struct flight, attempt));
}

void flight_attempt_soon(struct flight *flight)
{
    if (flight->state == FLIGHT_WAITING && !ring_timer_armed(&flight->attempt))
        fake_event(flight->fake, &flight->attempt, fake_delay_ns(flight->fake), attempt_timer);
}

void flights_wake(struct fake *fake, const struct net_socket *socket)
{
    for (struct flight *flight = fake->ring.flights; flight; flight = flight->next)
        if (flight->descriptor && flight->descriptor->socket == socket &&
            flight->copy.kind != RING_OP_CONNECT)
            flight_attempt_soon(flight);
}

static void attempt_accept(struct flight *flight)
{
    struct fake *fake = flight->fake;
    struct descriptor *listener = flight->descriptor;

    if (listener->accept_error) {
        int error = listener->accept_error;
        listener->accept_error = 0;
        flight_complete(flight, error, 0);
        return;
    }
    struct pending *pending = listener->pending;
    if (!pending)
        return;
    if (fake_fault_ends(fake, fake->faults.no_descriptors, "EMFILE of accept")) {
        flight_complete(flight, -EMFILE, 0);
        return;
    }
    listener->pending = pending->next;
    struct descriptor *accepted = descriptor_new(fake, pending->socket, listener->kind);
    accepted->closes_by_reset = listener->closes_by_reset;
    accepted->peer.ss_family = listener->kind == FAKE_TCP     ? AF_INET
                               : listener->kind == FAKE_VSOCK ? AF_VSOCK
                                                              : AF_UNIX;
    accepted->peer_length = sizeof(sa_family_t);
    free(pending);
    bool more = flight->multishot && !fake_fault(fake, 50);
    flight_complete(flight, accepted->fd, more ? RING_MORE : 0);
    if (more)
        flight_attempt_soon(flight);
}

static void attempt_send(struct flight *flight)
{
    struct fake *fake = flight->fake;
    bool file = flight->descriptor->kind == FAKE_FILE;
    int fault = fault_of_send(fake, !file);
    size_t length = flight->length;

    if (fault) {
        flight_complete(flight, fault, 0);
        return;
    }
    if (flight_checksum(flight->data, flight->length) != flight->checksum)
        fake_fail(fake, "the bytes of a send in flight on descriptor %d were changed",
                  flight->copy.fd);
    if (length > 1 && fake_fault(fake, fake->faults.short_send))
        length = random_size(&fake->random, length - 1);
    long result = net_send(flight->descriptor->socket, flight->data, length);
    if (result == -EAGAIN && file)
        return;
    flight_complete(flight, (int)result, 0);
}

static void attempt_poll(struct flight *flight)
{
    unsigned events = descriptor_poll(flight->descriptor) & (flight->events | POLLERR | POLLHUP);
    if (events)
        flight_complete(flight, (int)events, 0);
}

/* Tells what changed, at times all there is; the kernel may end it at any time. */
static void attempt_watch(struct flight *flight)
{
    struct fake *fake = flight->fake;
    const struct net_socket *socket = flight->descriptor->socket;
    unsigned events = descriptor_poll(flight->descriptor) & (POLLERR | POLLHUP | POLLRDHUP);
    unsigned news = events & ~flight->events_told;

    if (!events || (!news && flight->changes_told == socket->changes))
        return;
    flight->events_told = events;
    flight->changes_told = socket->changes;
    if (news && fake_random(fake) % 2)
        events = news;
    flight_complete(flight, (int)events, fake_fault(fake, 50) ? 0 : RING_MORE);
}

/* Whether it was found waiting. Otherwise it is at work already: it completes when it is done,
 * which for one that waits is now; one that goes on ends after what it has got. */
static bool end_early(struct flight *flight)
{
    if (flight->copy.kind == RING_OP_CONNECT)
        return flight_connect_cancel(flight);
    if (fake_fault(flight->fake, flight->fake->faults.late_cancel))
        flight_attempt(flight);
    if (flight->state == FLIGHT_SETTLED)
        return false;
    flight_complete(flight, -ECANCELED, 0);
    return true;
}

static void stop_timer(struct ring_timer *timer)
{
    struct flight *flight = CONTAINER(timer, struct flight, stop);
    if (flight->state != FLIGHT_SETTLED && flight->copy.kind != RING_OP_CANCEL)
        end_early(flight);
}

void flight_stop_soon(struct flight *flight)
{
    fake_event(flight->fake, &flight->stop, fake_delay_ns(flight->fake), stop_timer);
}

/* Those armed before the cancel, and that are not settled. */
static void attempt_cancel(struct flight *cancel)
{
    int cancelled = 0;
    int missed = 0;

    for (struct flight *flight = cancel->fake->ring.flights; flight != cancel;
         flight = flight->next) {
        if (flight->descriptor != cancel->descriptor || flight->copy.kind == RING_OP_CANCEL)
            continue;
        if (flight->state != FLIGHT_SETTLED && end_early(flight))
            cancelled++;
        else
            missed++;
    }
    if (cancelled == 0)
        cancelled = missed ? -EALREADY : -ENOENT;
    flight_complete(cancel, cancelled, 0);
}

void flight_attempt(struct flight *flight)
{
    ring_timers_disarm(&flight->fake->events, &flight->attempt);
    if (flight->state == FLIGHT_SETTLED)
        return;
    switch (flight->copy.kind) {
    case RING_OP_ACCEPT: attempt_accept(flight); break;
    case RING_OP_RECEIVE:
    case RING_OP_RECEIVE_ON: flight_attempt_receive(flight); break;
    case RING_OP_SEND: attempt_send(flight); break;
    case RING_OP_POLL: attempt_poll(flight); break;
    case RING_OP_WATCH: attempt_watch(flight); break;
    case RING_OP_CANCEL: attempt_cancel(flight); break;
    default: break;
    }
}

/* Bytes that come, for a receive in flight, and the faults that calls meet which move bytes. */
#include "tests/fake/internal.h"

#include <errno.h>

#define PIECES_MAX 32 /* that a receive which goes on takes at once */

int fault_of_receive(struct fake *fake, bool again)
{
    const struct fake_faults *faults = &fake->faults;

    if (fake_fault(fake, faults->interrupted))
        return -EINTR;
    if (again && fake_fault(fake, faults->receive_again))
        return -EAGAIN;
    if (fake_fault_ends(fake, faults->no_memory, "ENOMEM of receive"))
        return -ENOMEM;
    return 0;
}

int fault_of_send(struct fake *fake, bool again)
{
    const struct fake_faults *faults = &fake->faults;

    if (fake_fault(fake, faults->interrupted))
        return -EINTR;
    if (again && fake_fault(fake, faults->send_again))
        return -EAGAIN;
    if (fake_fault_ends(fake, faults->no_memory, "ENOBUFS or ENOMEM of send"))
        return fake_random(fake) % 2 ? -ENOBUFS : -ENOMEM;
    return 0;
}

void fake_touch(const void *bytes, size_t length)
{
    const volatile char *at = bytes;
    (void)at[0];
    (void)at[length - 1];
}

static int fault_of_piece(struct fake *fake, const struct descriptor *descriptor)
{
    int fault = fault_of_receive(fake, descriptor->kind == FAKE_FILE);

    if (!fault && fake_fault(fake, fake->faults.no_buffers))
        fault = -ENOBUFS;
    return fault;
}

/* One buffer's worth, or what comes instead. Whether there may be another. */
static bool receive_piece(struct flight *flight, size_t bytes_max)
{
    struct fake *fake = flight->fake;
    struct descriptor *descriptor = flight->descriptor;
    size_t length = descriptor->socket->arrived;
    int fault = fault_of_piece(fake, descriptor);

    if (fault) {
        flight_complete(flight, fault, 0);
        return false;
    }
    if (length == 0) {
        long result = net_receive(descriptor->socket, NULL, 1, false);
        if (result != -EAGAIN)
            flight_complete(flight, (int)result, 0);
        return false;
    }
    if (length > bytes_max)
        length = bytes_max;
    if (fake_fault(fake, fake->faults.short_receive))
        length = random_size(&fake->random, length);
    int buffer = buffers_take(&fake->ring, length);
    if (buffer < 0) {
        flight_complete(flight, buffer, 0);
        return false;
    }
    net_receive(descriptor->socket, ring_buffer(&fake->ring, (unsigned)buffer), length, false);
    bool more = flight->copy.kind == RING_OP_RECEIVE_ON && !fake_fault(fake, fake->faults.gave_up);
    unsigned flags = RING_BUFFER | (unsigned)buffer << RING_BUFFER_SHIFT;
    flight_complete(flight, (int)length, more ? flags | RING_MORE : flags);
    return more;
}

static void attempt_timer(struct ring_timer *timer)
{
    flight_attempt(CONTAINER(timer, struct flight, attempt));
}

/* Runs ahead of the handler: as many buffers as there are bytes for, up to a bound; then others
 * have their turn. */
void flight_attempt_receive(struct flight *flight)
{
    struct fake *fake = flight->fake;
    size_t bytes_max = buffers_bytes(&fake->ring);
    uint64_t pieces = random_between(&fake->random, 1, PIECES_MAX);

    if (fake_fault(fake, fake->faults.pieces)) {
        size_t piece = flight->descriptor->socket->arrived / PIECES_MAX + 1;
        bytes_max = piece < bytes_max ? piece : bytes_max;
    }
    while (pieces > 0 && receive_piece(flight, bytes_max))
        pieces--;
    if (pieces == 0)
        fake_event(fake, &flight->attempt, 1 + fake_delay_ns(fake), attempt_timer);
}

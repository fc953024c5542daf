/* The ring's receive buffers. The memory of one is made when it is filled, of just the bytes that
 * came, and freed when it is returned: whoever reads behind them or later is seen by the sanitizer.
 */
#include "tests/fake/internal.h"

#include <errno.h>
#include <stdlib.h>

static unsigned free_number(struct ring *ring)
{
    unsigned number = (unsigned)random_below(&ring->fake->random, ring->buffers_max);
    while (ring->buffers[number].memory)
        number = (number + 1) % ring->buffers_max;
    return number;
}

size_t buffers_bytes(const struct ring *ring)
{
    return ring->buffer_bytes ? ring->buffer_bytes : RING_BUFFER_BYTES;
}

int buffers_take(struct ring *ring, size_t length)
{
    if (ring->buffers_held == ring->buffers_max)
        return -ENOMEM;
    if (ring->buffers_held == ring->buffers_circulating) {
        ring->buffers_circulating++;
        return -ENOBUFS;
    }
    unsigned number = free_number(ring);
    ring->buffers[number] = (struct held){fake_allocate(length), length};
    ring->buffers_held++;
    return (int)number;
}

static void check(struct ring *ring, unsigned buffer, const char *what)
{
    if (buffer >= ring->buffers_max || !ring->buffers[buffer].memory)
        fake_fail(ring->fake, "%s: nobody holds buffer %u", what, buffer);
}

char *ring_buffer(struct ring *ring, unsigned buffer)
{
    check(ring, buffer, "ring_buffer()");
    return ring->buffers[buffer].memory;
}

static void check_not_sent(struct ring *ring, unsigned buffer)
{
    uintptr_t first = (uintptr_t)ring->buffers[buffer].memory;
    uintptr_t end = first + ring->buffers[buffer].length;

    for (const struct flight *flight = ring->flights; flight; flight = flight->next)
        if ((uintptr_t)flight->data >= first && (uintptr_t)flight->data < end)
            fake_fail(ring->fake, "buffer %u is returned while descriptor %d is sent from it",
                      buffer, flight->copy.fd);
}

void ring_buffer_return(struct ring *ring, unsigned buffer)
{
    check(ring, buffer, "ring_buffer_return()");
    check_not_sent(ring, buffer);
    free(ring->buffers[buffer].memory);
    ring->buffers[buffer] = (struct held){0};
    ring->buffers_held--;
    if (ring->buffers_circulating > RING_BUFFERS_IDLE + ring->buffers_held)
        ring->buffers_circulating--;
}

unsigned ring_buffers_held(const struct ring *ring)
{
    return ring->buffers_held;
}

/* Receive buffers in a provided-buffer ring (io_uring_register_buf_ring(3), kernel 5.19). */
#include "ring/buffers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { BUFFER_KEPT, BUFFER_OFFERED, BUFFER_HELD };

static unsigned power_of_two_at_least(unsigned n)
{
    unsigned power = 1;
    while (power < n)
        power *= 2;
    return power;
}

static void *map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void offer(struct buffers *buffers, unsigned buffer)
{
    buffers->states[buffer] = BUFFER_OFFERED;
    buffers->offered++;
    io_uring_buf_ring_add(buffers->offers, buffers_at(buffers, buffer), RING_BUFFER_BYTES,
                          (unsigned short)buffer, (int)buffers->offers_mask, 0);
    io_uring_buf_ring_advance(buffers->offers, 1);
}

int buffers_init(struct buffers *buffers, struct io_uring *uring, unsigned max)
{
    if (max == 0 || max > RING_BUFFERS_LIMIT)
        max = RING_BUFFERS_LIMIT;
    unsigned entries = power_of_two_at_least(max);

    *buffers = (struct buffers){
        .offers_bytes = entries * sizeof(struct io_uring_buf),
        .offers_mask = entries - 1,
        .max = max,
    };
    buffers->offers = map(buffers->offers_bytes);
    buffers->memory = map((size_t)max * RING_BUFFER_BYTES);
    buffers->states = calloc(max, sizeof(*buffers->states));
    buffers->kept = calloc(max, sizeof(*buffers->kept));
    if (!buffers->offers || !buffers->memory || !buffers->states || !buffers->kept) {
        buffers_deinit(buffers);
        return -ENOMEM;
    }
    struct io_uring_buf_reg registration = {
        .ring_addr = (uintptr_t)buffers->offers,
        .ring_entries = entries,
        .bgid = 0,
    };
    int error = io_uring_register_buf_ring(uring, &registration, 0);
    if (error < 0) {
        buffers_deinit(buffers);
        return error;
    }
    io_uring_buf_ring_init(buffers->offers);
    for (unsigned buffer = max; buffer > 0; buffer--)
        buffers->kept[buffers->kept_count++] = (uint16_t)(buffer - 1);
    for (unsigned i = 0; i < RING_BUFFERS_IDLE && i < max; i++)
        buffers_grow(buffers);
    return 0;
}

void buffers_deinit(struct buffers *buffers)
{
    if (buffers->offers)
        munmap(buffers->offers, buffers->offers_bytes);
    if (buffers->memory)
        munmap(buffers->memory, (size_t)buffers->max * RING_BUFFER_BYTES);
    free(buffers->states);
    free(buffers->kept);
    *buffers = (struct buffers){0};
}

void buffers_hold(struct buffers *buffers, unsigned buffer)
{
    assert(buffer < buffers->max && buffers->states[buffer] == BUFFER_OFFERED);
    buffers->states[buffer] = BUFFER_HELD;
    buffers->offered--;
    buffers->held++;
}

void buffers_return(struct buffers *buffers, unsigned buffer)
{
    assert(buffer < buffers->max && buffers->states[buffer] == BUFFER_HELD);
    buffers->held--;
    if (buffers->surplus == 0) {
        offer(buffers, buffer);
        return;
    }
    buffers->surplus--;
    buffers->states[buffer] = BUFFER_KEPT;
    buffers->kept[buffers->kept_count++] = (uint16_t)buffer;
    madvise(buffers_at(buffers, buffer), RING_BUFFER_BYTES, MADV_DONTNEED);
}

void buffers_review(struct buffers *buffers, uint64_t now_ns)
{
    if (buffers->offered < buffers->offered_min)
        buffers->offered_min = buffers->offered;
    if (now_ns < buffers->review_ns)
        return;
    buffers->surplus =
        buffers->offered_min > RING_BUFFERS_IDLE ? buffers->offered_min - RING_BUFFERS_IDLE : 0;
    buffers->offered_min = buffers->offered;
    buffers->review_ns = now_ns + BUFFERS_REVIEW_NS;
}

bool buffers_grow(struct buffers *buffers)
{
    if (buffers->kept_count == 0)
        return false;
    offer(buffers, buffers->kept[--buffers->kept_count]);
    buffers->surplus = 0;
    return true;
}

char *buffers_at(struct buffers *buffers, unsigned buffer)
{
    return buffers->memory + (size_t)buffer * RING_BUFFER_BYTES;
}

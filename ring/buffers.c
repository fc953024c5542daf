/* Receive buffers. */
#include "ring/buffers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { BUFFER_KEPT, BUFFER_OFFERED, BUFFER_HELD };

static void offer(struct buffers *buffers, unsigned buffer)
{
    buffers->states[buffer] = BUFFER_OFFERED;
    buffers->offered++;
    buffers->offer(buffers, buffer);
}

int buffers_init(struct buffers *buffers, unsigned max, size_t bytes)
{
    if (max == 0 || max > RING_BUFFERS_LIMIT)
        max = RING_BUFFERS_LIMIT;
    if (bytes == 0)
        bytes = RING_BUFFER_BYTES;
    *buffers = (struct buffers){
        .max = max,
        .bytes = bytes,
        .states = calloc(max, sizeof(*buffers->states)),
        .kept = calloc(max, sizeof(*buffers->kept)),
    };
    void *memory = mmap(NULL, max * bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    buffers->memory = memory == MAP_FAILED ? NULL : memory;
    if (!buffers->memory || !buffers->states || !buffers->kept) {
        buffers_deinit(buffers);
        return -ENOMEM;
    }
    for (unsigned buffer = max; buffer > 0; buffer--)
        buffers->kept[buffers->kept_count++] = (uint16_t)(buffer - 1);
    return 0;
}

void buffers_start(struct buffers *buffers, buffers_offer *offer_one)
{
    buffers->offer = offer_one;
    for (unsigned i = 0; i < RING_BUFFERS_IDLE && i < buffers->max; i++)
        buffers_grow(buffers);
}

void buffers_deinit(struct buffers *buffers)
{
    if (buffers->memory)
        munmap(buffers->memory, buffers->max * buffers->bytes);
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
    madvise(buffers_at(buffers, buffer), buffers->bytes, MADV_DONTNEED);
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
    return buffers->memory + buffer * buffers->bytes;
}

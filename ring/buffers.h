/* The receive buffers of a ring, and who holds each: kept (out of circulation, without memory),
 * offered to the kernel, or held by a handler.
 *
 * RING_BUFFERS_IDLE are on offer at first; one more whenever the kernel found none. What stayed on
 * offer beyond RING_BUFFERS_IDLE for BUFFERS_REVIEW_NS is too much: that many are kept as they come
 * back.
 */
#pragma once

#include "ring/ring.h"

#define BUFFERS_REVIEW_NS UINT64_C(1000000000)

struct buffers;

/* An engine's: this buffer may be filled from here on. */
typedef void buffers_offer(struct buffers *buffers, unsigned buffer);

struct buffers {
    buffers_offer *offer;
    char *memory;
    size_t bytes; /* of each */
    uint8_t *states;
    uint16_t *kept; /* stack of the buffers out of circulation */
    unsigned kept_count;
    unsigned offered_min; /* since the latest review */
    unsigned surplus;     /* to be kept when they come back */
    uint64_t review_ns;   /* the next one */
    unsigned max;
    unsigned offered;
    unsigned held;
};

/* 0 or -ENOMEM. max and bytes as in struct ring_options. */
int buffers_init(struct buffers *buffers, unsigned max, size_t bytes);
void buffers_deinit(struct buffers *buffers);

/* Offers the first ones. */
void buffers_start(struct buffers *buffers, buffers_offer *offer);

/* Once a turn, when all completions have been taken. */
void buffers_review(struct buffers *buffers, uint64_t now_ns);

/* This one of those on offer has been filled. */
void buffers_hold(struct buffers *buffers, unsigned buffer);
void buffers_return(struct buffers *buffers, unsigned buffer);

/* Puts one more into circulation; false: all are. */
bool buffers_grow(struct buffers *buffers);

char *buffers_at(struct buffers *buffers, unsigned buffer);

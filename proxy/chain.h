/* The receive buffers that a lane holds, in the order in which their bytes came. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of every buffer of a ring, what it holds and which follows it. Grows with the highest number. */
struct chain_links {
    struct chain_link *at;
    size_t room;
};

/* Zeroed: holds none. */
struct chain {
    uint16_t first;
    uint16_t last;
    uint16_t count;
    uint32_t offset; /* of the first: what has gone */
    uint32_t bytes;  /* that have not gone */
};

void chain_links_deinit(struct chain_links *links);

/* false: out of memory, and the buffer is still the caller's. */
bool chain_push(struct chain *chain, struct chain_links *links, unsigned buffer, uint32_t length);

/* Of the first: where in the buffer, and how many, are the bytes that have not gone. Not on one
 * that holds none. */
unsigned chain_first(const struct chain *chain, const struct chain_links *links,
                     uint32_t *ret_offset, uint32_t *ret_length);

/* So many bytes of the first have gone. Whether these were all: then it is no longer of the
 * chain. */
bool chain_advance(struct chain *chain, const struct chain_links *links, uint32_t count);

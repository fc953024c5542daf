/* Seeded bytes: a stream whose byte at any offset follows from its seed, and the XXH64 of what has
 * passed.
 *
 * Whoever knows the seed can send any part of the stream and verify any part of it; nothing is
 * kept.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream {
    uint64_t seed;
    uint64_t total;  /* planned length */
    uint64_t offset; /* sent or received so far */
    uint64_t lanes[4];
    uint8_t tail[32]; /* hashed when it is full */
};

#define STREAM_CHUNK_BYTES ((size_t)256 * 1024)

void stream_init(struct stream *stream, uint64_t seed, uint64_t total);

/* The bytes from `offset` on. *length: as many as wanted, and as many as there are; a chunk's end
 * is never crossed. Valid until the next call. */
const uint8_t *stream_bytes(uint64_t seed, uint64_t offset, size_t *length);

/* The next `length` bytes have been sent or received: hashes them and moves on. */
void stream_pass(struct stream *stream, const uint8_t *bytes, size_t length);

/* Is what came what comes next? *ret_at: index of the first byte that is not. */
bool stream_equal(const struct stream *stream, const uint8_t *bytes, size_t length, size_t *ret_at);

/* XXH64 (seed 0) of all that has passed. */
uint64_t stream_hash(const struct stream *stream);

/* One random number for each pair of numbers. */
uint64_t stream_random(uint64_t seed, uint64_t index);

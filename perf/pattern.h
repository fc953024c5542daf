/* The bytes of a load stream: pseudo-random, made once, and found again at any offset, so that
 * sending them costs no computation and checking them one comparison.
 *
 * A stream begins somewhere in a table of PATTERN_BYTES, chosen by its seed, number and direction,
 * and runs around it. Two streams agree over no more than a few bytes unless they begin at the same
 * place. One that nobody checks stands still: it is the same bytes again and again, which stay in
 * the cache.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A prime: no block size divides it. */
#define PATTERN_BYTES 1048573

enum pattern_direction {
    PATTERN_UP,
    PATTERN_DOWN,
};

/* Makes the table; before any thread starts. */
void pattern_init(void);

/* Where a stream stands in the table. */
struct pattern {
    uint32_t position;
    bool still;
};

void pattern_start(struct pattern *pattern, uint64_t seed, uint64_t stream,
                   enum pattern_direction direction);
void pattern_start_unchecked(struct pattern *pattern);

/* The next bytes: up to `length` of them, as many as stand together in the table. */
const char *pattern_next(const struct pattern *pattern, size_t length, size_t *ret_length);

void pattern_advance(struct pattern *pattern, size_t length);

/* Are these the next bytes? Advances past them. */
bool pattern_check(struct pattern *pattern, const char *bytes, size_t length);

/* A seeded sequence of numbers (splitmix64): the same seed gives the same run on every machine. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t state;
};

static inline uint64_t random_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static inline uint64_t random_next(struct random *random)
{
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    return random_mix(random->state);
}

/* 0 .. bound - 1; 0 for a bound of 0. */
static inline uint64_t random_below(struct random *random, uint64_t bound)
{
    return bound ? random_next(random) % bound : 0;
}

/* min .. max, both included. */
static inline uint64_t random_between(struct random *random, uint64_t min, uint64_t max)
{
    return min + random_below(random, max - min + 1);
}

/* Small numbers as often as large ones: between 1 and max. */
static inline uint64_t random_size(struct random *random, uint64_t max)
{
    uint64_t bits = 0;
    while (bits < 63 && (max >> (bits + 1)))
        bits++;
    uint64_t limit = UINT64_C(1) << random_below(random, bits + 2);
    return random_between(random, 1, limit < max ? limit : max);
}

static inline bool random_permille(struct random *random, unsigned permille)
{
    return permille && random_below(random, 1000) < permille;
}

/* The byte at an offset of an endless stream. */
static inline unsigned char random_stream_byte(uint64_t stream, uint64_t offset)
{
    return (unsigned char)(random_mix(stream * UINT64_C(0x9e3779b97f4a7c15) + offset / 8) >>
                           (offset % 8 * 8));
}

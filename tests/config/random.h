/* Seeded random numbers. VSLUICE_SEED in the environment replays one seed. */
#pragma once

#include <stdint.h>
#include <stdlib.h>

struct random {
    uint64_t seed;
    uint64_t state;
};

static inline struct random random_make(uint64_t seed)
{
    const char *replay = getenv("VSLUICE_SEED");

    if (replay)
        seed = strtoull(replay, NULL, 0);
    return (struct random){seed, seed};
}

/* SplitMix64. */
static inline uint64_t random_next(struct random *random)
{
    uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* Less than `bound`. */
static inline uint32_t random_below(struct random *random, uint32_t bound)
{
    return (uint32_t)(random_next(random) % bound);
}

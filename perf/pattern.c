/* The table of load bytes. */
#include "perf/pattern.h"

#include <string.h>

static char table[PATTERN_BYTES + 8];

/* splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static uint64_t mix(uint64_t z)
{
    z += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void pattern_init(void)
{
    for (size_t i = 0; i < PATTERN_BYTES; i += 8) {
        uint64_t word = mix(i);
        memcpy(table + i, &word, sizeof(word));
    }
}

void pattern_start(struct pattern *pattern, uint64_t seed, uint64_t stream,
                   enum pattern_direction direction)
{
    *pattern = (struct pattern){
        .position = (uint32_t)(mix(seed ^ mix(stream * 2 + direction)) % PATTERN_BYTES),
    };
}

void pattern_start_unchecked(struct pattern *pattern)
{
    *pattern = (struct pattern){.still = true};
}

const char *pattern_next(const struct pattern *pattern, size_t length, size_t *ret_length)
{
    size_t together = PATTERN_BYTES - pattern->position;

    *ret_length = length < together ? length : together;
    return table + pattern->position;
}

void pattern_advance(struct pattern *pattern, size_t length)
{
    if (!pattern->still)
        pattern->position = (uint32_t)((pattern->position + length) % PATTERN_BYTES);
}

bool pattern_check(struct pattern *pattern, const char *bytes, size_t length)
{
    while (length > 0) {
        size_t piece;
        const char *wanted = pattern_next(pattern, length, &piece);
        if (memcmp(wanted, bytes, piece) != 0)
            return false;
        pattern_advance(pattern, piece);
        bytes += piece;
        length -= piece;
    }
    return true;
}

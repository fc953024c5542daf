/* What the fuzzers share. */
#pragma once

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* What does not hold is a finding: libFuzzer keeps the input that led to it. */
#define must(condition)                                                     \
    do {                                                                    \
        if (!(condition)) {                                                 \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                        \
        }                                                                   \
    } while (0)

static inline void *memory(size_t size)
{
    void *block = malloc(size);

    must(block);
    return block;
}

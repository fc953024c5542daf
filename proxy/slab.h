/* Slots of one size at addresses that never change, in a bounded number; address space is taken by
 * the chunk, memory as slots are used, and both are kept until slab_deinit(). Free slots are reused
 * last in, first out. */
#pragma once

#include <stddef.h>

struct slab_chunk;

struct slab {
    struct slab_chunk *chunks; /* the latest first */
    size_t unused;             /* slots at the end of the latest: never taken, no memory yet */
    void *free;
    size_t slot_bytes;
    size_t max;
    size_t used;
};

void slab_init(struct slab *slab, size_t slot_bytes, size_t max);

/* No slot may be in use. */
void slab_deinit(struct slab *slab);

/* A zeroed slot; NULL at the bound or out of memory. */
void *slab_take(struct slab *slab);
void slab_give(struct slab *slab, void *slot);

/* Slots of one size at addresses that never change, in a bounded number; memory is taken by the
 * chunk and kept until slab_deinit(). Free slots are reused last in, first out. */
#pragma once

#include <stddef.h>

struct slab_chunk;

struct slab {
    struct slab_chunk *chunks;
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

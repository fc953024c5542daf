/* Bounded slots at stable addresses. */
#include "proxy/slab.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)64 * 1024) /* whole pages: what is left over costs each slot */

struct slab_chunk {
    struct slab_chunk *next;
    _Alignas(max_align_t) char slots[];
};

/* A free slot holds the next free one. */
struct free_slot {
    struct free_slot *next;
};

void slab_init(struct slab *slab, size_t slot_bytes, size_t max)
{
    size_t alignment = _Alignof(max_align_t);
    *slab = (struct slab){
        .slot_bytes = (slot_bytes + alignment - 1) / alignment * alignment,
        .max = max,
    };
}

void slab_deinit(struct slab *slab)
{
    assert(slab->used == 0);
    while (slab->chunks) {
        struct slab_chunk *chunk = slab->chunks;
        slab->chunks = chunk->next;
        free(chunk);
    }
    slab->free = NULL;
    slab->unused = 0;
}

static size_t slots_per_chunk(const struct slab *slab)
{
    return (CHUNK_BYTES - sizeof(struct slab_chunk)) / slab->slot_bytes;
}

static void *take_free(struct slab *slab)
{
    struct free_slot *slot = slab->free;

    slab->free = slot->next;
    return slot;
}

static void *take_unused(struct slab *slab)
{
    if (slab->unused == 0) {
        struct slab_chunk *chunk = malloc(CHUNK_BYTES);
        if (!chunk)
            return NULL;
        chunk->next = slab->chunks;
        slab->chunks = chunk;
        slab->unused = slots_per_chunk(slab);
    }
    size_t index = slots_per_chunk(slab) - slab->unused--;
    return slab->chunks->slots + index * slab->slot_bytes;
}

void *slab_take(struct slab *slab)
{
    if (slab->used == slab->max)
        return NULL;
    void *slot = slab->free ? take_free(slab) : take_unused(slab);
    if (!slot)
        return NULL;
    slab->used++;
    return memset(slot, 0, slab->slot_bytes);
}

void slab_give(struct slab *slab, void *slot)
{
    struct free_slot *free_slot = slot;

    assert(slab->used > 0);
    slab->used--;
    free_slot->next = slab->free;
    slab->free = free_slot;
}

/* Bounded slots at stable addresses. */
#include "proxy/slab.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS_PER_CHUNK 64

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
}

static void push(struct slab *slab, void *memory)
{
    struct free_slot *slot = memory;
    slot->next = slab->free;
    slab->free = slot;
}

static void grow(struct slab *slab)
{
    struct slab_chunk *chunk = malloc(sizeof(*chunk) + SLOTS_PER_CHUNK * slab->slot_bytes);
    if (!chunk)
        return;
    chunk->next = slab->chunks;
    slab->chunks = chunk;
    for (size_t i = SLOTS_PER_CHUNK; i > 0; i--)
        push(slab, chunk->slots + (i - 1) * slab->slot_bytes);
}

void *slab_take(struct slab *slab)
{
    if (slab->used == slab->max)
        return NULL;
    if (!slab->free)
        grow(slab);
    struct free_slot *slot = slab->free;
    if (!slot)
        return NULL;
    slab->free = slot->next;
    slab->used++;
    memset(slot, 0, slab->slot_bytes);
    return slot;
}

void slab_give(struct slab *slab, void *slot)
{
    assert(slab->used > 0);
    slab->used--;
    push(slab, slot);
}

/* A list by buffer numbers. */
#include "proxy/chain.h"

#include <assert.h>
#include <stdlib.h>

struct chain_link {
    uint32_t length;
    uint16_t next;
};

void chain_links_deinit(struct chain_links *links)
{
    free(links->at);
    *links = (struct chain_links){0};
}

static bool links_reach(struct chain_links *links, unsigned buffer)
{
    size_t room = links->room ? links->room : 64;

    if (buffer < links->room)
        return true;
    while (room <= buffer)
        room *= 2;
    struct chain_link *at = realloc(links->at, room * sizeof(*at));
    if (!at)
        return false;
    links->at = at;
    links->room = room;
    return true;
}

bool chain_push(struct chain *chain, struct chain_links *links, unsigned buffer, uint32_t length)
{
    assert(length > 0);
    if (!links_reach(links, buffer))
        return false;
    links->at[buffer].length = length;
    if (chain->count == 0) {
        chain->first = (uint16_t)buffer;
        chain->offset = 0;
    } else {
        links->at[chain->last].next = (uint16_t)buffer;
    }
    chain->last = (uint16_t)buffer;
    chain->count++;
    chain->bytes += length;
    return true;
}

unsigned chain_first(const struct chain *chain, const struct chain_links *links,
                     uint32_t *ret_offset, uint32_t *ret_length)
{
    assert(chain->count > 0);
    *ret_offset = chain->offset;
    *ret_length = links->at[chain->first].length - chain->offset;
    return chain->first;
}

bool chain_advance(struct chain *chain, const struct chain_links *links, uint32_t count)
{
    const struct chain_link *first = &links->at[chain->first];

    assert(chain->count > 0 && count <= first->length - chain->offset);
    chain->offset += count;
    chain->bytes -= count;
    if (chain->offset < first->length)
        return false;
    chain->first = first->next;
    chain->offset = 0;
    chain->count--;
    return true;
}

/* Shared addresses. */
#include "proxy/addresses.h"

#include <assert.h>
#include <stdlib.h>

struct addresses *addresses_new(size_t count)
{
    struct addresses *addresses = calloc(1, sizeof(*addresses) + count * sizeof(addresses->at[0]));
    if (addresses) {
        addresses->references = 1;
        addresses->count = count;
    }
    return addresses;
}

struct addresses *addresses_ref(struct addresses *addresses)
{
    addresses->references++;
    return addresses;
}

void addresses_unref(struct addresses *addresses)
{
    if (!addresses)
        return;
    assert(addresses->references > 0);
    if (--addresses->references == 0)
        free(addresses);
}

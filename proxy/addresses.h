/* The addresses of one endpoint, shared and immutable; freed with the last reference. */
#pragma once

#include "config/address.h"

#include <stddef.h>

struct addresses {
    unsigned references;
    size_t count;
    struct address at[];
};

struct addresses *addresses_new(size_t count);
struct addresses *addresses_ref(struct addresses *addresses);
void addresses_unref(struct addresses *addresses);

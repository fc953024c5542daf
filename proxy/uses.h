/* What is known at run time of guests and routes, by their names: outlives configurations. */
#pragma once

#include "proxy/guest_use.h"
#include "proxy/route_use.h"

struct uses {
    struct guest_uses guests;
    struct route_uses routes;
    struct rate rate; /* of all sessions */
};

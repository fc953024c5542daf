/* The guests, at the admin socket: GET /guests, POST /guests/{name}/freeze and .../thaw. */
#pragma once

#include "proxy/admin_route.h"
#include "proxy/guest_use.h"

struct workers;

/* The owner of the routes; its threads may be any. */
struct admin_guests {
    struct guest_uses *uses;
    struct workers *workers;
};

#define ADMIN_GUESTS_ROUTES 3
extern const struct admin_route admin_guests_routes[ADMIN_GUESTS_ROUTES];

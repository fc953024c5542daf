/* What can be asked at the admin socket: GET /guests, POST /guests/{name}/freeze and .../thaw, POST
 * /reload. */
#pragma once

#include "proxy/admin_route.h"
#include "proxy/guest_use.h"

struct reload;
struct workers;

/* The owner of the routes; they may be of other threads. */
struct admin_actions {
    struct guest_uses *uses;
    struct workers *workers;
    struct reload *reload;
};

#define ADMIN_ACTIONS_COUNT 4
extern const struct admin_route admin_actions_routes[ADMIN_ACTIONS_COUNT];

/* What can be asked at the admin socket: the table. Whoever asks by GET reads; others act. */
#pragma once

#include "proxy/admin_route.h"
#include "proxy/uses.h"

struct reload;
struct workers;

/* The owner of the routes; they may be of other threads. */
struct admin_actions {
    struct uses *uses;
    struct workers *workers;
    struct reload *reload;
};

#define ADMIN_ACTIONS_COUNT 9
extern const struct admin_route admin_actions_routes[ADMIN_ACTIONS_COUNT];

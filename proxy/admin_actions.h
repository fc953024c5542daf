/* What can be asked at the admin socket: the table. Whoever asks by GET reads; others act. */
#pragma once

#include "proxy/admin_route.h"
#include "proxy/uses.h"

struct orders;
struct workers;

/* The owner of the routes; they may be of other threads. */
struct admin_actions {
    struct uses *uses;
    struct workers *workers;
    struct orders *orders;
};

#define ADMIN_ACTIONS_COUNT 14
/* Of the one that takes a body. */
#define ADMIN_ACTIONS_BODY_PATH "/routes"
extern const struct admin_route admin_actions_routes[ADMIN_ACTIONS_COUNT];

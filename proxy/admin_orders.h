/* What the admin socket hands to the main thread: POST /reload, and the routes. Their owner is a
 * struct admin_actions. Answers come when what was asked for is so. */
#pragma once

#include "proxy/admin_route.h"

int admin_reload(void *owner, struct admin_request *request);
int admin_routes_list(void *owner, struct admin_request *request);
int admin_routes_add(void *owner, struct admin_request *request);
int admin_routes_remove(void *owner, struct admin_request *request);
int admin_routes_drain(void *owner, struct admin_request *request);
int admin_routes_undo_drain(void *owner, struct admin_request *request);

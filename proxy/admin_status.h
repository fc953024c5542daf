/* GET /status at the admin socket: counters in JSON. Its owner is a struct admin_actions. */
#pragma once

#include "proxy/admin_route.h"

int admin_status(void *owner, struct admin_request *request);

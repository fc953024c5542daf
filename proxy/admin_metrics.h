/* GET /metrics at the admin socket. Its owner is a struct admin_actions. */
#pragma once

#include "proxy/admin_route.h"

int admin_metrics(void *owner, struct admin_request *request);

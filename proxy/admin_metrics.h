/* What an operator sees at the admin socket: GET /metrics (OpenMetrics), GET /status (JSON). Their
 * owner is a struct admin_actions. */
#pragma once

#include "proxy/admin_route.h"

int admin_metrics(void *owner, struct admin_request *request);
int admin_status(void *owner, struct admin_request *request);

/* Targets of routes, as an operator sees them. */
#pragma once

#include "proxy/exposition.h"
#include "proxy/route_use.h"

/* The metrics of all. */
void admin_targets_metrics(struct exposition *exposition, struct route_uses *routes);

/* Those of a route, as a JSON array; while the route is visited. */
void admin_targets_print(FILE *stream, const struct route_use *route);

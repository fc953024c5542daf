/* The routes of the service, as JSON. */
#pragma once

#include "proxy/service.h"

#include <stdio.h>

/* All there are. */
void service_routes_print(const struct service *service, FILE *stream);

/* Those that have just been added. */
void service_routes_print_added(const struct service *service, const struct added_routes *added,
                                FILE *stream);

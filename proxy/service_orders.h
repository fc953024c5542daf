/* What is asked of the running service: it is read anew, routes are drained, added and removed. Of
 * the main thread. */
#pragma once

#include "proxy/service.h"

/* Sees to all orders that wait. */
void service_orders_see_to(struct service *service);

/* Ends what is left of drained routes whose time is over. */
void service_drains_look(struct service *service);

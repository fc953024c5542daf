/* What listens and is to go makes way for what is to have its address: it is closed before the
 * other is bound, and bound again where that comes to nothing.
 */
#pragma once

#include "proxy/entrances.h"

/* Can the endpoint not be had while that listens? A name may stand for any address; an inherited
 * socket makes no way, as others have it too. */
bool entrance_stands_in_way(const struct entrance *entrance, const struct endpoint *endpoint);

/* Closed once workers_await_closed() is back. */
void entrance_make_way(struct entrance *entrance, struct workers *workers);

/* Binds anew those that made way, once the workers have closed what had their addresses instead.
 * One that cannot be had again, which is logged, is no longer among them. */
void entrances_put_back(struct entrances *entrances, struct workers *workers);

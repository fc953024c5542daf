/* Counted references. */
#include "proxy/opening.h"

#include <stdlib.h>

static bool guest_get(struct uses *uses, const struct guest *guest, struct guest_use **ret)
{
    if (!guest)
        return true;
    *ret = guest_use_get(&uses->guests, guest);
    return *ret;
}

struct opening *opening_new(struct config *config, const struct route *route,
                            const struct route_listen *listen, struct uses *uses)
{
    struct opening *opening = calloc(1, sizeof(*opening));

    if (!opening)
        return NULL;
    *opening = (struct opening){
        .references = 1,
        .config = config_ref(config),
        .route = route,
        .listen = listen,
    };
    opening->use = route_use_get(&uses->routes, route->name);
    if (opening->use && guest_get(uses, listen->guest, &opening->source) &&
        guest_get(uses, route->guest, &opening->target))
        return opening;
    opening_unref(opening);
    return NULL;
}

struct opening *opening_ref(struct opening *opening)
{
    atomic_fetch_add(&opening->references, 1);
    return opening;
}

void opening_unref(struct opening *opening)
{
    if (atomic_fetch_sub(&opening->references, 1) > 1)
        return;
    guest_use_put(opening->source);
    guest_use_put(opening->target);
    route_use_put(opening->use);
    config_free(opening->config);
    free(opening);
}

bool opening_never_lets_wait(const struct opening *opening)
{
    return opening->listen->resolved.kind == ENDPOINT_VSOCK_MUX;
}

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

static bool target_get(struct uses *uses, struct route_use *use, const struct route_target *target,
                       struct opening_target *ret)
{
    char name[ENDPOINT_TEXT_BYTES];

    endpoint_format_ports(&target->written, target->port_count, name);
    ret->use = target_use_get(use, name);
    return ret->use && guest_get(uses, target->guest, &ret->guest);
}

static bool targets_get(struct opening *opening, struct uses *uses)
{
    const struct route *route = opening->route;

    opening->targets = calloc(route->target_count, sizeof(*opening->targets));
    for (size_t i = 0; i < route->target_count && opening->targets; i++)
        if (!target_get(uses, opening->use, &route->targets[i], &opening->targets[i]))
            return false;
    return opening->targets;
}

static bool sources_get(const struct opening *opening)
{
    const struct route *route = opening->route;

    return (!route->source_sessions_max && !route->source_rate_max) ||
           route_use_count_sources(opening->use);
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
        .rate = &uses->rate,
    };
    opening->use = route_use_get(&uses->routes, route->name);
    if (opening->use && sources_get(opening) && guest_get(uses, listen->guest, &opening->source) &&
        targets_get(opening, uses))
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
    for (size_t i = 0; i < opening->route->target_count && opening->targets; i++) {
        guest_use_put(opening->targets[i].guest);
        target_use_put(opening->targets[i].use);
    }
    free(opening->targets);
    route_use_put(opening->use);
    config_free(opening->config);
    free(opening);
}

bool opening_never_lets_wait(const struct opening *opening)
{
    return opening->listen->resolved.kind == ENDPOINT_VSOCK_MUX;
}

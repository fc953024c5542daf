/* Addresses are told by what is bound: so chosen ports and the addresses of names are known. */
#include "proxy/making_way.h"

#include "proxy/log.h"
#include "proxy/workers.h"

#include <errno.h>
#include <string.h>

static bool is_name(const struct endpoint *endpoint)
{
    struct address address;

    return endpoint->kind == ENDPOINT_TCP && address_of_endpoint(endpoint, &address) == -ENOENT;
}

bool entrance_stands_in_way(const struct entrance *entrance, const struct endpoint *endpoint)
{
    const struct endpoint *bound = &entrance->address;

    if (entrance->made_way || entrance->bound.inherited)
        return false;
    return endpoint_collides(bound, endpoint) ||
           (bound->kind == ENDPOINT_TCP && bound->port == endpoint->port && is_name(endpoint));
}

void entrance_make_way(struct entrance *entrance, struct workers *workers)
{
    workers_close(workers, entrance->opening);
    bound_close(&entrance->bound);
    entrance->made_way = true;
}

/* 0 or a negative errno, and a sentence in `error`. */
static int bind_again(struct entrance *entrance, struct workers *workers, char *error)
{
    struct bound bound[BOUND_MAX];

    int failed = bind_route_listen(entrance->opening->route, &entrance->address, bound, error);
    if (failed < 0)
        return failed;
    failed = workers_open(workers, entrance->opening, &bound[0]);
    if (failed < 0) {
        snprintf(error, BIND_ERROR_BYTES, "%s: %s", bound[0].text, strerror(-failed));
        bound_close(&bound[0]);
        return failed;
    }
    entrance->bound = bound[0];
    entrance->made_way = false;
    return 0;
}

void entrances_put_back(struct entrances *entrances, struct workers *workers)
{
    char error[BIND_ERROR_BYTES];
    size_t count = 0;

    workers_await_closed(workers);
    for (size_t i = 0; i < entrances->count; i++) {
        struct entrance *entrance = &entrances->at[i];
        if (entrance->made_way && bind_again(entrance, workers, error) < 0) {
            log_error("vsluice: route %s: no longer listening on %s, which cannot be had again: %s",
                      entrance->opening->route->name, entrance->bound.text, error);
            opening_unref(entrance->opening);
            continue;
        }
        entrances->at[count++] = *entrance;
    }
    entrances->count = count;
}

/* An array of them. */
#include "proxy/entrances.h"

#include "proxy/log.h"
#include "proxy/workers.h"

#include <errno.h>
#include <stdlib.h>
#include <sysexits.h>

int exit_status_of_error(int error)
{
    switch (-error) {
    case EACCES:
    case EPERM: return EX_NOPERM;
    case EADDRINUSE:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case EBADF:
    case EEXIST:
    case ENOENT: return EX_UNAVAILABLE;
    default: return EX_OSERR;
    }
}

/* Takes the socket. */
static int add(struct entrances *entrances, struct config *config, const struct route *route,
               const struct route_listen *listen, struct guest_uses *uses, struct bound *bound)
{
    struct opening *opening = opening_new(config, route, listen, uses);

    if (!opening) {
        bound_close(bound);
        return EX_OSERR;
    }
    entrances->at[entrances->count++] = (struct entrance){.opening = opening, .bound = *bound};
    return 0;
}

/* The exit status is that of the first which cannot be had. */
static int open_route(struct entrances *entrances, struct config *config, const struct route *route,
                      struct guest_uses *uses, bool quiet)
{
    int status = 0;

    for (size_t i = 0; i < route->listen_count; i++) {
        struct bound bound[BOUND_MAX];
        char error[BIND_ERROR_BYTES];
        const struct route_listen *listen = &route->listens[i];

        int count = bind_route_listen(route, &listen->resolved, bound, error);
        if (count < 0 && !quiet)
            log_line("vsluice: route %s: %s", route->name, error);
        if (count < 0)
            status = status ? status : exit_status_of_error(count);
        for (int b = 0; b < count; b++) {
            int failed = add(entrances, config, route, listen, uses, &bound[b]);
            status = status ? status : failed;
        }
    }
    return status;
}

int entrances_open(struct entrances *ret, struct config *config, struct guest_uses *uses,
                   bool quiet)
{
    size_t max = 0;
    int status = 0;

    for (size_t i = 0; i < config->route_count; i++)
        max += config->routes[i].listen_count * BOUND_MAX;
    *ret = (struct entrances){.at = calloc(max + 1, sizeof(*ret->at))};
    if (!ret->at)
        return EX_OSERR;
    for (size_t i = 0; i < config->route_count; i++) {
        int failed = open_route(ret, config, &config->routes[i], uses, quiet);
        status = status ? status : failed;
    }
    return status;
}

int entrances_give(const struct entrances *entrances, struct workers *workers)
{
    for (size_t i = 0; i < entrances->count; i++) {
        int error = workers_open(workers, entrances->at[i].opening, &entrances->at[i].bound);
        if (error < 0)
            return error;
    }
    return 0;
}

void entrances_announce(const struct entrances *entrances)
{
    for (size_t i = 0; i < entrances->count; i++) {
        const struct opening *opening = entrances->at[i].opening;
        const struct route_listen *listen = opening->listen;
        const struct route *route = opening->route;
        char target[ENDPOINT_TEXT_BYTES];
        char text[ENDPOINT_TEXT_BYTES];

        if (listen->port_offset > 0)
            continue;
        endpoint_format_ports(&route->target, route->target_port_count, target);
        endpoint_format_ports(&listen->resolved, listen->port_count, text);
        log_line("listening on %s -> %s (route %s)",
                 listen->port_count > 1 ? text : entrances->at[i].bound.text, target, route->name);
    }
}

void entrances_take_back(const struct entrances *entrances, struct workers *workers)
{
    for (size_t i = 0; i < entrances->count; i++)
        workers_close(workers, entrances->at[i].opening);
}

void entrances_close(struct entrances *entrances)
{
    for (size_t i = 0; i < entrances->count; i++) {
        bound_close(&entrances->at[i].bound);
        opening_unref(entrances->at[i].opening);
    }
    free(entrances->at);
    *entrances = (struct entrances){0};
}

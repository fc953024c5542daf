/* One object for each. */
#include "proxy/service_routes.h"

#include "proxy/admin_route.h"

#include <stdlib.h>
#include <string.h>

struct printing {
    const struct service *service;
    const struct added_routes *only; /* these, and what is made of them; NULL: all */
    FILE *stream;
    bool any;
};

/* The one that it was added as, itself or the template that it was made of; NULL: it was not. */
static const struct added_route *find_added(const struct added_routes *added, const char *name)
{
    size_t length = strcspn(name, "@");

    for (const struct added_route *route = added->first; route; route = route->next)
        if (strlen(route->name) == length && memcmp(route->name, name, length) == 0)
            return route;
    return NULL;
}

static void print_text(struct printing *printing, const char *text, bool *any)
{
    if (*any)
        fputs(", ", printing->stream);
    *any = true;
    admin_print_string(printing->stream, text);
}

/* As it is bound, where it is. */
static void print_listen(struct printing *printing, const struct route_listen *listen,
                         const struct entrances *entrances, bool *any)
{
    char text[ENDPOINT_TEXT_BYTES];
    bool bound = false;

    if (listen->port_offset > 0)
        return;
    for (size_t i = 0; entrances && listen->port_count == 1 && i < entrances->count; i++) {
        if (entrances->at[i].opening->listen != listen)
            continue;
        print_text(printing, entrances->at[i].bound.text, any);
        bound = true;
    }
    endpoint_format_ports(&listen->written, listen->port_count, text);
    if (!bound)
        print_text(printing, text, any);
}

static void print_route(struct printing *printing, const struct route *route,
                        const struct entrances *entrances)
{
    struct route_uses *uses = (struct route_uses *)&printing->service->uses.routes;
    const struct added_route *added = find_added(&printing->service->added, route->name);
    FILE *stream = printing->stream;
    char text[ENDPOINT_TEXT_BYTES];
    bool any = false;

    if (printing->only && !find_added(printing->only, route->name))
        return;
    struct route_use *use = route_use_find(uses, route->name);
    fputs(printing->any ? ",\n  {\"name\": " : "\n  {\"name\": ", stream);
    printing->any = true;
    admin_print_string(stream, route->name);
    fprintf(stream, ", \"origin\": \"%s\", \"template\": %s, \"drained\": %s, \"sessions\": %u",
            added || printing->only ? "run-time"
            : route->file           ? "file"
                                    : "command-line",
            entrances ? "false" : "true", use && atomic_load(&use->drained) ? "true" : "false",
            use ? atomic_load(&use->sessions) : 0);
    fputs(", \"listen\": [", stream);
    for (size_t i = 0; i < route->listen_count; i++)
        print_listen(printing, &route->listens[i], entrances, &any);
    any = false;
    fputs("], \"targets\": [", stream);
    for (size_t i = 0; i < route->target_count; i++) {
        const struct route_target *target = &route->targets[i];
        endpoint_format_ports(&target->written, target->port_count, text);
        print_text(printing, text, &any);
    }
    fputs("]}", stream);
    route_use_put(use);
}

static void print_config(void *argument, const struct config *config,
                         const struct entrances *entrances)
{
    struct printing *printing = argument;

    for (size_t i = 0; i < config->route_count; i++)
        print_route(printing, &config->routes[i], entrances);
    for (size_t i = 0; i < config->template_count; i++)
        print_route(printing, &config->routes[config->route_count + i], NULL);
}

static void print(struct printing *printing)
{
    const struct service *service = printing->service;

    fputs("{\"routes\": [", printing->stream);
    print_config(printing, service->config, &service->entrances);
    if (service->guest_routes)
        guest_routes_visit(service->guest_routes, print_config, printing);
    fputs(printing->any ? "\n]}\n" : "]}\n", printing->stream);
}

void service_routes_print(const struct service *service, FILE *stream)
{
    print(&(struct printing){.service = service, .stream = stream});
}

void service_routes_print_added(const struct service *service, const struct added_routes *added,
                                FILE *stream)
{
    print(&(struct printing){.service = service, .only = added, .stream = stream});
}

/* Routes that stand for one of each guest: what a guest makes of them. */
#include "config/draft.h"

#include "config/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool route_is_template(const struct route *route)
{
    for (size_t i = 0; i < route->target_count; i++) {
        if (endpoint_names_each(&route->targets[i].written))
            return true;
    }
    for (size_t i = 0; i < route->listen_count; i++) {
        if (endpoint_names_each(&route->listens[i].written))
            return true;
    }
    return false;
}

/* Not NULL, though it may hold none. NULL: out of memory. */
static void *array_copy(const void *array, size_t count, size_t element_bytes)
{
    void *copy = reallocarray(NULL, count + 1, element_bytes);

    if (copy && count > 0)
        memcpy(copy, array, count * element_bytes);
    return copy;
}

/* A copy with arrays of its own; NULL: out of memory. */
static struct route *route_copy(struct draft *draft, const struct route *from, const char *name)
{
    struct route *route = draft_route_add(draft, name);

    if (!route)
        return NULL;
    char *own_name = route->name;
    *route = *from;
    route->name = own_name;
    route->listens = array_copy(from->listens, from->listen_count, sizeof(*from->listens));
    route->targets = array_copy(from->targets, from->target_count, sizeof(*from->targets));
    route->ports = array_copy(from->ports, from->port_range_count, sizeof(*from->ports));
    route->allow.rules =
        array_copy(from->allow.rules, from->allow.count, sizeof(*from->allow.rules));
    route->deny.rules = array_copy(from->deny.rules, from->deny.count, sizeof(*from->deny.rules));
    route->check.send.bytes = array_copy(from->check.send.bytes, from->check.send.length, 1);
    route->check.expect.bytes = array_copy(from->check.expect.bytes, from->check.expect.length, 1);
    if (!route->listens || !route->targets || !route->check.send.bytes ||
        !route->check.expect.bytes || !route->ports || !route->allow.rules || !route->deny.rules) {
        route->listen_count = 0;
        route->target_count = 0;
        draft->exhausted = true;
        return NULL;
    }
    return route;
}

static bool name_guest(struct draft *draft, const struct place *place, struct endpoint *endpoint,
                       const char *guest_name)
{
    char text[ENDPOINT_TEXT_BYTES];

    if (endpoint_name_one(endpoint, guest_name) == 0)
        return true;
    endpoint_format(endpoint, text);
    draft_problem(draft, place,
                  "'%s' is too long for guest '%s'; the path of a Unix socket has at most %d bytes",
                  text, guest_name, ENDPOINT_UNIX_PATH_BYTES - 1);
    return false;
}

/* A guest that is a target by `{name}` and by its name besides is one target. */
static bool name_targets(struct draft *draft, const struct place *place, struct route *route,
                         const char *guest_name)
{
    size_t count = 0;

    for (size_t i = 0; i < route->target_count; i++) {
        struct route_target *target = &route->targets[i];
        size_t same = 0;
        if (!name_guest(draft, place, &target->written, guest_name))
            return false;
        target->resolved = target->written;
        while (same < count && !endpoint_equal(&route->targets[same].written, &target->written))
            same++;
        if (same == count)
            route->targets[count++] = *target;
    }
    route->target_count = count;
    return true;
}

struct route *draft_route_of_guest(struct draft *draft, const struct place *place,
                                   const struct route *template, const char *guest_name)
{
    const struct route from = *template;
    char name[ENDPOINT_TEXT_BYTES + NAME_BYTES_MAX + 2];

    snprintf(name, sizeof(name), "%s@%s", from.name, guest_name);
    struct route *route = route_copy(draft, &from, name);
    if (!route)
        return NULL;
    bool named = name_targets(draft, place, route, guest_name);
    for (size_t i = 0; i < route->listen_count && named; i++) {
        named = name_guest(draft, place, &route->listens[i].written, guest_name);
        route->listens[i].resolved = route->listens[i].written;
    }
    return named ? route : NULL;
}

bool draft_guest_of_each(struct draft *draft, const struct guest *each, const char *name)
{
    const struct guest from = *each; /* which may move */
    struct guest *guest = draft_guest_add(draft, name);

    if (!guest)
        return false;
    char *own_name = guest->name;
    *guest = from;
    guest->name = own_name;
    if (endpoint_name_one(&guest->address, name) == 0)
        return true;
    draft_problem(draft, &(struct place){.file = from.file, .line = from.line},
                  "the path of guest '%s' is longer than that of a Unix socket may be", name);
    return false;
}

static bool routes_add(struct draft *draft, const struct config *parent, const char *name)
{
    const struct route *templates = &parent->routes[parent->route_count];

    for (size_t i = 0; i < parent->template_count; i++) {
        const struct route *from = &templates[i];
        struct section section = {
            .kind = SECTION_ROUTE,
            .place = {from->file, from->line, from->file ? NULL : from->name},
        };
        struct route *route = draft_route_of_guest(draft, &section.place, from, name);
        if (!route)
            return false;
        draft_route_resolve(draft, &section, route);
    }
    return true;
}

struct config *config_of_guest(struct config *config, const char *name, struct problems *problems)
{
    struct config *ret = calloc(1, sizeof(*ret));
    struct draft draft = {.config = ret, .problems = problems};
    size_t known = problems->count;

    if (!ret)
        return NULL;
    ret->references = 1;
    ret->parent = config_ref(config);
    if (draft_guest_of_each(&draft, config->guest_each, name) && routes_add(&draft, config, name) &&
        problems->count == known)
        return ret;
    config_free(ret);
    return NULL;
}

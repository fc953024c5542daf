/* Growing a configuration, and telling of its mistakes. */
#include "config/draft.h"

#include "config/defaults.h"
#include "vsock/vsock.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void *array_grow(void *array, size_t count, size_t element_bytes)
{
    size_t room = count < 4 ? 4 : 2 * count;

    if (count != 0 && (count < 4 || (count & (count - 1)) != 0))
        return array; /* room is a power of two, and not used up */
    return reallocarray(array, room, element_bytes);
}

struct section *draft_section_add(struct draft *draft, enum section_kind kind,
                                  const struct place *place)
{
    struct section *sections =
        array_grow(draft->sections, draft->section_count, sizeof(*draft->sections));

    if (!sections) {
        draft->exhausted = true;
        return NULL;
    }
    draft->sections = sections;
    struct section *section = &sections[draft->section_count++];
    *section = (struct section){.kind = kind, .place = *place};
    return section;
}

struct guest *draft_guest_add(struct draft *draft, const char *name)
{
    struct config *config = draft->config;
    struct guest *guests = array_grow(config->guests, config->guest_count, sizeof(*guests));
    char *copy = strdup(name);

    if (guests)
        config->guests = guests;
    if (!guests || !copy) {
        draft->exhausted = true;
        free(copy);
        return NULL;
    }
    struct guest *guest = &guests[config->guest_count++];
    *guest = (struct guest){
        .name = copy,
        .address = {.fd = -1},
        .vmm = GUEST_VMM_AUTO,
        .sessions_max = GUEST_SESSIONS_AUTO,
        .file = draft->place.file,
        .line = draft->place.line,
    };
    return guest;
}

struct route *draft_route_add(struct draft *draft, const char *name)
{
    struct config *config = draft->config;
    struct route *routes = array_grow(config->routes, config->route_count, sizeof(*routes));
    char *copy = strdup(name);

    if (routes)
        config->routes = routes;
    if (!routes || !copy) {
        draft->exhausted = true;
        free(copy);
        return NULL;
    }
    struct route *route = &routes[config->route_count++];
    *route = (struct route){
        .name = copy,
        .retries = ROUTE_RETRIES_ALL,
        .fail_max = DEFAULT_FAIL_MAX,
        .fail_ns = DEFAULT_FAIL_NS,
        .check = {.interval_ns = DEFAULT_CHECK_INTERVAL_NS,
                  .timeout_ns = DEFAULT_CHECK_TIMEOUT_NS,
                  .rise = DEFAULT_CHECK_RISE,
                  .fall = DEFAULT_CHECK_FALL},
        .wait_phases = GUEST_PHASES,
        .wait_max = DEFAULT_WAIT_MAX,
        .guest_probe_ns = DEFAULT_GUEST_PROBE_NS,
        .keepalive_ns = DEFAULT_KEEPALIVE_NS,
        .backlog = DEFAULT_BACKLOG,
        .mode = -1,
        .owner_uid = (uid_t)-1,
        .owner_gid = (gid_t)-1,
        .file = draft->place.file,
        .line = draft->place.line,
    };
    return route;
}

void draft_listens_add(struct draft *draft, struct route *route, const struct endpoint *endpoint,
                       uint32_t port_count)
{
    for (uint32_t i = 0; i < port_count; i++) {
        struct route_listen *listens =
            array_grow(route->listens, route->listen_count, sizeof(*listens));
        if (!listens) {
            draft->exhausted = true;
            return;
        }
        route->listens = listens;
        struct route_listen *listen = &listens[route->listen_count++];
        *listen = (struct route_listen){
            .written = *endpoint,
            .peer_cid = VSOCK_CID_ANY,
            .port_offset = i,
            .port_count = port_count,
            .line = draft->place.line,
        };
        if (port_count > 1)
            listen->written.port += i;
        listen->resolved = listen->written;
    }
}

void draft_target_add(struct draft *draft, struct route *route, const struct endpoint *endpoint,
                      uint32_t port_count)
{
    struct route_target *targets =
        array_grow(route->targets, route->target_count, sizeof(*targets));

    if (!targets) {
        draft->exhausted = true;
        return;
    }
    route->targets = targets;
    targets[route->target_count++] = (struct route_target){
        .written = *endpoint,
        .resolved = *endpoint,
        .port_count = port_count,
        .line = draft->place.line,
    };
}

struct guest *draft_guest(const struct draft *draft)
{
    return &draft->config->guests[draft->current->index];
}

struct route *draft_route(const struct draft *draft)
{
    return &draft->config->routes[draft->current->index];
}

void draft_problem(const struct draft *draft, const struct place *place, const char *format, ...)
{
    char *sentence = NULL;
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vasprintf(&sentence, format, arguments);
    va_end(arguments);
    if (length < 0)
        sentence = NULL;
    if (place->argument)
        problems_add(draft->problems, NULL, place->line, "'%s': %s", place->argument,
                     sentence ? sentence : "");
    else
        problems_add(draft->problems, place->file, place->line, "%s", sentence ? sentence : "");
    free(sentence);
}

const char *place_format(const struct place *place, char text[static PLACE_TEXT_BYTES])
{
    if (place->argument)
        snprintf(text, PLACE_TEXT_BYTES, "'%s'", place->argument);
    else
        snprintf(text, PLACE_TEXT_BYTES, "%s:%u", place->file, place->line);
    return text;
}

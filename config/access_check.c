/* The words of `allow` and `deny`, against the listeners of their route. */
#include "config/draft.h"

static const struct {
    const char *what;
    const char *listeners;
} forms[] = {
    [ACCESS_ADDRESS] = {"an address", "'tcp:' listeners"},
    [ACCESS_UID] = {"a user", "listeners with a Unix socket, 'unix:', 'mux:' or 'vsock-mux:'"},
    [ACCESS_GID] = {"a group", "listeners with a Unix socket, 'unix:', 'mux:' or 'vsock-mux:'"},
    [ACCESS_CID] = {"a CID", "'vsock:' listeners"},
};

/* May what connects there be of that transport? A socket that is inherited is of any; a guest that
 * is not known yet has a CID or a Unix socket. */
static bool may_bring(const struct route_listen *listen, enum transport transport)
{
    switch (listen->resolved.kind) {
    case ENDPOINT_TCP: return transport == TRANSPORT_TCP;
    case ENDPOINT_VSOCK: return transport == TRANSPORT_VSOCK;
    case ENDPOINT_UNIX:
    case ENDPOINT_MUX:
    case ENDPOINT_VSOCK_MUX: return transport == TRANSPORT_UNIX;
    case ENDPOINT_GUEST: return transport != TRANSPORT_TCP;
    default: return true;
    }
}

static bool is_for_any(const struct route *route, const struct access_rule *rule)
{
    for (size_t i = 0; i < route->listen_count; i++) {
        if (may_bring(&route->listens[i], access_transport(rule)))
            return true;
    }
    return route->listen_count == 0;
}

static void list_check(const struct draft *draft, const struct section *section,
                       const struct route *route, const struct access_list *list)
{
    struct place place = section->place;
    char text[ACCESS_TEXT_BYTES];

    for (size_t i = 0; i < list->count; i++) {
        const struct access_rule *rule = &list->rules[i];
        if (is_for_any(route, rule))
            continue;
        place.line = rule->line;
        access_format(rule, text);
        draft_problem(draft, &place,
                      "'%s' is %s, which is for %s, and this route has none; remove it", text,
                      forms[rule->kind].what, forms[rule->kind].listeners);
    }
}

void access_check(const struct draft *draft, const struct section *section,
                  const struct route *route)
{
    list_check(draft, section, route, &route->allow);
    list_check(draft, section, route, &route->deny);
}

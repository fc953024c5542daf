/* What happens at a limit, against the listeners of the route. */
#include "config/draft.h"

/* One for each guest does where it is for a VMM's. */
static bool lets_nobody_wait(const struct draft *draft, const struct route_listen *listen)
{
    const struct config *config = draft->config;

    if (listen->written.kind != ENDPOINT_GUEST || !endpoint_names_each(&listen->written))
        return listen->resolved.kind == ENDPOINT_VSOCK_MUX;
    for (size_t i = 0; i < config->guest_count; i++)
        if (config->guests[i].address.kind == ENDPOINT_VSOCK_MUX)
            return true;
    return false;
}

void limit_check(const struct draft *draft, const struct section *section,
                 const struct route *route)
{
    struct place place = section->place;
    char text[ENDPOINT_TEXT_BYTES];

    place.line = section->key_lines[KEY_AT_LIMIT];
    for (size_t i = 0; i < route->listen_count && route->waits_at_limit; i++) {
        const struct route_listen *listen = &route->listens[i];
        if (!lets_nobody_wait(draft, listen))
            continue;
        endpoint_format(&listen->written, text);
        draft_problem(draft, &place,
                      "'%s' lets nobody wait: the VMM would stand still, with its whole guest; "
                      "write 'at-limit = refuse', or give it a route of its own",
                      text);
        return;
    }
}

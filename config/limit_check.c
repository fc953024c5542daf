/* What happens at a limit, against the listeners of the route. */
#include "config/draft.h"

void limit_check(const struct draft *draft, const struct section *section,
                 const struct route *route)
{
    struct place place = section->place;
    char text[ENDPOINT_TEXT_BYTES];

    place.line = section->key_lines[KEY_AT_LIMIT];
    for (size_t i = 0; i < route->listen_count && route->waits_at_limit; i++) {
        const struct route_listen *listen = &route->listens[i];
        if (listen->resolved.kind != ENDPOINT_VSOCK_MUX)
            continue;
        endpoint_format(&listen->written, text);
        draft_problem(draft, &place,
                      "'%s' lets nobody wait: the VMM would stand still, with its whole guest; "
                      "write 'at-limit = refuse', or give it a route of its own",
                      text);
        return;
    }
}

/* What can only be said when all is read: which guest a name means, what is missing, what excludes
 * each other, what claims one address.
 */
#include "config/draft.h"

#include "config/name.h"
#include "vsock/vsock.h"

#include <stdlib.h>
#include <string.h>

/* The place of a key that the section has. */
static struct place key_place(const struct section *section, enum key_id key)
{
    struct place place = section->place;

    place.line = section->key_lines[key];
    return place;
}

static struct place listen_place(const struct section *section, const struct route_listen *listen)
{
    struct place place = section->place;

    place.line = listen->line;
    return place;
}

/* The address of a guest whose own could not be read is of no kind that a guest has. */
static bool has_address(const struct guest *guest)
{
    return guest->address.kind == ENDPOINT_VSOCK || guest->address.kind == ENDPOINT_VSOCK_MUX ||
           guest->address.kind == ENDPOINT_MACHINE;
}

static void vmm_check(const struct draft *draft, const struct section *section,
                      const struct guest *guest)
{
    struct place place = key_place(section, KEY_VMM);

    if (guest->vmm == GUEST_VMM_AUTO || !has_address(guest))
        return;
    bool is_mux = guest->address.kind == ENDPOINT_VSOCK_MUX;
    if (guest->vmm == GUEST_VMM_KERNEL && is_mux)
        draft_problem(draft, &place,
                      "'kernel' needs an address 'vsock:CID', and this guest's is a vsock-mux; "
                      "name its VMM, or 'auto'");
    if (guest->vmm != GUEST_VMM_KERNEL && !is_mux)
        draft_problem(draft, &place,
                      "only 'kernel' or 'auto' goes with %s; other VMMs need 'vsock-mux:/PATH'",
                      guest->address.kind == ENDPOINT_MACHINE ? "'machine'"
                                                              : "an address 'vsock:CID'");
}

/* What is missing is no mistake of its own: it was not read, or stands in the section that came
 * first. */
static bool may_lack(const struct section *section)
{
    return section->lost || section->duplicate;
}

/* Has a path the name of a guest in it, with more behind it? What has nothing there, or a number,
 * would be met by PATH_PORT too, where the guest's own listeners are. */
static bool path_tells_name(const char *path)
{
    const char *name = strstr(path, ENDPOINT_GUEST_NAME);
    const char *rest = name ? name + strlen(ENDPOINT_GUEST_NAME) : "";

    return rest[strspn(rest, "_0123456789")] != '\0';
}

/* The socket of a guest is found by its path: by what stands before and behind its name. */
static void each_check(const struct draft *draft, const struct section *section,
                       const struct guest *guest)
{
    enum key_id key = section->key_lines[KEY_ADDRESS] ? KEY_ADDRESS : KEY_MACHINE;
    struct place place = key_place(section, key);
    struct place vmm = key_place(section, KEY_VMM);

    if (!place.line || !has_address(guest))
        return;
    if (guest->vmm == GUEST_VMM_LIBKRUN)
        draft_problem(
            draft, &vmm,
            "the guests of [guest *] are found by their sockets, and libkrun has none but "
            "those of its ports; name each of these guests, [guest NAME]");
    if (guest->address.kind != ENDPOINT_VSOCK_MUX || !path_tells_name(guest->address.name))
        draft_problem(draft, &place,
                      "the guests of [guest *] are found by their sockets; give it an address with "
                      "'{name}' and more behind it, such as 'vsock-mux:/run/vms/{name}/v.sock'");
}

static void guest_check(const struct draft *draft, const struct section *section)
{
    const struct guest *guest = &draft->config->guests[section->index];
    struct place machine = key_place(section, KEY_MACHINE);

    if (section->key_lines[KEY_ADDRESS] && machine.line)
        draft_problem(draft, &machine,
                      "this guest has an 'address' too; its CID is asked for by name or given, "
                      "remove one of the two");
    else if (!section->key_lines[KEY_ADDRESS] && !machine.line && !may_lack(section))
        draft_problem(draft, &section->place,
                      "this guest has no 'address'; add one, such as 'address = vsock:3'");
    vmm_check(draft, section, guest);
    if (strcmp(guest->name, GUEST_EACH) == 0)
        each_check(draft, section, guest);
}

static void guest_missing(const struct draft *draft, const char *name, const struct place *place)
{
    const struct config *config = draft->config;
    struct name_search search;

    name_search_init(&search, name);
    for (size_t i = 0; i < config->guest_count; i++)
        name_search_offer(&search, config->guests[i].name);
    if (search.best)
        draft_problem(draft, place, "there is no guest '%s'; did you mean '%s'?", name,
                      search.best);
    else
        draft_problem(draft, place, "there is no guest '%s'; add a section [guest %s]", name, name);
}

/* The guest that an endpoint names. NULL: there is none, and a problem was added. */
static const struct guest *guest_find(const struct draft *draft, const struct endpoint *endpoint,
                                      const struct place *place)
{
    for (const struct config *config = draft->config; config; config = config->parent) {
        for (size_t i = 0; i < config->guest_count; i++) {
            if (strcmp(config->guests[i].name, endpoint->name) == 0)
                return &config->guests[i];
        }
    }
    guest_missing(draft, endpoint->name, place);
    return NULL;
}

/* Where a vsock-mux has a Unix socket for a port, PATH_PORT: is that a path? */
static bool mux_port_fits(const struct draft *draft, const struct place *place, const char *verb,
                          const struct endpoint *written, const struct endpoint *mux)
{
    char text[ENDPOINT_TEXT_BYTES];
    size_t length = (size_t)snprintf(NULL, 0, "%s_%u", mux->name, mux->port);

    endpoint_format(written, text);
    if (mux->port == 0)
        draft_problem(draft, place,
                      "'%s' needs a port: what a vsock-mux guest dials is a number from 1", text);
    else if (length >= ENDPOINT_UNIX_PATH_BYTES)
        draft_problem(draft, place,
                      "'%s' %s '%s_%u', of %zu bytes; the path of a Unix socket has at most %d",
                      text, verb, mux->name, mux->port, length, ENDPOINT_UNIX_PATH_BYTES - 1);
    else
        return true;
    return false;
}

/* libkrun has a Unix socket for each port of the guest, and no handshake. */
static void target_of_libkrun(const struct draft *draft, const struct place *place,
                              struct route *route)
{
    struct endpoint mux = route->target_resolved;

    if (mux.port == ENDPOINT_PORT_NAMED || route->target_port_count > 1) {
        draft_problem(draft, place,
                      "libkrun has a socket for each port, which is to be named here; give one "
                      "port");
        return;
    }
    if (!mux_port_fits(draft, place, "connects to", &route->target, &mux))
        return;
    route->target_resolved = (struct endpoint){.kind = ENDPOINT_UNIX, .fd = -1};
    snprintf(route->target_resolved.name, sizeof(route->target_resolved.name), "%.*s_%u",
             ENDPOINT_UNIX_PATH_BYTES - 1, mux.name, mux.port);
}

static void target_resolve(const struct draft *draft, const struct section *section,
                           struct route *route)
{
    struct place place = key_place(section, KEY_TARGET);

    if (route->target.kind != ENDPOINT_GUEST)
        return;
    route->guest = guest_find(draft, &route->target, &place);
    if (route->guest && has_address(route->guest)) {
        route->target_resolved = route->guest->address;
        route->target_resolved.port = route->target.port;
        if (route->guest->vmm == GUEST_VMM_LIBKRUN)
            target_of_libkrun(draft, &place, route);
    }
}

static void listen_of_guest_resolve(const struct draft *draft, const struct place *place,
                                    struct route_listen *listen)
{
    const struct guest *guest = guest_find(draft, &listen->written, place);

    if (!guest || !has_address(guest))
        return;
    if (guest->address.kind == ENDPOINT_MACHINE) {
        draft_problem(draft, place,
                      "guest '%s' is known by 'machine', which is for targets; to listen for it, "
                      "give it an address 'vsock:CID'",
                      guest->name);
        return;
    }
    listen->guest = guest;
    listen->resolved = guest->address;
    listen->resolved.port = listen->written.port;
    if (guest->address.kind == ENDPOINT_VSOCK) {
        listen->resolved.cid = VSOCK_CID_ANY;
        listen->peer_cid = guest->address.cid;
    }
}

static void listen_resolve(const struct draft *draft, const struct section *section,
                           struct route_listen *listen)
{
    struct place place = listen_place(section, listen);
    bool is_longest = listen->port_offset + 1 == listen->port_count;

    if (listen->written.kind == ENDPOINT_GUEST)
        listen_of_guest_resolve(draft, &place, listen);
    if (listen->resolved.kind == ENDPOINT_VSOCK_MUX && is_longest)
        mux_port_fits(draft, &place, "binds", &listen->written, &listen->resolved);
}

/* Does the listener make a file? One that could not be resolved might. */
static bool may_have_file(const struct route_listen *listen)
{
    return listen->resolved.kind == ENDPOINT_GUEST || endpoint_has_file(&listen->resolved);
}

static void file_key_check(const struct draft *draft, const struct section *section,
                           enum key_id key, const char *name)
{
    const struct route *route = &draft->config->routes[section->index];
    struct place place = key_place(section, key);

    if (!place.line || route->listen_count == 0)
        return;
    for (size_t i = 0; i < route->listen_count; i++) {
        if (may_have_file(&route->listens[i]))
            return;
    }
    draft_problem(
        draft, &place,
        "'%s' is for listeners with a path, unix:/PATH, mux:/PATH or vsock-mux:/PATH:PORT, "
        "and this route has none; remove it",
        name);
}

/* One that was read. */
static bool has_target(const struct route *route)
{
    return route->target.name[0] || route->target.port;
}

static bool is_in_guest(const struct route *route)
{
    return route->target.kind == ENDPOINT_GUEST || route->target.kind == ENDPOINT_VSOCK ||
           route->target.kind == ENDPOINT_VSOCK_MUX || route->target.kind == ENDPOINT_MACHINE;
}

static void wait_check(const struct draft *draft, const struct section *section,
                       const struct route *route)
{
    struct place place = key_place(section, KEY_WAIT_FOR_GUEST);

    if (place.line && has_target(route) && !is_in_guest(route))
        draft_problem(draft, &place,
                      "'wait-for-guest' is for a target in a guest, guest:, vsock:, vsock-mux: or "
                      "machine:, and this route's is none; remove it");
}

static bool is_mux(const struct route_listen *listen)
{
    return listen->written.kind == ENDPOINT_MUX;
}

/* The port to connect to, of all that is accepted there. */
static void listen_port_set(const struct draft *draft, const struct section *section,
                            struct route *route, struct route_listen *listen)
{
    struct place place = listen_place(section, listen);
    bool named = route->target.port == ENDPOINT_PORT_NAMED && endpoint_has_port(&route->target);
    bool first = listen->port_offset == 0;
    char text[ENDPOINT_TEXT_BYTES];

    listen->target_port = route->target.port;
    if (!has_target(route))
        return;
    endpoint_format_ports(&listen->written, listen->port_count, text);
    if (is_mux(listen) && !named)
        draft_problem(draft, &place,
                      "the initiators of a 'mux:' listener name the port; give the route a target "
                      "that leaves it to them, such as 'guest:NAME:*'");
    else if (named && !is_mux(listen))
        draft_problem(draft, &place,
                      "the target leaves the port to the initiator ('*'), and only those of a "
                      "'mux:' listener name one");
    else if (route->target_port_count > 1 && listen->port_count == route->target_port_count)
        listen->target_port += listen->port_offset;
    else if (route->target_port_count > 1 && first)
        draft_problem(draft, &place, "'%s' has %u port%s, and the target has %u; make them as many",
                      text, listen->port_count, listen->port_count == 1 ? "" : "s",
                      route->target_port_count);
}

static void ports_check(const struct draft *draft, const struct section *section,
                        const struct route *route)
{
    struct place place = key_place(section, KEY_PORTS);

    if (!place.line || route->listen_count == 0)
        return;
    for (size_t i = 0; i < route->listen_count; i++) {
        if (is_mux(&route->listens[i]))
            return;
    }
    draft_problem(draft, &place,
                  "'ports' is for 'mux:' listeners, whose initiators name the port, and this route "
                  "has none; remove it");
}

/* Listeners of several guests cannot have one address; their target may. */
static void template_check(const struct draft *draft, const struct section *section,
                           const struct route *route)
{
    struct place target = key_place(section, KEY_TARGET);
    char text[ENDPOINT_TEXT_BYTES];

    if (route->target.kind == ENDPOINT_GUEST && !endpoint_names_each(&route->target))
        guest_find(draft, &route->target, &target);

    for (size_t i = 0; i < route->listen_count; i++) {
        const struct route_listen *listen = &route->listens[i];
        struct place place = listen_place(section, listen);
        endpoint_format_ports(&listen->written, listen->port_count, text);
        if (listen->port_offset == 0 && !endpoint_names_each(&listen->written))
            draft_problem(draft, &place,
                          "'%s' would be the same for every guest of this route; put '{name}' into "
                          "its path",
                          text);
    }
    if (draft->config->guest_count == 0)
        draft_problem(draft, &section->place,
                      "this route is for each guest ('{name}'), and there is none; add a section "
                      "[guest *] or [guest NAME]");
}

void draft_route_resolve(const struct draft *draft, const struct section *section,
                         struct route *route)
{
    target_resolve(draft, section, route);
    for (size_t i = 0; i < route->listen_count; i++)
        listen_resolve(draft, section, &route->listens[i]);
}

static void route_check(const struct draft *draft, const struct section *section)
{
    struct route *route = &draft->config->routes[section->index];

    if (!section->key_lines[KEY_LISTEN] && !may_lack(section))
        draft_problem(draft, &section->place,
                      "this route has no 'listen'; add one, such as 'listen = tcp:127.0.0.1:8080'");
    if (!section->key_lines[KEY_TARGET] && !may_lack(section))
        draft_problem(draft, &section->place,
                      "this route has no 'target'; add one, such as 'target = vsock:3:80'");
    route->target_resolved = route->target;
    if (route_is_template(route))
        template_check(draft, section, route);
    for (size_t i = 0; i < route->listen_count; i++)
        listen_port_set(draft, section, route, &route->listens[i]);
    ports_check(draft, section, route);
    wait_check(draft, section, route);
    file_key_check(draft, section, KEY_MODE, "mode");
    file_key_check(draft, section, KEY_OWNER, "owner");
    if (route->connect_timeout_ns == 0)
        route->connect_timeout_ns = draft->connect_timeout_ns;
    if (!section->key_lines[KEY_ACCESS_LOG])
        route->access_log = draft->access_log;
}

/* A listen endpoint and who has it. */
struct claim {
    const struct section *section;
    const struct route *route;
    const struct route_listen *listen;
};

/* All of them in the order of reading. NULL with a count: out of memory. */
static struct claim *claims_new(const struct draft *draft, size_t *ret_count)
{
    const struct config *config = draft->config;
    struct claim *claims;
    size_t count = 0;

    for (size_t i = 0; i < config->route_count; i++)
        count += config->routes[i].listen_count;
    *ret_count = count;
    claims = count ? reallocarray(NULL, count, sizeof(*claims)) : NULL;
    if (!claims)
        return NULL;

    *ret_count = 0;
    for (size_t i = 0; i < draft->section_count; i++) {
        const struct section *section = &draft->sections[i];
        if (section->kind != SECTION_ROUTE || section->duplicate)
            continue;
        const struct route *route = &config->routes[section->index];
        if (route_is_template(route))
            continue;
        for (size_t j = 0; j < route->listen_count; j++)
            claims[(*ret_count)++] = (struct claim){section, route, &route->listens[j]};
    }
    return claims;
}

static void collision_report(const struct draft *draft, const struct claim *first,
                             const struct claim *second)
{
    struct place place = listen_place(second->section, second->listen);
    struct place place_first = listen_place(first->section, first->listen);
    char text[ENDPOINT_PAIR_TEXT_BYTES];
    char text_first[ENDPOINT_PAIR_TEXT_BYTES];
    char place_text[PLACE_TEXT_BYTES];

    endpoint_pair_format(&second->listen->written, &second->listen->resolved, 1, text);
    endpoint_pair_format(&first->listen->written, &first->listen->resolved, 1, text_first);
    draft_problem(draft, &place,
                  "'%s' is claimed already by '%s' of route '%s' at %s; choose another address",
                  text, text_first, first->route->name, place_format(&place_first, place_text));
}

/* Reports each entry of a list that claims what an earlier one has; once, whatever its ports. */
static void collisions_check(struct draft *draft)
{
    size_t count;
    struct claim *claims = claims_new(draft, &count);

    if (!claims) {
        draft->exhausted |= count > 0;
        return;
    }
    for (size_t i = 1; i < count; i++) {
        const struct route_listen *listen = claims[i].listen;
        for (size_t j = 0; j < i; j++) {
            if (endpoint_collides(&listen->resolved, &claims[j].listen->resolved)) {
                collision_report(draft, &claims[j], &claims[i]);
                i += listen->port_count - 1 - listen->port_offset;
                break;
            }
        }
    }
    free(claims);
}

/* What one guest makes of the template of a section. */
static void template_expand(struct draft *draft, size_t section_index, const char *guest_name)
{
    struct section section = draft->sections[section_index];
    size_t index = draft->config->route_count;

    if (!draft_route_of_guest(draft, &section.place, &draft->config->routes[section.index],
                              guest_name))
        return;
    section.index = index;
    struct section *added = draft_section_add(draft, SECTION_ROUTE, &section.place);
    if (added)
        *added = section;
}

/* For the guests that are named. */
static void templates_expand(struct draft *draft)
{
    size_t count = draft->section_count;

    for (size_t i = 0; i < count; i++) {
        const struct section *section = &draft->sections[i];
        if (section->kind != SECTION_ROUTE ||
            !route_is_template(&draft->config->routes[section->index]))
            continue;
        for (size_t g = 0; g < draft->config->guest_count; g++) {
            const char *name = draft->config->guests[g].name;
            if (name_valid(name, strlen(name)))
                template_expand(draft, i, name);
        }
    }
}

/* Behind all other routes, in their order. */
static void templates_set_aside(struct draft *draft)
{
    struct config *config = draft->config;
    struct route *templates = reallocarray(NULL, config->route_count + 1, sizeof(*templates));
    size_t kept = 0;

    if (!templates) {
        draft->exhausted = true;
        return;
    }
    for (size_t i = 0; i < config->route_count; i++) {
        if (route_is_template(&config->routes[i]))
            templates[config->template_count++] = config->routes[i];
        else
            config->routes[kept++] = config->routes[i];
    }
    if (config->template_count > 0)
        memcpy(&config->routes[kept], templates, config->template_count * sizeof(*templates));
    config->route_count -= config->template_count;
    free(templates);
}

/* One that the command line names needs no section where there is [guest *]: its socket is where
 * that says. */
static void guest_of_each_add(struct draft *draft, const char *name)
{
    const struct config *config = draft->config;
    const struct guest *each = NULL;

    for (size_t i = 0; i < config->guest_count; i++) {
        if (strcmp(config->guests[i].name, name) == 0)
            return;
        if (strcmp(config->guests[i].name, GUEST_EACH) == 0)
            each = &config->guests[i];
    }
    if (each)
        draft_guest_of_each(draft, each, name);
}

static void guests_of_arguments_add(struct draft *draft)
{
    for (size_t i = 0; i < draft->section_count; i++) {
        const struct section *section = &draft->sections[i];
        if (section->kind != SECTION_ROUTE || !section->place.argument)
            continue;
        const struct route *route = &draft->config->routes[section->index];
        draft->place = section->place;
        if (route->target.kind == ENDPOINT_GUEST && !endpoint_names_each(&route->target))
            guest_of_each_add(draft, route->target.name);
    }
}

void draft_check(struct draft *draft)
{
    struct config *config = draft->config;

    guests_of_arguments_add(draft);
    for (size_t i = 0; i < draft->section_count; i++) {
        const struct section *section = &draft->sections[i];
        if (section->kind == SECTION_GUEST)
            guest_check(draft, section);
        if (section->kind == SECTION_ROUTE)
            route_check(draft, section);
    }
    size_t written = draft->section_count;
    templates_expand(draft);
    for (size_t i = 0; i < draft->section_count; i++) {
        const struct section *section = &draft->sections[i];
        if (section->kind != SECTION_ROUTE)
            continue;
        struct route *route = &config->routes[section->index];
        if (!route_is_template(route))
            draft_route_resolve(draft, section, route);
        if (i < written)
            access_check(draft, section, route);
    }
    collisions_check(draft);
    templates_set_aside(draft);
    for (size_t i = 0; i < config->guest_count; i++) {
        if (strcmp(config->guests[i].name, GUEST_EACH) == 0)
            config->guest_each = &config->guests[i];
    }
}

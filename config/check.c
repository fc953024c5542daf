/* What can only be said when all is read: which guest a name means, what is missing, what excludes
 * each other, what claims one address.
 */
#include "config/check.h"

#include "config/name.h"
#include "vsock/vsock.h"

#include <stdlib.h>
#include <string.h>

struct place section_key_place(const struct section *section, enum key_id key)
{
    struct place place = section->place;

    place.line = section->key_lines[key];
    return place;
}

struct place section_listen_place(const struct section *section, const struct route_listen *listen)
{
    struct place place = section->place;

    place.line = listen->line;
    return place;
}

struct place section_target_place(const struct section *section, const struct route_target *target)
{
    struct place place = section->place;

    place.line = target->line;
    return place;
}

bool guest_has_address(const struct guest *guest)
{
    return guest->address.kind == ENDPOINT_VSOCK || guest->address.kind == ENDPOINT_VSOCK_MUX ||
           guest->address.kind == ENDPOINT_MACHINE;
}

bool listen_is_mux(const struct route_listen *listen)
{
    return listen->written.kind == ENDPOINT_MUX;
}

static void vmm_check(const struct draft *draft, const struct section *section,
                      const struct guest *guest)
{
    struct place place = section_key_place(section, KEY_VMM);

    if (guest->vmm == GUEST_VMM_AUTO || !guest_has_address(guest))
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
    struct place place = section_key_place(section, key);
    struct place vmm = section_key_place(section, KEY_VMM);

    if (!place.line || !guest_has_address(guest))
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
    struct place machine = section_key_place(section, KEY_MACHINE);

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

const struct guest *draft_guest_find(const struct draft *draft, const struct endpoint *endpoint,
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

bool draft_mux_port_fits(const struct draft *draft, const struct place *place, const char *verb,
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

static void listen_of_guest_resolve(const struct draft *draft, const struct place *place,
                                    struct route_listen *listen)
{
    const struct guest *guest = draft_guest_find(draft, &listen->written, place);

    if (!guest || !guest_has_address(guest))
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
    struct place place = section_listen_place(section, listen);
    bool is_longest = listen->port_offset + 1 == listen->port_count;

    if (listen->written.kind == ENDPOINT_GUEST)
        listen_of_guest_resolve(draft, &place, listen);
    if (listen->resolved.kind == ENDPOINT_VSOCK_MUX && is_longest)
        draft_mux_port_fits(draft, &place, "binds", &listen->written, &listen->resolved);
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
    struct place place = section_key_place(section, key);

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

static void ports_check(const struct draft *draft, const struct section *section,
                        const struct route *route)
{
    struct place place = section_key_place(section, KEY_PORTS);

    if (!place.line || route->listen_count == 0)
        return;
    for (size_t i = 0; i < route->listen_count; i++) {
        if (listen_is_mux(&route->listens[i]))
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
    char text[ENDPOINT_TEXT_BYTES];

    for (size_t i = 0; i < route->target_count; i++) {
        const struct route_target *target = &route->targets[i];
        struct place place = section_target_place(section, target);
        if (target->written.kind == ENDPOINT_GUEST && !endpoint_names_each(&target->written))
            draft_guest_find(draft, &target->written, &place);
    }
    for (size_t i = 0; i < route->listen_count; i++) {
        const struct route_listen *listen = &route->listens[i];
        struct place place = section_listen_place(section, listen);
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
    targets_resolve(draft, section, route);
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
    if (route_is_template(route))
        template_check(draft, section, route);
    targets_check(draft, section, route);
    ports_check(draft, section, route);
    file_key_check(draft, section, KEY_MODE, "mode");
    file_key_check(draft, section, KEY_OWNER, "owner");
    if (route->connect_timeout_ns == 0)
        route->connect_timeout_ns = draft->connect_timeout_ns;
    if (!section->key_lines[KEY_ACCESS_LOG])
        route->access_log = draft->access_log;
}

/* A listen endpoint and who has it. */
struct claim {
    uint64_t key; /* endpoint_claim() */
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
            claims[(*ret_count)++] = (struct claim){endpoint_claim(&route->listens[j].resolved),
                                                    section, route, &route->listens[j]};
    }
    return claims;
}

static void collision_report(const struct draft *draft, const struct claim *first,
                             const struct claim *second)
{
    struct place place = section_listen_place(second->section, second->listen);
    struct place place_first = section_listen_place(first->section, first->listen);
    char text[ENDPOINT_PAIR_TEXT_BYTES];
    char text_first[ENDPOINT_PAIR_TEXT_BYTES];
    char place_text[PLACE_TEXT_BYTES];

    endpoint_pair_format(&second->listen->written, &second->listen->resolved, 1, text);
    endpoint_pair_format(&first->listen->written, &first->listen->resolved, 1, text_first);
    draft_problem(draft, &place,
                  "'%s' is claimed already by '%s' of route '%s' at %s; choose another address",
                  text, text_first, first->route->name, place_format(&place_first, place_text));
}

static void admin_collision_report(const struct draft *draft, const struct claim *claim,
                                   const char *key, const char *value, const struct place *first)
{
    struct place place = section_listen_place(claim->section, claim->listen);
    char text[ENDPOINT_PAIR_TEXT_BYTES];
    char place_text[PLACE_TEXT_BYTES];

    endpoint_pair_format(&claim->listen->written, &claim->listen->resolved, 1, text);
    draft_problem(draft, &place,
                  "'%s' is claimed already by '%s = %s' at %s; choose another address", text, key,
                  value, place_format(first, place_text));
}

/* Whether a route's listener claims where operators ask; reports it. */
static bool admin_collides(const struct draft *draft, const struct claim *claim)
{
    const struct endpoint *listen = &claim->listen->resolved;
    const struct config *config = draft->config;
    struct endpoint socket = {.kind = ENDPOINT_UNIX};
    char text[ENDPOINT_TEXT_BYTES];

    if (config->admin_listen && endpoint_collides(listen, config->admin_listen)) {
        endpoint_format(config->admin_listen, text);
        admin_collision_report(draft, claim, "admin-listen", text, &draft->admin_listen);
        return true;
    }
    if (config->admin_path)
        memcpy(socket.name, config->admin_path, strlen(config->admin_path) + 1);
    if (!config->admin_path || !endpoint_collides(listen, &socket))
        return false;
    admin_collision_report(draft, claim, "admin-socket", config->admin_path, &draft->admin_socket);
    return true;
}

/* Whether it claims what an earlier one has; reports it. */
static bool route_collides(const struct draft *draft, const struct claim *claims, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (claims[index].key == claims[i].key &&
            endpoint_collides(&claims[index].listen->resolved, &claims[i].listen->resolved)) {
            collision_report(draft, &claims[i], &claims[index]);
            return true;
        }
    }
    return false;
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
    for (size_t i = 0; i < count; i++) {
        const struct route_listen *listen = claims[i].listen;
        if (admin_collides(draft, &claims[i]) || route_collides(draft, claims, i))
            i += listen->port_count - 1 - listen->port_offset;
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
        for (size_t t = 0; t < route->target_count; t++) {
            const struct endpoint *target = &route->targets[t].written;
            if (target->kind == ENDPOINT_GUEST && !endpoint_names_each(target))
                guest_of_each_add(draft, target->name);
        }
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
        if (i >= written)
            continue;
        access_check(draft, section, route);
        limit_check(draft, section, route);
    }
    collisions_check(draft);
    templates_set_aside(draft);
    for (size_t i = 0; i < config->guest_count; i++) {
        if (strcmp(config->guests[i].name, GUEST_EACH) == 0)
            config->guest_each = &config->guests[i];
    }
}

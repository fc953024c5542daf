/* What can be said of a route's targets when all is read. */
#include "config/check.h"

#include <stdio.h>
#include <string.h>

uint32_t route_target_port(const struct route_target *target, const struct route_listen *listen)
{
    uint32_t port = target->written.port;

    return target->port_count > 1 ? port + listen->port_offset : port;
}

static void target_format(const struct route_target *target, char text[static ENDPOINT_TEXT_BYTES])
{
    endpoint_format_ports(&target->written, target->port_count, text);
}

static bool leaves_port(const struct route_target *target)
{
    return target->written.port == ENDPOINT_PORT_NAMED && endpoint_has_port(&target->written);
}

bool route_target_in_guest(const struct route_target *target)
{
    switch (target->written.kind) {
    case ENDPOINT_GUEST:
    case ENDPOINT_VSOCK:
    case ENDPOINT_VSOCK_MUX:
    case ENDPOINT_MACHINE: return true;
    default: return false;
    }
}

static void wait_check(const struct draft *draft, const struct section *section,
                       const struct route *route)
{
    struct place place = section_key_place(section, KEY_WAIT_FOR_GUEST);

    for (size_t i = 0; i < route->target_count; i++)
        if (route_target_in_guest(&route->targets[i]))
            return;
    if (place.line && route->target_count > 0)
        draft_problem(draft, &place,
                      "'wait-for-guest' is for a target in a guest, guest:, vsock:, vsock-mux: or "
                      "machine:, and this route's is none; remove it");
}

/* Do the port of a target and those of a listener go together? */
static bool ports_fit(const struct draft *draft, const struct place *place,
                      const struct route_target *target, const struct route_listen *listen)
{
    bool is_mux = listen_is_mux(listen);
    char text[ENDPOINT_TEXT_BYTES];

    if (is_mux && !leaves_port(target)) {
        draft_problem(draft, place,
                      "the initiators of a 'mux:' listener name the port; give the route a target "
                      "that leaves it to them, such as 'guest:NAME:*'");
        return false;
    }
    if (leaves_port(target) && !is_mux) {
        draft_problem(draft, place,
                      "the target leaves the port to the initiator ('*'), and only those of a "
                      "'mux:' listener name one");
        return false;
    }
    if (target->port_count == 1 || listen->port_count == target->port_count)
        return true;
    endpoint_format_ports(&listen->written, listen->port_count, text);
    draft_problem(draft, place, "'%s' has %u port%s, and the target has %u; make them as many",
                  text, listen->port_count, listen->port_count == 1 ? "" : "s", target->port_count);
    return false;
}

static void listen_ports_check(const struct draft *draft, const struct section *section,
                               const struct route *route, const struct route_listen *listen)
{
    struct place place = section_listen_place(section, listen);

    for (size_t i = 0; i < route->target_count; i++)
        if (!ports_fit(draft, &place, &route->targets[i], listen))
            return;
}

/* Either all of them leave the port to the initiator or none. */
static bool targets_agree(const struct draft *draft, const struct section *section,
                          const struct route *route)
{
    for (size_t i = 1; i < route->target_count; i++) {
        const struct route_target *target = &route->targets[i];
        struct place place = section_target_place(section, target);
        char text[ENDPOINT_TEXT_BYTES];
        if (leaves_port(target) == leaves_port(&route->targets[0]))
            continue;
        target_format(target, text);
        draft_problem(draft, &place,
                      "'%s' %s, unlike the target before it; all targets of a route leave the port "
                      "to the initiator ('*'), or none does",
                      text, leaves_port(target) ? "leaves the port open" : "names one");
        return false;
    }
    return true;
}

static void refuse_key(const struct draft *draft, const struct section *section, enum key_id key,
                       const char *name, const char *why)
{
    struct place place = section_key_place(section, key);

    if (place.line)
        draft_problem(draft, &place, "'%s' %s; remove it", name, why);
}

static void several_keys_check(const struct draft *draft, const struct section *section,
                               const struct route *route)
{
    static const char several[] = "is for a route with several targets, and this one has one";
    static const char left[] =
        "judges a target by its port, and this route's leave that to the initiator ('*')";

    if (section->lost)
        return;
    if (route->target_count == 1) {
        refuse_key(draft, section, KEY_BALANCE, "balance", several);
        refuse_key(draft, section, KEY_RETRIES, "retries", several);
        refuse_key(draft, section, KEY_FAIL_MAX, "fail-max", several);
        refuse_key(draft, section, KEY_FAIL_TIME, "fail-time", several);
    } else if (route->target_count > 1 && leaves_port(&route->targets[0])) {
        refuse_key(draft, section, KEY_FAIL_MAX, "fail-max", left);
        refuse_key(draft, section, KEY_FAIL_TIME, "fail-time", left);
    }
    if (route->target_count > 0 && leaves_port(&route->targets[0]) && route->check.connects)
        refuse_key(draft, section, KEY_CHECK, "check", left);
}

static void check_keys_check(const struct draft *draft, const struct section *section,
                             const struct route *route)
{
    static const char without[] = "is for 'check = connect', which this route does not have";
    struct place send = section_key_place(section, KEY_CHECK_SEND);

    if (section->lost)
        return;
    if (!route->check.connects) {
        refuse_key(draft, section, KEY_CHECK_INTERVAL, "check-interval", without);
        refuse_key(draft, section, KEY_CHECK_TIMEOUT, "check-timeout", without);
        refuse_key(draft, section, KEY_CHECK_SEND, "check-send", without);
        refuse_key(draft, section, KEY_CHECK_EXPECT, "check-expect", without);
        refuse_key(draft, section, KEY_CHECK_RISE, "check-rise", without);
        refuse_key(draft, section, KEY_CHECK_FALL, "check-fall", without);
    } else if (send.line && !section->key_lines[KEY_CHECK_EXPECT]) {
        draft_problem(draft, &send,
                      "nothing is expected in answer to 'check-send'; add 'check-expect', what the "
                      "answer is to begin with");
    }
}

void targets_check(const struct draft *draft, const struct section *section,
                   const struct route *route)
{
    if (targets_agree(draft, section, route)) {
        for (size_t i = 0; i < route->listen_count; i++)
            if (route->listens[i].port_offset == 0)
                listen_ports_check(draft, section, route, &route->listens[i]);
    }
    wait_check(draft, section, route);
    several_keys_check(draft, section, route);
    check_keys_check(draft, section, route);
}

/* libkrun has a Unix socket for each port of the guest, and no handshake. */
static void target_of_libkrun(const struct draft *draft, const struct place *place,
                              struct route_target *target)
{
    struct endpoint mux = target->resolved;

    if (mux.port == ENDPOINT_PORT_NAMED || target->port_count > 1) {
        draft_problem(draft, place,
                      "libkrun has a socket for each port, which is to be named here; give one "
                      "port");
        return;
    }
    if (!draft_mux_port_fits(draft, place, "connects to", &target->written, &mux))
        return;
    target->resolved = (struct endpoint){.kind = ENDPOINT_UNIX, .fd = -1};
    snprintf(target->resolved.name, sizeof(target->resolved.name), "%.*s_%u",
             ENDPOINT_UNIX_PATH_BYTES - 1, mux.name, mux.port);
}

static void target_resolve(const struct draft *draft, const struct place *place,
                           struct route_target *target)
{
    if (target->written.kind != ENDPOINT_GUEST)
        return;
    target->guest = draft_guest_find(draft, &target->written, place);
    if (!target->guest || !guest_has_address(target->guest))
        return;
    target->resolved = target->guest->address;
    target->resolved.port = target->written.port;
    if (target->guest->vmm == GUEST_VMM_LIBKRUN)
        target_of_libkrun(draft, place, target);
}

static bool is_twin(const struct route_target *a, const struct route_target *b)
{
    return a->port_count == b->port_count && endpoint_equal(&a->resolved, &b->resolved);
}

static void twin_report(const struct draft *draft, const struct place *place,
                        const struct route_target *first, const struct route_target *second)
{
    char text[ENDPOINT_PAIR_TEXT_BYTES];
    char text_first[ENDPOINT_PAIR_TEXT_BYTES];

    endpoint_pair_format(&second->written, &second->resolved, second->port_count, text);
    endpoint_pair_format(&first->written, &first->resolved, first->port_count, text_first);
    draft_problem(draft, place,
                  "the target '%s' is there already, as '%s' at line %u; name each target once",
                  text, text_first, first->line);
}

void targets_resolve(const struct draft *draft, const struct section *section, struct route *route)
{
    for (size_t i = 0; i < route->target_count; i++) {
        struct route_target *target = &route->targets[i];
        struct place place = section_target_place(section, target);
        target_resolve(draft, &place, target);
        for (size_t j = 0; j < i; j++)
            if (is_twin(&route->targets[j], target)) {
                twin_report(draft, &place, &route->targets[j], target);
                break;
            }
    }
}

/* The making of a random run. What must hold is in scenario_check.c. */
#include "tests/proxy/scenario.h"

#include "proxy/lane.h"
#include "tests/proxy/scenario_check.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)

static const struct fake_faults no_faults;

static struct fake_faults random_faults(struct random *random)
{
    struct fake_faults faults = {0};

    if (random_permille(random, 150))
        return no_faults;
    faults.short_receive = (unsigned)random_below(random, 500);
    faults.short_send = (unsigned)random_below(random, 500);
    faults.send_again = (unsigned)random_below(random, 200);
    faults.receive_again = (unsigned)random_below(random, 100);
    faults.interrupted = (unsigned)random_below(random, 100);
    faults.no_buffers = (unsigned)random_below(random, 200);
    faults.late_cancel = (unsigned)random_below(random, 600);
    faults.gave_up = (unsigned)random_below(random, 200);
    faults.no_pipes = (unsigned)random_below(random, 200);
    faults.pieces = (unsigned)random_below(random, 500);
    faults.small_pipes = (unsigned)random_below(random, 500);
    faults.slow = (unsigned)random_below(random, 300);
    faults.delay_ns_max = random_size(random, 2 * MS);
    if (random_permille(random, 200)) {
        faults.no_descriptors = (unsigned)random_below(random, 150);
        faults.no_memory = (unsigned)random_below(random, 50);
    }
    return faults;
}

static enum fake_leave random_leave(struct random *random)
{
    static const enum fake_leave leaves[] = {FAKE_CLOSE, FAKE_CLOSE, FAKE_RESET,
                                             FAKE_RESET, FAKE_DIE,   FAKE_TIME_OUT};
    return leaves[random_below(random, sizeof(leaves) / sizeof(leaves[0]))];
}

/* Sizes and pauses, which no stream may depend on. */
static void vary(struct random *random, struct fake_script *script)
{
    script->write_bytes_max = random_size(random, 65536);
    script->read_bytes_max = random_size(random, 65536);
    if (random_permille(random, 400))
        script->write_pause_ns_max = random_size(random, 5 * MS);
    if (random_permille(random, 400))
        script->read_pause_ns_max = random_size(random, 5 * MS);
    if (random_permille(random, 200))
        script->start_ns = random_size(random, 100 * MS);
    if (random_permille(random, 200))
        script->read_start_ns = random_size(random, 300 * MS);
    script->room_to = 256 + random_size(random, 40000);
    script->room_from = 256 + random_size(random, 40000);
    /* A byte at a time takes long enough with few of them. */
    size_t least = script->write_bytes_max < script->read_bytes_max ? script->write_bytes_max
                                                                    : script->read_bytes_max;
    uint64_t most = least * (script->write_pause_ns_max || script->read_pause_ns_max ? 100 : 500);
    if (script->bytes > most)
        script->bytes = most;
}

static struct fake_script random_script(struct random *random, const struct world_session *session,
                                        unsigned side, bool calm)
{
    struct fake_script script = world_calm(session, side, random_size(random, 200000) - 1);

    vary(random, &script);
    if (calm)
        return script;
    if (random_permille(random, 300))
        script.after_bytes = FAKE_LEAVE_NOT;
    else if (random_permille(random, 300))
        script.after_bytes = random_leave(random);
    if (random_permille(random, 200))
        script.read_limit = random_size(random, 20000);
    if (random_permille(random, 200))
        script.after_read = random_leave(random);
    if (random_permille(random, 100))
        script.start_after_read = random_size(random, 1000);
    script.stay = random_permille(random, 100);
    script.leave_ns = fake_now_ns(session->world->fake) + random_size(random, 4000 * MS);
    script.leave = random_leave(random);
    return script;
}

static void random_mux(struct random *random, struct fake_script *script, bool calm)
{
    static const enum fake_mux good[] = {FAKE_MUX_OK, FAKE_MUX_OK_IN_PIECES, FAKE_MUX_OK_WITH_DATA};
    static const enum fake_mux bad[] = {FAKE_MUX_REFUSES, FAKE_MUX_BREAKS_OFF, FAKE_MUX_SILENT,
                                        FAKE_MUX_GARBAGE, FAKE_MUX_TOO_LONG};
    script->mux = good[random_below(random, 3)];
    if (!calm && random_permille(random, 400))
        script->mux = bad[random_below(random, 5)];
    script->mux_delay_ns = random_permille(random, 500) ? random_size(random, 400 * MS) : 0;
    script->mux_port = 1024;
    script->read_start_ns = 0;
}

static void random_answer(struct random *random, struct world_session *session,
                          struct fake_target_options *target)
{
    static const int errors[] = {0,       -ECONNREFUSED, -ECONNRESET, -EHOSTUNREACH, -ENETUNREACH,
                                 -EACCES, -ETIMEDOUT,    -ENODEV};
    bool waits = session->target_kind != WORLD_UNIX && session->target_kind != WORLD_MUX;

    if (random_permille(random, 600))
        return;
    if (random_permille(random, 500)) {
        target->answer = FAKE_REFUSES;
        target->error = errors[random_below(random, sizeof(errors) / sizeof(errors[0]))];
    } else if (waits && random_permille(random, 500)) {
        target->answer = FAKE_IGNORES;
    } else {
        target->busy_until_ns = fake_now_ns(session->world->fake) + random_size(random, 2500 * MS);
    }
}

static void random_targets(struct random *random, struct world_session *session, bool calm)
{
    if (session->target_kind == WORLD_TCP_NAME) {
        session->target_count = (unsigned)random_between(random, calm ? 1 : 0, WORLD_ADDRESSES_MAX);
        session->resolve_ns = random_permille(random, 500) ? random_size(random, 500 * MS) : 0;
        if (!calm && random_permille(random, 150))
            session->resolve_error = EAI_NONAME;
        if (!calm && random_permille(random, 100))
            session->resolve_ns = UINT64_MAX;
        if (session->target_count == 0)
            session->resolve_error = EAI_NODATA;
    } else if (!calm && random_permille(random, 100)) {
        session->target_count = 0;
    }
    for (unsigned i = 0; i < session->target_count; i++) {
        struct fake_target_options *target = &session->targets[i];
        target->script = random_script(random, session, SIDE_TARGET, calm);
        target->delay_ns = random_permille(random, 500) ? random_size(random, 200 * MS) : 0;
        if (session->target_kind == WORLD_MUX)
            random_mux(random, &target->script, calm);
        if (!calm)
            random_answer(random, session, target);
    }
}

static void random_guest_of(struct random *random, struct scenario *scenario,
                            struct world_session *session, unsigned side)
{
    static const struct guest holds = {.half_close = GUEST_HALF_CLOSE_HOLD};
    struct scenario_guest *guest = &scenario->guests[random_below(random, SCENARIO_GUESTS)];

    if (random_permille(random, 500))
        guest->use = world_guest(session, side, &guest->guest);
    else if (random_permille(random, 300) && side == SIDE_TARGET)
        session->target.guest = &holds;
    else if (random_permille(random, 300))
        session->initiator_guest = &holds;
}

static void random_waiting(struct random *random, struct world_session *session)
{
    session->route.wait_ns = random_permille(random, 300) ? random_size(random, 5000 * MS) : 0;
    session->route.wait_phases = random_below(random, GUEST_PHASES + 1);
    session->route.wait_max = (unsigned)random_size(random, 4);
    world_counted(session);
}

/* Says what it has to say, and no more; or was booted anew without a word. */
static void fall_silent(struct random *random, const struct world *world,
                        struct fake_script *script)
{
    bool forgets = random_permille(random, 300);

    script->after_bytes = script->after_read = FAKE_LEAVE_NOT;
    script->leave = FAKE_FORGET;
    script->leave_ns = forgets ? fake_now_ns(world->fake) + random_size(random, 1000 * MS) : 0;
}

/* Short ones end sessions; who means well is never as long without a byte as the others. */
static void random_idling(struct random *random, struct world_session *session, bool calm)
{
    if (random_permille(random, 300))
        session->route.idle_timeout_ns = (calm ? 4000 : 100) * MS + random_size(random, 5000 * MS);
    if (session->route.idle_timeout_ns && !calm && random_permille(random, 500)) {
        fall_silent(random, session->world, &session->initiator_script);
        for (unsigned i = 0; i < session->target_count; i++)
            fall_silent(random, session->world, &session->targets[i].script);
    }
    if (random_permille(random, 300))
        session->route.guest_probe_ns = 100 * MS + random_size(random, 5000 * MS);
}

/* What an initiator of a `mux:` listener says. */
static void random_greeting(struct random *random, struct world_session *session, bool calm)
{
    static const char *const says[] = {
        NULL, "CONN", "CONNECT 22", "CONNECT 1\n", "GET / HTTP/1.1\n", "connect\t\t 80 \r\n"};
    struct fake_script *script = &session->initiator_script;

    world_mux(session);
    script->says_more = random_permille(random, 300);
    script->says_bytes_max = random_permille(random, 500) ? random_size(random, 32) : 0;
    script->says_pause_ns_max = random_permille(random, 500) ? random_size(random, 5 * MS) : 0;
    if (calm || random_permille(random, 600))
        return;
    script->says = says[random_below(random, sizeof(says) / sizeof(says[0]))];
    if ((!script->says || script->says[0] == 'C') && random_permille(random, 500)) {
        script->hears = NULL;
        script->bytes = 0;
    }
}

/* What the initiator of a route with accept-proxy says before all else. */
static void random_header(struct random *random, struct world_session *session, bool calm)
{
    static const char *const headers[] = {"PROXY UNKNOWN\r\n",
                                          "PROXY TCP4 192.0.2.77 192.0.2.1 56324 443\r\n",
                                          "PROXY TCP6 ::1 ::2 0 65535\r\n",
                                          "PROXY TCP7 ::1 ::2 0 65535\r\n",
                                          "GET / HTTP/1.1\r\n",
                                          "PROXY TCP4"};
    struct fake_script *script = &session->initiator_script;
    const char *behind = script->says ? script->says : "";
    unsigned count = calm || random_permille(random, 600) ? 3 : 6;
    char says[sizeof(session->says)];

    if (!script->says) {
        script->says_more = random_permille(random, 300);
        script->says_bytes_max = random_permille(random, 500) ? random_size(random, 32) : 0;
        script->says_pause_ns_max = random_permille(random, 500) ? random_size(random, 5 * MS) : 0;
    }
    snprintf(says, sizeof(says), "%s%s", headers[random_below(random, count)], behind);
    memcpy(session->says, says, sizeof(says));
    script->says = session->says;
}

/* Whoever comes beside another has its target and its route, and is otherwise his own. */
static struct world_session *random_session(struct random *random, struct scenario *scenario)
{
    struct world *world = &scenario->world;
    enum fake_kind kind = (enum fake_kind)random_below(random, 4);
    unsigned other = (unsigned)random_below(random, world->count);

    while (other > 0 && world->session[other].opening.route != &world->session[other].route)
        other--;
    if (world->count > 0 && random_permille(random, 300)) {
        bool accepts = world->session[other].route.accept_proxy && kind == FAKE_FILE;
        return world_add_beside(world, accepts ? FAKE_TCP : kind, &world->session[other]);
    }
    return world_add(world, kind, (enum world_target)random_below(random, 5));
}

static void random_bandwidth(struct random *random, struct world_session *session)
{
    uint64_t own = random_permille(random, 600) ? random_between(random, 16384, 10000000) : 0;
    uint64_t together = random_permille(random, 600) ? random_between(random, 65536, 10000000) : 0;

    world_bandwidth(session, own, together);
}

static void random_route(struct random *random, struct scenario *scenario,
                         struct world_session *session, bool calm)
{
    session->route.connect_timeout_ns = calm ? 5000 * MS : 1 + random_size(random, 3000 * MS);
    session->route.lane = (enum route_lane)random_below(random, ROUTE_LANE_COUNT);
    session->route.keepalive_ns = random_below(random, 2) * 60000 * MS;
    session->route.accept_proxy =
        session->initiator_kind != FAKE_FILE && random_permille(random, 200);
    random_targets(random, session, calm);
    random_guest_of(random, scenario, session, SIDE_TARGET);
    struct port_range *port = &scenario->ports[session->number];
    port->first = port->last = session->target.resolved.port;
    session->route.ports = port;
    session->route.port_range_count = 1;
    random_waiting(random, session);
    random_idling(random, session, calm);
    if (random_permille(random, 200))
        random_bandwidth(random, session);
}

static void add_session(struct random *random, struct scenario *scenario)
{
    struct world_session *session = random_session(random, scenario);
    bool own = session->opening.route == &session->route;
    bool calm = own ? random_permille(random, 400) : scenario->calm[session->stream];

    scenario->calm[session->number] = calm;
    session->start_ns = random_permille(random, 500) ? random_size(random, 300 * MS) : 0;
    session->initiator_script = random_script(random, session, SIDE_INITIATOR, calm);
    if (own)
        random_route(random, scenario, session, calm);
    random_guest_of(random, scenario, session, SIDE_INITIATOR);
    if (session->initiator_kind == FAKE_UNIX && session->target_kind != WORLD_UNIX &&
        random_permille(random, 400))
        random_greeting(random, session, calm);
    if (session->opening.route->accept_proxy)
        random_header(random, session, calm);
    world_start(session);
}

static void change_guest(struct ring_timer *timer)
{
    struct scenario_guest *guest =
        (void *)((char *)timer - offsetof(struct scenario_guest, change));
    struct world *world = &guest->scenario->world;
    bool freeze = --guest->changes % 2;

    guest_use_freeze(guest->use, freeze);
    fake_note(world->fake, "guest %s is %s", guest->guest.name, freeze ? "frozen" : "thawed");
    if (freeze && fake_random(world->fake) % 4 == 0)
        sessions_stop_guest(&world->sessions, guest->use, REASON_GUEST_FROZEN);
    uint64_t longest_ns = (fake_random(world->fake) % 2 ? 20 : 1000) * MS;
    if (guest->changes)
        ring_timer_arm(world->ring, &guest->change,
                       fake_now_ns(world->fake) + 1 + fake_random(world->fake) % longest_ns,
                       change_guest);
}

static void random_guests(struct random *random, struct scenario *scenario)
{
    static char names[SCENARIO_GUESTS][2] = {"a", "b"};

    for (unsigned i = 0; i < SCENARIO_GUESTS; i++) {
        struct scenario_guest *guest = &scenario->guests[i];
        guest->scenario = scenario;
        guest->guest.name = names[i];
        guest->guest.half_close =
            random_permille(random, 300) ? GUEST_HALF_CLOSE_HOLD : GUEST_HALF_CLOSE_AUTO;
        guest->guest.sessions_max =
            random_permille(random, 300) ? (uint32_t)random_size(random, 4) : 0;
        guest->freezes = random_permille(random, 400);
        guest->changes = 2 * (unsigned)random_size(random, 4);
    }
}

static void start_guests(struct random *random, struct scenario *scenario)
{
    struct world *world = &scenario->world;

    for (unsigned i = 0; i < SCENARIO_GUESTS; i++) {
        struct scenario_guest *guest = &scenario->guests[i];
        if (guest->use && guest->freezes)
            ring_timer_arm(world->ring, &guest->change,
                           fake_now_ns(world->fake) + random_size(random, 100 * MS), change_guest);
    }
}

static void stop_guests(struct scenario *scenario)
{
    for (unsigned i = 0; i < SCENARIO_GUESTS; i++)
        ring_timer_disarm(scenario->world.ring, &scenario->guests[i].change);
}

/* Small ones, so that lanes change their ways often. */
static struct lane_limits random_limits(struct random *random)
{
    if (random_permille(random, 200))
        return (struct lane_limits)LANE_LIMITS;
    return (struct lane_limits){
        .buffer_bytes = (uint32_t)random_between(random, 16, 4096),
        .pipe_bytes = (uint32_t)random_between(random, 64, 16384),
        .copy_bytes = (uint32_t)random_between(random, 64, 16384),
        .turn_bytes = (uint32_t)random_between(random, 64, 32768),
    };
}

void scenario_run(uint64_t seed, bool trace)
{
    struct random random = {.state = seed ^ UINT64_C(0x7673c3b5)};
    struct scenario scenario = {0};
    struct fake_options options = {
        .seed = seed,
        .faults = random_faults(&random),
        .buffers_max = 1024,
        .trace = trace,
    };
    struct lane_limits limits = random_limits(&random);
    unsigned count = (unsigned)random_size(&random, 8);
    unsigned room = random_permille(&random, 900) ? WORLD_SESSIONS_MAX : count;

    if (random_permille(&random, 50))
        options.buffers_max = (unsigned)random_between(&random, 1, 16);
    options.buffer_bytes = limits.buffer_bytes;
    scenario.buffers_scarce = options.buffers_max < 2 * count;
    world_init(&scenario.world, &options, room);
    sessions_limit(&scenario.world.sessions, &limits);
    random_guests(&random, &scenario);
    for (unsigned i = 0; i < count; i++)
        add_session(&random, &scenario);
    start_guests(&random, &scenario);
    if (random_permille(&random, 200))
        world_stop_all_at(&scenario.world, random_size(&random, 1500 * MS));
    world_run(&scenario.world, 3600000 * MS);
    stop_guests(&scenario);
    scenario_check(&scenario);
    world_deinit(&scenario.world);
}

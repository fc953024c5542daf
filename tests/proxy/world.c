/* The ground under the tests of sessions. */
#include "tests/proxy/world.h"

#include "proxy/lane.h"
#include "proxy/vmm.h"
#include "tests/proxy/stub_resolver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MUX_PORT 1024

static void ended(void *owner, const struct session *session)
{
    struct world *world = owner;
    struct world_session *mine = NULL;

    for (unsigned i = 0; i < world->count; i++)
        if (session->opening == &world->session[i].opening)
            mine = &world->session[i];
    if (!mine)
        fake_fail(world->fake, "a session of an unknown route ended");
    if (mine->ended++)
        fake_fail(world->fake, "session %u ended twice", mine->number);
    mine->ended_in = session->state;
    mine->reason = session->reason;
    mine->error = session->error;
    mine->ended_ns = fake_now_ns(world->fake);
    if (session->sides[SIDE_TARGET].fd >= 0)
        mine->target_end = fake_end_of(world->fake, session->sides[SIDE_TARGET].fd);
    for (unsigned i = 0; i < SIDE_COUNT; i++)
        mine->lane_bytes[i] = session->lanes[i].bytes;
    fake_note(world->fake, "session %u ended: %s, error %d", mine->number,
              reason_token(session->reason), session->error);
}

static void released(void *owner)
{
    struct world *world = owner;
    world->released++;
}

static void target(void *owner, const struct session *session, enum reason reason, int error)
{
    struct world *world = owner;
    world->target_changes++;
}

static const struct sessions_events events = {
    .ended = ended,
    .target = target,
    .released = released,
};

void world_init(struct world *world, const struct fake_options *options, size_t sessions_max)
{
    *world = (struct world){.fake = fake_new(options)};
    world->ring = fake_ring(world->fake);
    if (resolver_new(&world->resolver, world->ring) < 0)
        fake_fail(world->fake, "no resolver");
    sessions_init(&world->sessions, world->ring, world->resolver, sessions_max, &events, world);
    guest_uses_init(&world->uses);
    route_uses_init(&world->routes);
}

static void put_guest(struct world *world, struct guest_use *use)
{
    if (use && (atomic_load(&use->sessions) || atomic_load(&use->waiting)))
        fake_fail(world->fake, "guest %s is left with %u sessions, of which %u wait", use->name,
                  atomic_load(&use->sessions), atomic_load(&use->waiting));
    guest_use_put(use);
}

static void put_routes(struct world *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        struct route_use *use = world->session[i].opening.use;
        for (unsigned side = 0; use && side < SIDE_COUNT; side++)
            if (atomic_load(&use->buckets[side].waiting))
                fake_fail(world->fake, "somebody is left that waits for tokens");
        if (use && atomic_load(&use->waiting))
            fake_fail(world->fake, "somebody is left that waits for a guest");
        route_use_put(use);
    }
}

void world_deinit(struct world *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        put_guest(world, world->session[i].opening.source);
        put_guest(world, world->session[i].opening_target.guest);
    }
    put_routes(world);
    route_uses_deinit(&world->routes);
    guest_uses_deinit(&world->uses);
    resolver_stop(world->resolver);
    ring_timer_disarm(world->ring, &world->stop_timer);
    sessions_deinit(&world->sessions);
    resolver_free(world->resolver);
    fake_free(world->fake);
}

static void set_target_endpoint(struct world_session *session)
{
    struct endpoint *target = &session->target.resolved;
    unsigned number = session->number;

    *target = (struct endpoint){.fd = -1};
    switch (session->target_kind) {
    case WORLD_TCP:
        target->kind = ENDPOINT_TCP;
        snprintf(target->name, sizeof(target->name), "192.0.2.%u", number + 1);
        target->port = 80;
        break;
    case WORLD_TCP_NAME:
        target->kind = ENDPOINT_TCP;
        snprintf(target->name, sizeof(target->name), "host-%u.test", number);
        target->port = 80;
        break;
    case WORLD_UNIX:
        target->kind = ENDPOINT_UNIX;
        snprintf(target->name, sizeof(target->name), "/run/target-%u", number);
        break;
    case WORLD_VSOCK:
        target->kind = ENDPOINT_VSOCK;
        target->cid = 3 + number;
        target->port = 22;
        break;
    case WORLD_MUX:
        target->kind = ENDPOINT_VSOCK_MUX;
        snprintf(target->name, sizeof(target->name), "/run/vm-%u/v.sock", number);
        target->port = MUX_PORT;
        break;
    }
}

struct world_session *world_add(struct world *world, enum fake_kind initiator,
                                enum world_target target)
{
    struct world_session *session = &world->session[world->count];

    if (world->count == WORLD_SESSIONS_MAX)
        fake_fail(world->fake, "too many sessions for a world");
    *session = (struct world_session){
        .world = world,
        .number = world->count++,
        .route = {.name = "test", .connect_timeout_ns = UINT64_C(5000000000)},
        .initiator_kind = initiator,
        .target_kind = target,
        .target_count = 1,
    };
    session->stream = session->number;
    session->opening = (struct opening){
        .references = 1,
        .config = &session->config,
        .route = &session->route,
        .listen = &session->listen,
        .targets = &session->opening_target,
    };
    session->target.port_count = 1;
    session->route.targets = &session->target;
    session->route.target_count = 1;
    set_target_endpoint(session);
    session->target.written = session->target.resolved;
    if (target == WORLD_MUX) {
        session->targets[0].script.mux = FAKE_MUX_OK;
        session->targets[0].script.mux_port = MUX_PORT;
    }
    return session;
}

struct world_session *world_add_beside(struct world *world, enum fake_kind initiator,
                                       struct world_session *first)
{
    struct world_session *session = world_add(world, initiator, first->target_kind);

    session->opening.route = &first->route;
    struct guest_use *guest = first->opening_target.guest;
    session->opening_target.guest = guest ? guest_use_ref(guest) : NULL;
    if (first->opening.use)
        session->opening.use = route_use_get(&world->routes, first->opening.use->name);
    session->stream = first->stream;
    first->shared = true;
    session->target_count = 0;
    return session;
}

void world_counted(struct world_session *session)
{
    static const char *const names[WORLD_SESSIONS_MAX] = {
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"};

    if (!session->opening.use)
        session->opening.use = route_use_get(&session->world->routes, names[session->number]);
}

void world_bandwidth(struct world_session *session, uint64_t own, uint64_t together)
{
    session->route.session_bandwidth = own;
    session->route.bandwidth = together;
    world_counted(session);
}

void world_mux(struct world_session *session)
{
    unsigned port = session->opening.route->targets[0].resolved.port;

    session->listen.written.kind = ENDPOINT_MUX;
    snprintf(session->says, sizeof(session->says), "CONNECT %u\n", port);
    snprintf(session->hears, sizeof(session->hears), "OK %u\n", port);
    session->initiator_script.says = session->says;
    session->initiator_script.hears = session->hears;
}

struct guest_use *world_guest(struct world_session *session, unsigned side,
                              const struct guest *guest)
{
    struct guest_use *use = guest_use_get(&session->world->uses, guest);

    if (!use)
        fake_fail(session->world->fake, "out of memory");
    if (side == SIDE_TARGET) {
        session->target.guest = guest;
        session->opening_target.guest = use;
    } else {
        session->initiator_guest = guest;
        session->opening.source = use;
    }
    return use;
}

static void start(struct ring_timer *timer)
{
    struct world_session *session =
        (void *)((char *)timer - offsetof(struct world_session, start_timer));
    static const enum transport transports[] = {
        [FAKE_TCP] = TRANSPORT_TCP,
        [FAKE_UNIX] = TRANSPORT_UNIX,
        [FAKE_VSOCK] = TRANSPORT_VSOCK,
        [FAKE_FILE] = TRANSPORT_FILE,
    };
    struct world *world = session->world;
    int fd, fd_write;

    world->to_start--;
    session->initiator = fake_accepted(world->fake, session->initiator_kind,
                                       &session->initiator_script, &fd, &fd_write);
    session->started_ns = fake_now_ns(world->fake);
    session->listen.guest = session->initiator_guest;
    struct arrival arrival = {
        .opening = &session->opening,
        .fd = fd,
        .fd_write = fd_write,
        .transport = transports[session->initiator_kind],
    };
    session->start_error = sessions_start(&world->sessions, &arrival);
    fake_note(world->fake, "session %u started on descriptors %d and %d: %d", session->number, fd,
              fd_write, session->start_error);
}

static void register_name(struct world_session *session)
{
    struct addresses *addresses = NULL;
    struct endpoint endpoint = {.kind = ENDPOINT_TCP, .port = 80};

    if (!session->resolve_error)
        addresses = addresses_new(session->target_count);
    for (unsigned i = 0; i < session->target_count && addresses; i++) {
        snprintf(endpoint.name, sizeof(endpoint.name), "198.51.%u.%u", session->number, i + 1);
        address_of_endpoint(&endpoint, &addresses->at[i]);
        session->registered[i] =
            fake_target(session->world->fake, (struct sockaddr *)&addresses->at[i].storage,
                        addresses->at[i].length, &session->targets[i]);
    }
    stub_resolver_tell(session->world->resolver, session->target.resolved.name, addresses,
                       session->resolve_error, session->resolve_ns);
}

void world_start(struct world_session *session)
{
    struct world *world = session->world;
    struct address address;

    if (session->target_kind == WORLD_TCP_NAME) {
        register_name(session);
    } else if (session->target_count) {
        address_of_endpoint(&session->target.resolved, &address);
        session->registered[0] = fake_target(world->fake, (struct sockaddr *)&address.storage,
                                             address.length, &session->targets[0]);
    }
    world->to_start++;
    ring_timer_arm(world->ring, &session->start_timer, fake_now_ns(world->fake) + session->start_ns,
                   start);
}

static void stop_all(struct ring_timer *timer)
{
    struct world *world = (void *)((char *)timer - offsetof(struct world, stop_timer));

    fake_note(world->fake, "stopping all sessions");
    world->stopped = true;
    sessions_stop_all(&world->sessions, REASON_DRAIN_TIMEOUT);
}

void world_stop_all_at(struct world *world, uint64_t after_ns)
{
    ring_timer_arm(world->ring, &world->stop_timer, fake_now_ns(world->fake) + after_ns, stop_all);
}

static void check_guest(struct world *world, const struct guest_use *use, const struct guest *guest)
{
    if (!use)
        return;
    if (atomic_load(&use->sessions) > vmm_sessions_max(guest, (enum guest_vmm)use->vmm))
        fake_fail(world->fake, "guest %s has %u sessions", use->name, atomic_load(&use->sessions));
    if (atomic_load(&use->waiting) > atomic_load(&use->sessions))
        fake_fail(world->fake, "more sessions wait for guest %s than there are", use->name);
}

static void check_guests(struct world *world)
{
    for (unsigned i = 0; i < world->count; i++) {
        const struct world_session *session = &world->session[i];
        check_guest(world, session->opening.source, session->initiator_guest);
        check_guest(world, session->opening_target.guest, session->opening.route->targets[0].guest);
    }
}

/* What holds after every turn. */
static bool over(void *context)
{
    struct world *world = context;
    size_t count = sessions_count(&world->sessions);

    check_guests(world);
    /* The kernel runs ahead by up to 32 buffers a turn, and a stop may come late. */
    if (ring_buffers_held(world->ring) > 2 * count * (LANE_BUFFERS_MAX + 3 * 32))
        fake_fail(world->fake, "%zu sessions hold %u buffers", count,
                  ring_buffers_held(world->ring));
    return world->to_start == 0 && count == 0;
}

static bool never(void *context)
{
    over(context);
    return false;
}

void world_run(struct world *world, uint64_t longest_ns)
{
    uint64_t until_ns = fake_now_ns(world->fake) + longest_ns;

    if (!fake_run(world->fake, over, world, until_ns))
        fake_fail(world->fake, "%zu sessions are still there after %llu ms",
                  sessions_count(&world->sessions), (unsigned long long)longest_ns / 1000000);
    fake_settle(world->fake);
}

static void nothing(struct ring_timer *timer)
{
}

void world_run_for(struct world *world, uint64_t ns)
{
    struct ring_timer end = {0};
    uint64_t until_ns = fake_now_ns(world->fake) + ns;

    ring_timer_arm(world->ring, &end, until_ns, nothing);
    fake_run(world->fake, never, world, until_ns);
    ring_timer_disarm(world->ring, &end);
}

/* Of one that was never connected: the last one that accepted, too late. */
struct fake_end *world_target_end(const struct world_session *session)
{
    if (session->target_end)
        return session->target_end;
    for (unsigned i = session->shared ? 0 : session->target_count; i > 0; i--)
        if (session->registered[i - 1] && fake_target_end(session->registered[i - 1]))
            return fake_target_end(session->registered[i - 1]);
    return NULL;
}

const struct fake_record *world_initiator(const struct world_session *session)
{
    return fake_end_record(session->initiator);
}

const struct fake_record *world_target(const struct world_session *session)
{
    struct fake_end *end = world_target_end(session);
    return end ? fake_end_record(end) : NULL;
}

struct fake_script world_calm(const struct world_session *session, unsigned side, uint64_t bytes)
{
    uint64_t own = session->stream * 2 + side + 1;
    uint64_t others = session->stream * 2 + !side + 1;

    return (struct fake_script){
        .bytes = bytes,
        .stream = own,
        .expected = others,
        .after_bytes = FAKE_HALF_CLOSE,
    };
}

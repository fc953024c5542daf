/* What a test of sessions stands on: a fake ring, the sessions under test, and for each of them its
 * route, its far ends and what became of it. */
#pragma once

#include "proxy/session.h"
#include "tests/fake/fake.h"
#include "tests/fake/random.h"

#define WORLD_SESSIONS_MAX  16
#define WORLD_ADDRESSES_MAX 4

/* How the target is named. */
enum world_target {
    WORLD_TCP,
    WORLD_TCP_NAME,
    WORLD_UNIX,
    WORLD_VSOCK,
    WORLD_MUX,
};

struct world_session {
    struct world *world;
    unsigned number;
    struct route route;
    struct config config; /* as if the route were of one */
    struct route_listen listen;
    struct route_target target; /* of the route, if it is not given others */
    struct opening_target opening_target;
    struct opening opening;
    enum fake_kind initiator_kind;
    enum world_target target_kind;
    const struct guest *initiator_guest;
    unsigned stream; /* its number, or that of the session whose target it shares */
    bool shared;     /* its target is another's too */
    struct fake_script initiator_script;
    char says[96]; /* of world_mux(), and a PROXY header before it */
    char hears[32];
    struct fake_target_options targets[WORLD_ADDRESSES_MAX];
    unsigned target_count; /* more than one only with WORLD_TCP_NAME */
    uint64_t resolve_ns;   /* 0: at once; UINT64_MAX: never */
    int resolve_error;     /* EAI_...; 0: resolves */
    uint64_t start_ns;     /* after the beginning */

    struct ring_timer start_timer;
    struct fake_end *initiator;
    struct fake_target *registered[WORLD_ADDRESSES_MAX];
    struct fake_end *target_end; /* that it was connected to when it ended; NULL: to none */
    int start_error;
    uint64_t started_ns;
    unsigned ended; /* times */
    enum session_state ended_in;
    enum reason reason;
    int error;
    uint64_t ended_ns;
    uint64_t lane_bytes[SIDE_COUNT];
};

struct world {
    struct fake *fake;
    struct ring *ring;
    struct resolver *resolver;
    struct sessions sessions;
    struct guest_uses uses;
    struct route_uses routes;
    struct world_session session[WORLD_SESSIONS_MAX];
    unsigned count;
    unsigned to_start;
    unsigned released;
    struct ring_timer stop_timer;
    bool stopped;            /* by sessions_stop_all() */
    unsigned target_changes; /* of targets that were up or down, as far as told */
};

void world_init(struct world *world, const struct fake_options *options, size_t sessions_max);

/* Checks that nothing is left. */
void world_deinit(struct world *world);

/* A session with defaults: a target that accepts at once, both ends silent, connect timeout 5 s.
 * Fill in what the test wants, then world_start(). */
struct world_session *world_add(struct world *world, enum fake_kind initiator,
                                enum world_target target);

/* Another session of the same route, to the same target: whatever that one is given is this one's.
 */
struct world_session *world_add_beside(struct world *world, enum fake_kind initiator,
                                       struct world_session *first);

/* It came to a `mux:` listener: its initiator names the target's port, and waits for OK. Once the
 * initiator's script is set. */
void world_mux(struct world_session *session);

/* The guest on that side, which outlives the world. */
struct guest_use *world_guest(struct world_session *session, unsigned side,
                              const struct guest *guest);

/* Of a route of its own, with all that comes beside it. */
void world_counted(struct world_session *session);

/* Bytes a second: of the session, and of all that came beside it; 0: any number. */
void world_bandwidth(struct world_session *session, uint64_t own, uint64_t together);

/* Registers the target and has the session started at its time. */
void world_start(struct world_session *session);

void world_stop_all_at(struct world *world, uint64_t after_ns);

/* Turns until no session is left; fails after so much virtual time. Then lets the far ends see the
 * end. */
void world_run(struct world *world, uint64_t longest_ns);
/* Turns for so long. */
void world_run_for(struct world *world, uint64_t ns);

/* The far end that the target's side was connected to; NULL: none. */
struct fake_end *world_target_end(const struct world_session *session);
const struct fake_record *world_initiator(const struct world_session *session);
const struct fake_record *world_target(const struct world_session *session);

/* Sends `bytes` of the session's own stream for that side, half-closes, reads all that the other
 * side sends. */
struct fake_script world_calm(const struct world_session *session, unsigned side, uint64_t bytes);

/* What a session does before it relays: it is counted, hears what its initiator says first, and
 * reaches the target. */
#include "proxy/session_internal.h"

#include "proxy/lane.h"
#include "proxy/pace.h"
#include "proxy/session_source.h"
#include "proxy/session_target.h"
#include "proxy/session_tell.h"
#include "proxy/session_use.h"
#include "proxy/sweep.h"
#include "proxy/vmm.h"
#include "ring/socket.h"

#include <errno.h>

static void dial_over(struct session *session)
{
    slab_give(&session->sessions->dials, session->dial);
    session->dial = NULL;
}

static void greeting_over(struct session *session)
{
    slab_give(&session->sessions->greetings, session->greeting);
    session->greeting = NULL;
    session->greets = false;
}

void session_begin_stop(struct session *session)
{
    if (session->greets && greeting_stop(session->greeting))
        greeting_over(session);
    else if (!session->greets && session->dial && dial_stop(session->dial))
        dial_over(session);
}

/* What the guest runs on is learned from the first connection with it. */
static bool holds_half_close(const struct guest *guest, struct guest_use *use, int fd)
{
    if (!guest)
        return false;
    enum guest_vmm vmm = vmm_find(guest, fd);
    if (use && vmm != GUEST_VMM_AUTO)
        atomic_store(&use->vmm, vmm);
    return vmm_holds_half_close(guest, vmm);
}

static void dialed(struct dial *dial, int fd, enum transport transport, enum reason reason,
                   int error);

static void dial_target(struct session *session, const struct proxy_header *told,
                        const struct balance_tries *tries)
{
    struct sessions *sessions = session->sessions;
    const struct route *route = session->opening->route;
    struct route_use *use = session->opening->use;
    struct guest_use *guest = session_target_guest(session);
    bool waits = route->target_count == 1 || tries->waits || (guest && atomic_load(&guest->frozen));
    struct dial_options options = {
        .target = &session_target(session)->resolved,
        .port = session->port,
        .guest = guest,
        .timeout_ns = route->connect_timeout_ns,
        .keepalive_ns = route->keepalive_ns,
        .owner = session,
        .told = *told,
        .tries = *tries,
        .wait_ns = waits ? route->wait_ns : 0,
        .wait_phases = route->wait_phases,
        .wait_max = route->wait_max,
        .waiting = use ? &use->waiting : NULL,
        .lines = &sessions->lines,
    };

    dial_start(session->dial, sessions->ring, sessions->resolver, &options, dialed);
}

/* The one that was dialed cannot be connected to. False: neither can another be tried. */
static bool dial_another(struct session *session, enum reason reason, int error)
{
    struct proxy_header told = session->dial->options.told;
    struct balance_tries tries = session->dial->options.tries;

    if (!session_target_next(session, &tries, &told, reason, error))
        return false;
    dial_target(session, &told, &tries);
    return true;
}

/* The dial is at rest; it is given back once what the initiator told is needed no more. */
static void dialed(struct dial *dial, int fd, enum transport transport, enum reason reason,
                   int error)
{
    struct session *session = dial->options.owner;
    struct side *target = &session->sides[SIDE_TARGET];
    uint64_t took_ns = ring_now_ns(dial->ring) - dial->started_ns;

    if (session->state == SESSION_STOPPING) {
        dial_over(session);
        session_join(session);
        return;
    }
    if (reason != REASON_NONE) {
        if (!dial_another(session, reason, error))
            session_stop(session, reason, error);
        return;
    }
    session_use_connect(session, took_ns);
    target->fd = fd;
    target->fd_write = fd;
    target->transport = (uint8_t)transport;
    session_target_reached(session);
    target->holds_half_close =
        holds_half_close(session_target(session)->guest, session_target_guest(session), fd);
    session->state = SESSION_RELAYING;
    sweep_put_off(session);
    sweep_attend(session);
    ring_timer_disarm(session->sessions->ring, &session->timer);
    reason = session_tell(session, &error);
    if (reason != REASON_NONE) {
        session_stop(session, reason, error);
        return;
    }
    if (!pace_start(session)) {
        session_stop(session, REASON_NO_MEMORY, -ENOMEM);
        return;
    }
    session_source_keep(session);
    dial_over(session);
    for (unsigned i = 0; i < SIDE_COUNT; i++)
        lane_start(&session->lanes[i]);
}

static void patience_over(struct ring_timer *timer)
{
    struct session *session = session_of_timer(timer);
    session_watch(session, &session->sides[SIDE_INITIATOR]);
}

static void link_first(struct sessions *sessions, struct session *session)
{
    session->next = sessions->first;
    session->link = &sessions->first;
    if (session->next)
        session->next->link = &session->next;
    sessions->first = session;
}

static bool names_port(const struct opening *opening)
{
    return opening->listen->written.kind == ENDPOINT_MUX;
}

static unsigned greeting_parts(const struct opening *opening)
{
    return (opening->route->accept_proxy ? GREETING_PROXY : 0) |
           (names_port(opening) ? GREETING_CONNECT : 0);
}

/* Takes a slot for what the session does first. */
static bool take_beginning(struct session *session)
{
    struct sessions *sessions = session->sessions;

    session->greets = greeting_parts(session->opening) != 0;
    if (session->greets)
        session->greeting = slab_take(&sessions->greetings);
    else
        session->dial = slab_take(&sessions->dials);
    return session->dial;
}

static void connect_target(struct session *session, const struct proxy_header *told)
{
    struct balance_tries tries = {.waits = false};

    session->state = SESSION_CONNECTING;
    if (session->opening->route->target_count > 1) {
        tries = session_target_tries(session);
        enum reason reason = session_target_choose(session, &tries, told);
        if (reason != REASON_NONE) {
            session_stop(session, reason, 0);
            return;
        }
    }
    session_set_timer(session, SESSION_PATIENCE_NS, patience_over);
    dial_target(session, told, &tries);
}

static bool is_allowed(const struct route *route, uint32_t port)
{
    for (size_t i = 0; i < route->port_range_count; i++)
        if (port >= route->ports[i].first && port <= route->ports[i].last)
            return true;
    return route->port_range_count == 0;
}

static void greeted(struct greeting *greeting, uint32_t port, enum reason reason, int error)
{
    struct session *session = greeting->owner;

    if (session->state == SESSION_STOPPING) {
        greeting_over(session);
        session_join(session);
        return;
    }
    if (reason == REASON_NONE && names_port(session->opening)) {
        session->port = port;
        if (!is_allowed(session->opening->route, port))
            reason = REASON_PORT_DENIED;
    }
    if (reason == REASON_NONE && session->opening->route->accept_proxy)
        reason = session_use_enter_source(session, &greeting->told);
    if (reason != REASON_NONE) {
        session_stop(session, reason, error);
        return;
    }
    struct proxy_header told = greeting->told;
    greeting_over(session);
    session->dial = slab_take(&session->sessions->dials);
    if (session->dial)
        connect_target(session, &told);
    else
        session_stop(session, REASON_NO_MEMORY, -ENOMEM);
}

static void begin(struct session *session)
{
    const struct opening *opening = session->opening;
    struct side *initiator = &session->sides[SIDE_INITIATOR];

    initiator->holds_half_close =
        holds_half_close(opening->listen->guest, opening->source, initiator->fd);
    enum reason full = session_use_enter(session);
    sweep_attend(session);
    if (full != REASON_NONE) {
        session_stop(session, full, 0);
    } else if (session->greets) {
        session->state = SESSION_GREETING;
        greeting_start(session->greeting, session->sessions->ring, initiator->fd,
                       greeting_parts(opening), opening->route->connect_timeout_ns, greeted,
                       session);
    } else {
        connect_target(session, &(struct proxy_header){.source.length = 0});
    }
}

static int refuse(const struct sessions *sessions, const struct arrival *arrival)
{
    ring_socket_reset(arrival->fd);
    if (arrival->fd_write != arrival->fd)
        ring_socket_close(arrival->fd_write);
    return sessions->slab.used == sessions->slab.max ? -EAGAIN : -ENOMEM;
}

int sessions_start(struct sessions *sessions, const struct arrival *arrival)
{
    struct session *session = slab_take(&sessions->slab);

    if (!session)
        return refuse(sessions, arrival);
    session->sessions = sessions;
    session->opening = arrival->opening;
    if (!take_beginning(session)) {
        slab_give(&sessions->slab, session);
        return refuse(sessions, arrival);
    }
    opening_ref(session->opening);
    session->number = atomic_fetch_add(sessions->numbers, 1) + 1;
    session->port = ENDPOINT_PORT_NAMED;
    session->counted = arrival->counted;
    session->target = arrival->opening->route->target_count == 1 ? 0 : BALANCE_NOBODY;
    for (unsigned i = 0; i < SIDE_COUNT; i++) {
        session->sides[i] = (struct side){.fd = -1, .fd_write = -1, .index = (uint8_t)i};
        session->lanes[i].source = (uint8_t)i;
    }
    struct side *initiator = &session->sides[SIDE_INITIATOR];
    initiator->fd = arrival->fd;
    initiator->fd_write = arrival->fd_write;
    initiator->transport = (uint8_t)arrival->transport;
    link_first(sessions, session);
    begin(session);
    return 0;
}

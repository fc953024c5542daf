/* The life of a session; lane.c moves its bytes. */
#include "proxy/session.h"

#include "proxy/lane.h"
#include "proxy/session_tell.h"
#include "proxy/session_use.h"
#include "proxy/tcp_options.h"
#include "proxy/vmm.h"
#include "ring/socket.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>

void sessions_init(struct sessions *sessions, struct ring *ring, struct resolver *resolver,
                   size_t max, const struct sessions_events *events, void *owner)
{
    *sessions = (struct sessions){
        .ring = ring,
        .resolver = resolver,
        .events = events,
        .owner = owner,
    };
    sessions->numbers = &sessions->numbers_own;
    sessions->shares = 1;
    slab_init(&sessions->slab, sizeof(struct session), max);
    slab_init(&sessions->dials, sizeof(struct dial), max);
    slab_init(&sessions->greetings, sizeof(struct greeting), max);
    sessions_limit(sessions, &(struct lane_limits)LANE_LIMITS);
}

void sessions_limit(struct sessions *sessions, const struct lane_limits *limits)
{
    sessions->limits = *limits;
    pool_init(&sessions->pool, sessions->ring, limits->pipe_bytes, limits->copy_bytes);
}

void sessions_deinit(struct sessions *sessions)
{
    assert(!sessions->first && !sessions->lines.first);
    ring_timer_disarm(sessions->ring, &sessions->sweep);
    slab_deinit(&sessions->slab);
    slab_deinit(&sessions->dials);
    slab_deinit(&sessions->greetings);
    chain_links_deinit(&sessions->links);
    pool_deinit(&sessions->pool);
}

size_t sessions_count(const struct sessions *sessions)
{
    return sessions->slab.used;
}

static struct session *session_of_timer(struct ring_timer *timer)
{
    return (void *)((char *)timer - offsetof(struct session, timer));
}

static void set_timer(struct session *session, uint64_t after_ns, ring_timer_handler *handler)
{
    struct ring *ring = session->sessions->ring;
    ring_timer_arm(ring, &session->timer, ring_now_ns(ring) + after_ns, handler);
}

/* Truncated streams do not end in good order. */
static void side_deinit(struct side *side, bool whole)
{
    if (side->fd_write >= 0 && side->fd_write != side->fd)
        ring_socket_close(side->fd_write);
    if (side->fd < 0)
        return;
    if (!whole) {
        ring_socket_reset(side->fd);
        return;
    }
    if (side->transport == TRANSPORT_TCP)
        tcp_options_close_whole(side->fd);
    ring_socket_close(side->fd);
}

static void session_release(struct session *session)
{
    struct sessions *sessions = session->sessions;
    bool whole = reason_whole(session->reason);

    sessions->totals.sessions++;
    for (unsigned i = 0; i < SIDE_COUNT; i++) {
        sessions->totals.bytes += session->lanes[i].bytes;
        lane_deinit(&session->lanes[i]);
        side_deinit(&session->sides[i], whole);
    }
    *session->link = session->next;
    if (session->next)
        session->next->link = session->link;
    session_use_leave(session);
    opening_unref(session->opening);
    slab_give(&sessions->slab, session);
    sessions->events->released(sessions->owner);
}

void session_join(struct session *session)
{
    assert(session->state == SESSION_STOPPING);
    for (unsigned i = 0; i < SIDE_COUNT; i++) {
        const struct side *side = &session->sides[i];
        const struct lane *lane = &session->lanes[i];
        if (lane->receive.in_flight || lane->send.in_flight || side->watch.in_flight ||
            side->cancel.in_flight || side->cancel_write.in_flight)
            return;
    }
    if (session->dial)
        return;
    session_release(session);
}

static struct session *session_of_side(struct side *side)
{
    return (void *)((char *)(side - side->index) - offsetof(struct session, sides));
}

static void cancelled(struct ring_op *op, int result, unsigned flags)
{
    session_join(session_of_side((void *)((char *)op - offsetof(struct side, cancel))));
}

static void cancelled_write(struct ring_op *op, int result, unsigned flags)
{
    session_join(session_of_side((void *)((char *)op - offsetof(struct side, cancel_write))));
}

/* Cancels what is in flight on the descriptors of a side. */
static void side_cancel(struct session *session, struct side *side)
{
    struct ring *ring = session->sessions->ring;
    bool reads = session->lanes[side->index].receive.in_flight || side->watch.in_flight;
    bool writes = session->lanes[!side->index].send.in_flight;

    if (reads || (writes && side->fd_write == side->fd))
        ring_cancel(ring, &side->cancel, cancelled, side->fd);
    if (writes && side->fd_write != side->fd)
        ring_cancel(ring, &side->cancel_write, cancelled_write, side->fd_write);
}

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

static void stop_connecting(struct session *session)
{
    if (session->greets && greeting_stop(session->greeting))
        greeting_over(session);
    else if (!session->greets && session->dial && dial_stop(session->dial))
        dial_over(session);
}

void session_stop(struct session *session, enum reason reason, int error)
{
    struct sessions *sessions = session->sessions;

    if (session->state == SESSION_STOPPING)
        return;
    session->reason = (uint8_t)reason;
    session->error = (int16_t)error;
    sessions->events->ended(sessions->owner, session);
    session->state = SESSION_STOPPING;
    ring_timer_disarm(sessions->ring, &session->timer);
    ring_timer_disarm(sessions->ring, &session->retry);
    stop_connecting(session);
    for (unsigned i = 0; i < SIDE_COUNT; i++)
        side_cancel(session, &session->sides[i]);
    session_join(session);
}

void sessions_stop_all(struct sessions *sessions, enum reason reason)
{
    struct session *next;
    for (struct session *session = sessions->first; session; session = next) {
        next = session->next;
        session_stop(session, reason, 0);
    }
}

void sessions_stop_guest(struct sessions *sessions, const struct guest_use *guest,
                         enum reason reason)
{
    struct session *next;
    for (struct session *session = sessions->first; session; session = next) {
        next = session->next;
        bool is_its = session->opening->source == guest || session->opening->target == guest;
        if (is_its && session->state == SESSION_RELAYING)
            session_stop(session, reason, 0);
    }
}

static void side_broke(struct session *session, struct side *side, int error)
{
    if (session->state == SESSION_CONNECTING)
        session_stop(session, REASON_INITIATOR_LEFT, error);
    else
        session_stop(session,
                     side->index == SIDE_INITIATOR ? REASON_INITIATOR_RESET : REASON_TARGET_RESET,
                     error);
}

static void watch(struct session *session, struct side *side);

/* Is the other end gone, and is the lane that writes to it to be told? A vsock socket with bytes
 * unread tells no hang-up, only that its other end writes no more. */
static bool tells_sink_gone(const struct session *session, const struct side *side, int events)
{
    int error;

    if (session->state != SESSION_RELAYING)
        return false;
    if (side->transport == TRANSPORT_VSOCK && events & POLLRDHUP)
        return ring_socket_peer_gone(side->fd, &error);
    return events & POLLHUP && session->lanes[side->index].state == LANE_ENDED;
}

/* An initiator that closed while it waits for a guest, and has said nothing. */
static bool has_left(const struct session *session, const struct side *side, int events)
{
    char byte;

    if (session->state != SESSION_CONNECTING || !(events & POLLHUP))
        return false;
    bool waits = session->opening->route->wait_ns > 0 || (session->dial && session->dial->line);
    return waits && ring_socket_receive_now(side->fd, &byte, 1, MSG_PEEK) <= 0;
}

/* Nothing is received from this side now, so nothing else tells of its reset. A hang-up alone is no
 * error: a Unix socket that was closed at the other end still holds what was sent before. */
static void watched(struct ring_op *op, int result, unsigned flags)
{
    struct side *side = (void *)((char *)op - offsetof(struct side, watch));
    struct session *session = session_of_side(side);

    if (session->state == SESSION_STOPPING) {
        session_join(session);
        return;
    }
    if (!(flags & RING_MORE) && result >= 0 && !(result & (POLLERR | POLLHUP)))
        watch(session, side);
    if (result < 0)
        session_stop(session, REASON_SYSTEM, result);
    else if (result & POLLERR)
        side_broke(session, side, ring_socket_error(side->fd));
    else if (has_left(session, side, result))
        session_stop(session, REASON_INITIATOR_LEFT, 0);
    else if (tells_sink_gone(session, side, result))
        lane_sink_gone(&session->lanes[!side->index]);
}

static void watch(struct session *session, struct side *side)
{
    ring_watch(session->sessions->ring, &side->watch, watched, side->fd);
}

void session_watch(struct session *session, struct side *side)
{
    if (!side->watch.in_flight && side->transport != TRANSPORT_FILE)
        watch(session, side);
}

static void probe(struct session *session, struct side *side);

static void probe_again(struct ring_timer *timer)
{
    struct session *session = session_of_timer(timer);

    for (unsigned i = 0; i < SIDE_COUNT; i++)
        if (session->lanes[i].state == LANE_ENDED) {
            probe(session, &session->sides[i]);
            return;
        }
}

/* The lane that reads this side has ended. Is the other end still there to be written to? */
static void probe(struct session *session, struct side *side)
{
    struct lane *towards = &session->lanes[!side->index];
    int error;

    if (side->transport == TRANSPORT_FILE)
        return;
    if (side->transport == TRANSPORT_TCP || !ring_socket_peer_gone(side->fd, &error)) {
        session_watch(session, side);
        if (side->transport == TRANSPORT_VSOCK)
            set_timer(session, SESSION_PROBE_NS, probe_again);
        return;
    }
    if (error)
        side_broke(session, side, error);
    else
        lane_sink_gone(towards);
}

static void finish(struct session *session)
{
    for (unsigned i = 0; i < SIDE_COUNT; i++) {
        const struct side *sink = &session->sides[!i];
        bool to_target = i == SIDE_INITIATOR;
        if (sink->error) {
            session_stop(session, to_target ? REASON_TARGET_RESET : REASON_INITIATOR_RESET,
                         sink->error);
            return;
        }
        if (session->lanes[i].lost) {
            session_stop(session, to_target ? REASON_TARGET_GONE : REASON_INITIATOR_GONE, 0);
            return;
        }
    }
    session_stop(session, REASON_DONE, 0);
}

static void retry(struct ring_timer *timer)
{
    struct session *session = (void *)((char *)timer - offsetof(struct session, retry));

    for (unsigned i = 0; i < SIDE_COUNT; i++)
        lane_retry(&session->lanes[i]);
}

void session_retry(struct session *session, int error)
{
    struct ring *ring = session->sessions->ring;

    if (session->retries++ == SESSION_RETRIES_MAX)
        session_stop(session, REASON_NO_MEMORY, error);
    else
        ring_timer_arm(ring, &session->retry, ring_now_ns(ring) + SESSION_RETRY_NS, retry);
}

static void discarded_enough(struct ring_timer *timer);

uint32_t session_delivered(const struct session *session)
{
    return (uint32_t)(session->lanes[0].bytes + session->lanes[1].bytes);
}

static void discard_for_a_while(struct session *session)
{
    session->delivered_past = session_delivered(session);
    set_timer(session, SESSION_DISCARD_NS, discarded_enough);
}

/* Nothing was dropped, and who reads what a side that is gone has sent takes his time. */
static bool waits_for_reader(const struct session *session)
{
    bool holds = false;

    for (unsigned i = 0; i < SIDE_COUNT; i++) {
        const struct lane *lane = &session->lanes[i];
        if (lane->lost)
            return false;
        holds |= lane->state == LANE_SENDING || lane->state == LANE_BLOCKED;
    }
    return holds;
}

/* A lane that still delivers is let go on; but a reset has to reach the other side. */
static void discarded_enough(struct ring_timer *timer)
{
    struct session *session = session_of_timer(timer);
    bool reset = session->sides[SIDE_INITIATOR].error || session->sides[SIDE_TARGET].error;

    bool delivers =
        session_delivered(session) != session->delivered_past || waits_for_reader(session);

    if (!reset && delivers)
        discard_for_a_while(session);
    else
        finish(session);
}

void session_lane_changed(struct session *session, struct lane *lane)
{
    const struct lane *other = &session->lanes[!lane->source];
    bool discarding = lane->state == LANE_DISCARDING;

    if (other->state == LANE_ENDED && (!discarding || session->sides[!lane->source].error))
        finish(session);
    else if (discarding || other->state == LANE_DISCARDING)
        discard_for_a_while(session);
    else
        probe(session, &session->sides[lane->source]);
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

/* The dial is at rest; it is given back once what the initiator told is needed no more. */
static void dialed(struct dial *dial, int fd, enum transport transport, enum reason reason,
                   int error)
{
    struct session *session = dial->options.owner;
    const struct opening *opening = session->opening;
    struct side *target = &session->sides[SIDE_TARGET];
    uint64_t took_ns = ring_now_ns(dial->ring) - dial->started_ns;

    if (session->state == SESSION_STOPPING) {
        dial_over(session);
        session_join(session);
        return;
    }
    if (reason != REASON_NONE) {
        session_stop(session, reason, error);
        return;
    }
    if (opening->use)
        route_times_add(&opening->use->connecting, took_ns);
    target->fd = fd;
    target->fd_write = fd;
    target->transport = (uint8_t)transport;
    target->holds_half_close = holds_half_close(opening->route->guest, opening->target, fd);
    session->state = SESSION_RELAYING;
    ring_timer_disarm(session->sessions->ring, &session->timer);
    reason = session_tell(session, &error);
    if (reason != REASON_NONE) {
        session_stop(session, reason, error);
        return;
    }
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

/* told: what a PROXY header told; NULL: there was none. */
static void connect_target(struct session *session, const struct proxy_header *told)
{
    struct sessions *sessions = session->sessions;
    const struct route *route = session->opening->route;
    unsigned wait_max = route->wait_max / sessions->shares;
    struct dial_options options = {
        .target = &route->target_resolved,
        .port = session->port,
        .guest = session->opening->target,
        .timeout_ns = route->connect_timeout_ns,
        .keepalive_ns = route->keepalive_ns,
        .owner = session,
        .wait_ns = route->wait_ns,
        .wait_phases = route->wait_phases,
        .wait_max = wait_max > 0 ? wait_max : 1,
        .lines = &sessions->lines,
    };

    if (told)
        options.told = *told;
    session->state = SESSION_CONNECTING;
    set_timer(session, SESSION_PATIENCE_NS, patience_over);
    dial_start(session->dial, sessions->ring, sessions->resolver, &options, dialed);
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
    if (full != REASON_NONE) {
        session_stop(session, full, 0);
    } else if (session->greets) {
        session->state = SESSION_GREETING;
        greeting_start(session->greeting, session->sessions->ring, initiator->fd,
                       greeting_parts(opening), opening->route->connect_timeout_ns, greeted,
                       session);
    } else {
        connect_target(session, NULL);
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
    session->port = arrival->opening->listen->target_port;
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

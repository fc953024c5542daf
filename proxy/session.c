/* The life of a session; lane.c moves its bytes. */
#include "proxy/session.h"

#include "proxy/lane.h"
#include "proxy/pace.h"
#include "proxy/session_internal.h"
#include "proxy/session_target.h"
#include "proxy/session_use.h"
#include "proxy/tcp_options.h"
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
    slab_init(&sessions->slab, sizeof(struct session), max);
    slab_init(&sessions->dials, sizeof(struct dial), max);
    slab_init(&sessions->greetings, sizeof(struct greeting), max);
    slab_init(&sessions->paces, sizeof(struct pace), max);
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
    for (unsigned way = 0; way < ROUTE_LANE_COUNT; way++)
        assert(sessions->lanes[way] == 0);
    ring_timer_disarm(sessions->ring, &sessions->sweep);
    slab_deinit(&sessions->slab);
    slab_deinit(&sessions->dials);
    slab_deinit(&sessions->greetings);
    slab_deinit(&sessions->paces);
    chain_links_deinit(&sessions->links);
    pool_deinit(&sessions->pool);
}

size_t sessions_count(const struct sessions *sessions)
{
    return sessions->slab.used;
}

struct session *session_of_timer(struct ring_timer *timer)
{
    return (void *)((char *)timer - offsetof(struct session, timer));
}

void session_set_timer(struct session *session, uint64_t after_ns, ring_timer_handler *handler)
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
    if (sessions->walked == session)
        sessions->walked = session->next;
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
        if (lane->receive.in_flight || lane->send.in_flight || side->watch.in_flight)
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

/* What yields is on no descriptor, and completes in the next turn. */
static void op_stop(struct ring *ring, struct ring_op *op)
{
    if (op->in_flight && op->fd >= 0)
        ring_stop(ring, op);
}

/* One by one: to cancel all that is on a descriptor, the kernel looks through the operations of all
 * sessions. */
static void stop_operations(struct session *session)
{
    struct ring *ring = session->sessions->ring;

    for (unsigned i = 0; i < SIDE_COUNT; i++) {
        op_stop(ring, &session->lanes[i].receive);
        op_stop(ring, &session->lanes[i].send);
        op_stop(ring, &session->sides[i].watch);
    }
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
    pace_end(session);
    session_begin_stop(session);
    stop_operations(session);
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
        bool is_its = session->opening->source == guest || session_target_guest(session) == guest;
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
            session_set_timer(session, SESSION_PROBE_NS, probe_again);
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
    session_set_timer(session, SESSION_DISCARD_NS, discarded_enough);
}

/* Nothing was dropped, and who reads what a side that is gone has sent takes his time, or has to be
 * given some by a bandwidth. */
static bool waits_for_reader(const struct session *session)
{
    bool holds = pace_waits(session);

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

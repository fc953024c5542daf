/* Counting sessions. */
#include "proxy/session_use.h"

#include "proxy/room.h"
#include "proxy/session_peer.h"
#include "proxy/session_target.h"
#include "proxy/sweep.h"

uint64_t session_use_age_ns(const struct session *session)
{
    return ring_now_ns(session->sessions->ring) - session->started_ns;
}

void session_use_wake(const struct session *session, uint64_t workers)
{
    struct sessions *sessions = session->sessions;

    if (workers && sessions->events->made_room)
        sessions->events->made_room(sessions->owner, workers);
}

/* A guest without room counts it as one that ended at once. */
static enum reason enter_room(struct session *session)
{
    struct guest_use *guest;
    room_workers woken;

    enum reason reason =
        room_enter(session->opening, ROOM_OF_OPENING, session->started_ns, &guest, &woken);
    session->counted = reason == REASON_NONE;
    if (guest)
        tally_add_end(&guest->tally, reason, 0);
    session_use_wake(session, woken);
    return reason;
}

enum reason session_use_enter_source(struct session *session, const struct proxy_header *told)
{
    const struct route *route = session->opening->route;
    const struct route_use *use = session->opening->use;
    struct access_peer peer;

    if (!use || (!route->source_sessions_max && !route->source_rate_max) ||
        !session_peer(session, told, &peer))
        return REASON_NONE;
    struct source_key key = source_key_of_peer(&peer);
    return source_use_enter(use->sources, &key, route->source_sessions_max, route->source_rate_max,
                            ring_now_ns(session->sessions->ring), &session->source);
}

/* Its source first: what that has too many of takes no room of others. */
enum reason session_use_enter(struct session *session)
{
    const struct route *route = session->opening->route;
    enum reason reason = REASON_NONE;

    session->started_ns = ring_now_ns(session->sessions->ring);
    if (!route->accept_proxy)
        reason = session_use_enter_source(session, NULL);
    if (reason == REASON_NONE && !session->counted)
        reason = enter_room(session);
    if (session->counted && route->target_count == 1)
        session_target_take_only(session);
    return reason;
}

static void add_bytes(const struct session *session, struct tally *tally,
                      enum tally_direction direction, uint64_t count)
{
    tally_add_bytes(tally, session->sessions->worker, direction, count);
}

/* What goes there goes to the guest of the target, and comes from the one that connected. */
void session_use_deliver(struct session *session, struct lane *lane, uint64_t count)
{
    const struct opening *opening = session->opening;
    struct guest_use *target = session_target_guest(session);
    bool there = lane->source == SIDE_INITIATOR;

    if (!there && lane->bytes == 0) {
        if (opening->use)
            times_add(&opening->use->tally.first_bytes, session_use_age_ns(session));
        if (target)
            times_add(&target->tally.first_bytes, session_use_age_ns(session));
    }
    lane->bytes += count;
    sweep_put_off(session);
    if (opening->use)
        add_bytes(session, &opening->use->tally, there ? TALLY_THERE : TALLY_BACK, count);
    if (target)
        add_bytes(session, &target->tally, there ? TALLY_THERE : TALLY_BACK, count);
    if (opening->source)
        add_bytes(session, &opening->source->tally, there ? TALLY_BACK : TALLY_THERE, count);
}

void session_use_connect(const struct session *session, uint64_t took_ns)
{
    const struct opening *opening = session->opening;
    struct guest_use *target = session_target_guest(session);

    if (opening->use)
        times_add(&opening->use->tally.connecting, took_ns);
    if (target)
        times_add(&target->tally.connecting, took_ns);
}

static void add_end(const struct session *session, struct guest_use *use)
{
    if (use)
        tally_add_end(&use->tally, session->reason, session_use_age_ns(session));
}

/* One that a limit refused has not begun, and counts for no rate. */
static room_workers leave_room(const struct session *session)
{
    const struct opening *opening = session->opening;
    bool of_source = session->reason == REASON_SOURCE_FULL || session->reason == REASON_SOURCE_RATE;

    if (of_source || !session->counted)
        room_give_back(opening, ROOM_OVER_ALL);
    if (!session->counted)
        return 0;
    return of_source ? room_give_back(opening, ROOM_OF_OPENING)
                     : room_leave(opening, ROOM_OF_OPENING);
}

void session_use_leave(struct session *session)
{
    const struct opening *opening = session->opening;

    if (session->of_target)
        add_end(session, session_target_guest(session));
    session_target_leave(session);
    if (session->counted)
        add_end(session, opening->source);
    if (opening->use)
        tally_add_end(&opening->use->tally, session->reason, session_use_age_ns(session));
    if (session->source)
        source_use_leave(session->source, ring_now_ns(session->sessions->ring));
    session_use_wake(session, leave_room(session));
    session->counted = false;
}

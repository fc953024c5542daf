/* Counting sessions. */
#include "proxy/session_use.h"

static uint32_t now_ms(const struct session *session)
{
    return (uint32_t)(ring_now_ns(session->sessions->ring) / 1000000);
}

uint64_t session_use_age_ns(const struct session *session)
{
    return (uint64_t)(now_ms(session) - session->started_ms) * 1000000;
}

enum reason session_use_enter(struct session *session)
{
    const struct opening *opening = session->opening;
    const struct route *route = opening->route;
    enum reason reason = REASON_NONE;

    session->started_ms = now_ms(session);
    if (opening->use)
        reason = route_use_enter(opening->use, route->sessions_max, route->rate_max,
                                 ring_now_ns(session->sessions->ring));
    if (reason != REASON_NONE)
        return reason;
    if (!guest_use_enter(opening->source, opening->listen->guest))
        return REASON_GUEST_FULL;
    if (guest_use_enter(opening->target, route->guest))
        return REASON_NONE;
    guest_use_leave(opening->source);
    return REASON_GUEST_FULL;
}

/* One that was never counted there is ended for these reasons, and others for others. */
static void leave_guests(const struct session *session)
{
    if (session->reason == REASON_GUEST_FULL || session->reason == REASON_ROUTE_FULL ||
        session->reason == REASON_RATE_EXCEEDED)
        return;
    guest_use_leave(session->opening->source);
    guest_use_leave(session->opening->target);
}

static void leave_route(const struct session *session)
{
    struct route_use *use = session->opening->use;

    if (!use)
        return;
    atomic_fetch_sub(&use->sessions, 1);
    atomic_fetch_add(&use->ended[session->reason], 1);
    atomic_fetch_add(&use->bytes_there, session->lanes[SIDE_INITIATOR].bytes);
    atomic_fetch_add(&use->bytes_back, session->lanes[SIDE_TARGET].bytes);
    route_times_add(&use->lasting, session_use_age_ns(session));
}

void session_use_leave(const struct session *session)
{
    leave_guests(session);
    leave_route(session);
}

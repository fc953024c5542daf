/* Counting sessions. */
#include "proxy/session_use.h"

#include "proxy/session_target.h"
#include "proxy/sweep.h"

uint64_t session_use_age_ns(const struct session *session)
{
    return ring_now_ns(session->sessions->ring) - session->started_ns;
}

/* Of a guest without room: counted as one that ended at once. */
static enum reason refuse_full(struct guest_use *use)
{
    tally_add_end(&use->tally, REASON_GUEST_FULL, 0);
    return REASON_GUEST_FULL;
}

enum reason session_use_enter(struct session *session)
{
    const struct opening *opening = session->opening;
    const struct route *route = opening->route;
    enum reason reason = REASON_NONE;

    session->started_ns = ring_now_ns(session->sessions->ring);
    if (opening->use)
        reason = route_use_enter(opening->use, route->sessions_max, route->rate_max,
                                 session->started_ns);
    if (reason != REASON_NONE)
        return reason;
    if (!guest_use_enter(opening->source, opening->listen->guest))
        return refuse_full(opening->source);
    session->of_source = true;
    if (route->target_count > 1 || session_target_enter_only(session))
        return REASON_NONE;
    return refuse_full(opening->targets[0].guest);
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

static void leave_guests(struct session *session)
{
    if (session->of_target)
        add_end(session, session_target_guest(session));
    session_target_leave(session);
    if (session->of_source) {
        add_end(session, session->opening->source);
        guest_use_leave(session->opening->source);
    }
    session->of_source = false;
}

static void leave_route(const struct session *session)
{
    struct route_use *use = session->opening->use;

    if (!use)
        return;
    atomic_fetch_sub(&use->sessions, 1);
    tally_add_end(&use->tally, session->reason, session_use_age_ns(session));
}

void session_use_leave(struct session *session)
{
    leave_guests(session);
    leave_route(session);
}

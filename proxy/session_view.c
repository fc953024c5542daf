/* Copies. */
#include "proxy/session_view.h"

#include "proxy/session_target.h"
#include "proxy/session_use.h"
#include "ring/socket.h"

bool session_filter_admits(const struct session_filter *filter, const struct session *session)
{
    const struct opening *opening = session->opening;

    if (filter->number && session->number != filter->number)
        return false;
    if (filter->use && opening->use != filter->use)
        return false;
    return !filter->guest || opening->source == filter->guest ||
           session_target_guest(session) == filter->guest;
}

static const struct proxy_header *told_to(const struct session *session)
{
    if (session->greets)
        return &session->greeting->told;
    return session->dial ? &session->dial->options.told : NULL;
}

void session_view_take(const struct session *session, struct session_view *ret)
{
    const struct side *initiator = &session->sides[SIDE_INITIATOR];
    const struct proxy_header *told = told_to(session);

    ret->opening = opening_ref(session->opening);
    ret->target = session_target(session);
    ret->target_guest = session_target_guest(session);
    ret->number = session->number;
    ret->age_ns = session_use_age_ns(session);
    ret->idle_ns = session_idle_ns(session);
    ret->port = session->port;
    ret->state = session->state;
    ret->waits =
        session->state == SESSION_CONNECTING && session->dial && session->dial->line != NULL;
    ret->transport = initiator->transport;
    for (unsigned i = 0; i < SIDE_COUNT; i++) {
        ret->bytes[i] = session->lanes[i].bytes;
        ret->ways[i] = session->lanes[i].way;
    }
    if (initiator->transport == TRANSPORT_FILE ||
        ring_socket_peer(initiator->fd, &ret->initiator.storage, &ret->initiator.length) < 0)
        ret->initiator.length = 0;
    ret->told.length = 0;
    if (told && told->source.length > 0)
        ret->told = told->source;
}

void session_view_drop(struct session_view *view)
{
    opening_unref(view->opening);
}

void sessions_walk_begin(struct sessions *sessions)
{
    sessions->walked = sessions->first;
}

struct session *sessions_walk_next(struct sessions *sessions)
{
    struct session *session = sessions->walked;

    if (session)
        sessions->walked = session->next;
    return session;
}

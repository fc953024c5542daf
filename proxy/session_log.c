/* The line of a session that ended in error. */
#include "proxy/session_log.h"

#include "proxy/log.h"
#include "ring/socket.h"

#include <inttypes.h>
#include <stdio.h>

static void format_initiator(const struct session *session, char text[static ENDPOINT_TEXT_BYTES])
{
    const struct side *initiator = &session->sides[SIDE_INITIATOR];
    struct address address;

    /* A connection that was reset has no name any more. */
    snprintf(text, ENDPOINT_TEXT_BYTES, "unknown");
    if (initiator->transport == TRANSPORT_FILE)
        snprintf(text, ENDPOINT_TEXT_BYTES, "standard input");
    else if (ring_socket_peer(initiator->fd, &address.storage, &address.length) == 0)
        address_format(&address, text);
}

void session_log_end(const struct session *session)
{
    char initiator[ENDPOINT_TEXT_BYTES];
    char target[ENDPOINT_TEXT_BYTES];

    if (reason_whole(session->reason))
        return;
    format_initiator(session, initiator);
    struct endpoint endpoint = session->opening->route->target_resolved;
    endpoint.port = session->port;
    endpoint_format(&endpoint, target);
    log_line("route %s session %" PRIu64 ": ended: %s: %s (%s); from %s to %s, %" PRIu64
             " bytes there, %" PRIu64 " back",
             session->opening->route->name, session->number, reason_token(session->reason),
             reason_text(session->reason), reason_detail(session->reason, session->error),
             initiator, target, session->lanes[SIDE_INITIATOR].bytes,
             session->lanes[SIDE_TARGET].bytes);
}

/* The line of a session that ended in error. */
#include "proxy/session_log.h"

#include "proxy/log.h"
#include "ring/socket.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TOLD_TEXT_BYTES (ENDPOINT_TEXT_BYTES + 16)

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

/* What a PROXY header told, while it is still known. Names of Unix sockets are anybody's text. */
static void format_told(const struct session *session, char text[static TOLD_TEXT_BYTES])
{
    static const char behind[] = ", through ";
    const struct proxy_header *told = NULL;

    if (session->greets)
        told = &session->greeting->told;
    else if (session->dial)
        told = &session->dial->options.told;
    text[0] = '\0';
    if (!told || told->source.length == 0)
        return;
    address_format(&told->source, text);
    for (char *c = text; *c; c++)
        if (!isprint((unsigned char)*c))
            *c = '?';
    strcat(text, behind);
}

void session_log_end(const struct session *session)
{
    char told[TOLD_TEXT_BYTES];
    char initiator[ENDPOINT_TEXT_BYTES];
    char target[ENDPOINT_TEXT_BYTES];

    if (reason_whole(session->reason))
        return;
    format_told(session, told);
    format_initiator(session, initiator);
    struct endpoint endpoint = session->opening->route->target_resolved;
    endpoint.port = session->port;
    endpoint_format(&endpoint, target);
    log_line("route %s session %" PRIu64 ": ended: %s: %s (%s); from %s%s to %s, %" PRIu64
             " bytes there, %" PRIu64 " back",
             session->opening->route->name, session->number, reason_token(session->reason),
             reason_text(session->reason), reason_detail(session->reason, session->error), told,
             initiator, target, session->lanes[SIDE_INITIATOR].bytes,
             session->lanes[SIDE_TARGET].bytes);
}

/* The line of a session that ended in error. */
#include "proxy/session_log.h"

#include "proxy/log.h"
#include "proxy/session_target.h"
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

static void format_target(const struct session *session, char text[static ENDPOINT_TEXT_BYTES])
{
    const struct route_target *target = session_target(session);

    if (!target) {
        snprintf(text, ENDPOINT_TEXT_BYTES, "no target yet");
        return;
    }
    struct endpoint endpoint = target->resolved;
    endpoint.port = session->port;
    endpoint_format(&endpoint, text);
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
    format_target(session, target);
    log_line("route %s session %" PRIu64 ": ended: %s: %s (%s); from %s%s to %s, %" PRIu64
             " bytes there, %" PRIu64 " back",
             session->opening->route->name, session->number, reason_token(session->reason),
             reason_text(session->reason), reason_detail(session->reason, session->error), told,
             initiator, target, session->lanes[SIDE_INITIATOR].bytes,
             session->lanes[SIDE_TARGET].bytes);
}

void session_log_target(const struct session *session, enum reason reason, int error)
{
    const struct opening *opening = session->opening;
    const char *name = opening->targets[session->target].use->name;

    if (reason == REASON_NONE)
        log_line("route %s: target %s is up again", opening->route->name, name);
    else
        log_line("route %s: target %s is down: %s: %s (%s)", opening->route->name, name,
                 reason_token(reason), reason_text(reason), reason_detail(reason, error));
}

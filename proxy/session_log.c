/* The line of a session that has ended. */
#include "proxy/session_log.h"

#include "proxy/log.h"
#include "proxy/log_flood.h"
#include "proxy/session_source.h"
#include "proxy/session_target.h"
#include "proxy/session_use.h"
#include "ring/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FIELDS_MAX     12
#define DURATION_BYTES 32

/* What an initiator does to itself is its own affair; what we lack is ours. */
static int priority_of(enum reason reason)
{
    switch (reason) {
    case REASON_DONE: return LOG_INFO;
    case REASON_INITIATOR_RESET:
    case REASON_INITIATOR_GONE:
    case REASON_INITIATOR_LEFT:
    case REASON_CONNECT_SILENT:
    case REASON_CONNECT_GARBAGE:
    case REASON_PROXY_SILENT:
    case REASON_PROXY_GARBAGE:
    case REASON_PORT_DENIED:
    case REASON_ENDED_BY_OPERATOR: return LOG_NOTICE;
    case REASON_NO_DESCRIPTORS:
    case REASON_NO_MEMORY:
    case REASON_SYSTEM: return LOG_ERR;
    default: return LOG_WARNING;
    }
}

struct fields {
    struct log_field fields[FIELDS_MAX];
    size_t count;
};

static void add_text(struct fields *fields, const char *name, const char *text)
{
    if (text && *text)
        fields->fields[fields->count++] = (struct log_field){.name = name, .text = text};
}

static void add_number(struct fields *fields, const char *name, uint64_t number)
{
    fields->fields[fields->count++] = (struct log_field){.name = name, .number = number};
}

/* The one at the target, else the one that connects. */
static const char *guest_of(const struct session *session)
{
    const struct guest_use *guest = session_target_guest(session);

    if (!guest)
        guest = session->opening->source;
    return guest ? guest->name : NULL;
}

static void add_all(struct fields *fields, const struct session *session,
                    const struct session_source *source, const char *target)
{
    add_text(fields, "ROUTE", session->opening->route->name);
    add_number(fields, "SESSION", session->number);
    add_text(fields, "GUEST", guest_of(session));
    add_text(fields, "REASON", reason_token(session->reason));
    if (session->error)
        add_text(fields, "DETAIL", reason_detail(session->reason, session->error));
    add_text(fields, "INITIATOR", source->initiator);
    add_text(fields, "PROXY_SOURCE", source->told);
    if (session_target(session))
        add_text(fields, "TARGET", target);
    add_number(fields, "BYTES_THERE", session->lanes[SIDE_INITIATOR].bytes);
    add_number(fields, "BYTES_BACK", session->lanes[SIDE_TARGET].bytes);
    add_number(fields, "DURATION_USEC", session_use_age_ns(session) / 1000);
}

/* Of a route with access-log, how long it lasted. */
static void format_duration(const struct session *session, char text[static DURATION_BYTES])
{
    uint64_t ms = session_use_age_ns(session) / 1000000;

    text[0] = '\0';
    if (session->opening->route->access_log)
        snprintf(text, DURATION_BYTES, ", %" PRIu64 ".%03" PRIu64 " s", ms / 1000, ms % 1000);
}

static void format_detail(const struct session *session, char *text, size_t bytes)
{
    text[0] = '\0';
    if (!reason_whole(session->reason))
        snprintf(text, bytes, " (%s)", reason_detail(session->reason, session->error));
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

static void tell(const struct session *session)
{
    bool whole = reason_whole(session->reason);
    char target[ENDPOINT_TEXT_BYTES], duration[DURATION_BYTES], detail[256];
    struct session_source source;
    struct fields fields = {.count = 0};

    session_source_take(session, &source);
    format_target(session, target);
    format_duration(session, duration);
    format_detail(session, detail, sizeof(detail));
    add_all(&fields, session, &source, target);
    struct log_event event = {
        .priority = priority_of(session->reason),
        .id = whole ? LOG_ID_SESSION : LOG_ID_FAILED,
        .fields = fields.fields,
        .field_count = fields.count,
    };
    log_event(&event,
              "route %s session %" PRIu64 ": ended: %s: %s%s; from %s%s%s to %s, %" PRIu64
              " bytes there, %" PRIu64 " back%s",
              session->opening->route->name, session->number, reason_token(session->reason),
              reason_text(session->reason), detail, source.told, *source.told ? ", through " : "",
              source.initiator, target, session->lanes[SIDE_INITIATOR].bytes,
              session->lanes[SIDE_TARGET].bytes, duration);
}

void session_log_end(const struct session *session)
{
    const struct route *route = session->opening->route;

    if (route->access_log ||
        (!reason_whole(session->reason) &&
         log_flood_admit(route->name, reason_token(session->reason), clock_ns())))
        tell(session);
}

void session_log_target(const struct session *session, enum reason reason, int error)
{
    const struct opening *opening = session->opening;
    const char *name = opening->targets[session->target].use->name;

    if (reason == REASON_NONE)
        log_of_target(opening->route->name, name, true, "route %s: target %s is up again",
                      opening->route->name, name);
    else
        log_of_target(opening->route->name, name, false, "route %s: target %s is down: %s: %s (%s)",
                      opening->route->name, name, reason_token(reason), reason_text(reason),
                      reason_detail(reason, error));
}

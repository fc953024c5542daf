/* What the handlers do. */
#include "proxy/admin_actions.h"

#include "config/name.h"
#include "proxy/admin_metrics.h"
#include "proxy/admin_orders.h"
#include "proxy/admin_sessions.h"
#include "proxy/admin_status.h"
#include "proxy/log.h"
#include "proxy/workers.h"

#include <stdlib.h>
#include <string.h>

struct listing {
    FILE *stream;
    bool any;
};

static void print_guest(void *argument, const struct guest_use *use)
{
    struct listing *listing = argument;

    fputs(listing->any ? ",\n" : "\n", listing->stream);
    listing->any = true;
    fputs("  {\"name\": ", listing->stream);
    admin_print_string(listing->stream, use->name);
    fputs(", \"address\": ", listing->stream);
    admin_print_string(listing->stream, use->address);
    fprintf(listing->stream, ", \"sessions\": %u, \"frozen\": %s, \"held\": %u}",
            atomic_load(&use->sessions), atomic_load(&use->frozen) ? "true" : "false",
            atomic_load(&use->waiting));
}

static int list(void *owner, struct admin_request *request)
{
    const struct admin_actions *actions = owner;
    struct listing listing = {.stream = request->answer};

    fputs("{\"guests\": [", request->answer);
    guest_uses_visit(&actions->uses->guests, print_guest, &listing);
    fputs(listing.any ? "\n]}\n" : "]}\n", request->answer);
    return 200;
}

/* The known name that is nearest to a wrong one. */
struct suggestion {
    struct name_search search;
    char name[NAME_BYTES_MAX + 1];
};

static void offer(void *argument, const struct guest_use *use)
{
    struct suggestion *suggestion = argument;

    name_search_offer(&suggestion->search, use->name);
    if (suggestion->search.best)
        snprintf(suggestion->name, sizeof(suggestion->name), "%s", suggestion->search.best);
}

static int refuse_unknown(const struct admin_actions *actions, struct admin_request *request)
{
    const char *name = request->values[0];
    struct suggestion suggestion = {.name = ""};

    name_search_init(&suggestion.search, name);
    guest_uses_visit(&actions->uses->guests, offer, &suggestion);
    if (suggestion.search.best)
        return admin_refuse(request, 404, "there is no guest '%s'; did you mean '%s'?", name,
                            suggestion.name);
    return admin_refuse(
        request, 404, "there is no guest '%s' in any route; 'vsluice guest list' shows them", name);
}

static int answer(struct admin_request *request, const struct guest_use *use)
{
    fputs("{\"name\": ", request->answer);
    admin_print_string(request->answer, use->name);
    fprintf(request->answer, ", \"frozen\": %s, \"sessions\": %u}\n",
            atomic_load(&use->frozen) ? "true" : "false", atomic_load(&use->sessions));
    return 200;
}

static int freeze(void *owner, struct admin_request *request)
{
    struct admin_actions *actions = owner;
    const char *sessions = admin_request_parameter(request, "sessions");
    bool end = sessions && strcmp(sessions, "end") == 0;

    if (sessions && !end && strcmp(sessions, "keep") != 0)
        return admin_refuse(request, 400, "'%s' is no value of 'sessions'; give it keep or end",
                            sessions);
    struct guest_use *use = guest_use_find(&actions->uses->guests, request->values[0]);
    if (!use)
        return refuse_unknown(actions, request);
    guest_use_freeze(use, true);
    log_of("GUEST", use->name, LOG_NOTICE, "guest %s: frozen: new sessions wait, %u %s", use->name,
           atomic_load(&use->sessions), end ? "end" : "go on");
    if (end)
        workers_end_guest(actions->workers, use);
    int status = answer(request, use);
    guest_use_put(use);
    return status;
}

static int thaw(void *owner, struct admin_request *request)
{
    struct admin_actions *actions = owner;
    struct guest_use *use = guest_use_find(&actions->uses->guests, request->values[0]);

    if (!use)
        return refuse_unknown(actions, request);
    guest_use_freeze(use, false);
    log_of("GUEST", use->name, LOG_NOTICE, "guest %s: thawed: %u sessions have waited", use->name,
           atomic_load(&use->waiting));
    int status = answer(request, use);
    guest_use_put(use);
    return status;
}

const struct admin_route admin_actions_routes[ADMIN_ACTIONS_COUNT] = {
    {"GET", "/guests", list, {0}},
    {"POST", "/guests/{name}/freeze", freeze, {"sessions"}},
    {"POST", "/guests/{name}/thaw", thaw, {0}},
    {"POST", "/reload", admin_reload, {0}},
    {"GET", "/routes", admin_routes_list, {0}},
    {"POST", "/routes", admin_routes_add, {0}},
    {"DELETE", "/routes/{name}", admin_routes_remove, {0}},
    {"POST", "/routes/{name}/drain", admin_routes_drain, {"timeout"}},
    {"DELETE", "/routes/{name}/drain", admin_routes_undo_drain, {0}},
    {"GET", "/sessions", admin_sessions_list, {"route", "guest", "limit"}},
    {"POST", "/sessions/end", admin_sessions_end, {"route", "guest"}},
    {"POST", "/sessions/{number}/end", admin_sessions_end_one, {0}},
    {"GET", "/metrics", admin_metrics, {0}},
    {"GET", "/status", admin_status, {0}},
};

/* Inquiries, and what comes of them as JSON. */
#include "proxy/admin_sessions.h"

#include "config/name.h"
#include "proxy/admin_actions.h"
#include "proxy/log.h"
#include "proxy/workers.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Other clients wait meanwhile, and for ADMIN_SILENT_S_MAX at most. */
#define PATIENCE_STEP_S    1
#define PATIENCE_STEPS_MAX 6

static const char *const state_names[] = {
    [SESSION_FREE] = "free",
    [SESSION_GREETING] = "greeting",
    [SESSION_CONNECTING] = "connecting",
    [SESSION_RELAYING] = "relaying",
    [SESSION_STOPPING] = "stopping",
};

int admin_sessions_ask(struct admin_actions *actions, struct admin_request *request,
                       struct inquiry *inquiry)
{
    unsigned silent;
    bool turns;

    workers_ask(actions->workers, inquiry);
    if (workers_await_answers(actions->workers, inquiry, PATIENCE_STEP_S * UINT64_C(1000000000),
                              PATIENCE_STEPS_MAX, &silent, &turns))
        return 0;
    if (turns)
        return admin_refuse(request, 503,
                            "worker %u has not answered within %d s: it has too much to do; try "
                            "again",
                            silent, PATIENCE_STEPS_MAX * PATIENCE_STEP_S);
    return admin_refuse(request, 503,
                        "worker %u has not answered, and has done nothing else for %d s: its "
                        "sessions stand still; try again, or restart vsluice",
                        silent, PATIENCE_STEP_S);
}

/* The known name that is nearest to a wrong one. */
struct suggestion {
    struct name_search search;
    char name[ENDPOINT_TEXT_BYTES + NAME_BYTES_MAX + 2];
};

static void offer(struct suggestion *suggestion, const char *name)
{
    name_search_offer(&suggestion->search, name);
    if (suggestion->search.best == name)
        snprintf(suggestion->name, sizeof(suggestion->name), "%s", name);
}

static void offer_route(void *suggestion, const struct route_use *use)
{
    offer(suggestion, use->name);
}

static void offer_guest(void *suggestion, const struct guest_use *use)
{
    offer(suggestion, use->name);
}

int admin_refuse_route(struct admin_actions *actions, struct admin_request *request,
                       const char *name)
{
    struct suggestion suggestion = {.name = ""};

    name_search_init(&suggestion.search, name);
    route_uses_visit(&actions->uses->routes, offer_route, &suggestion);
    if (*suggestion.name)
        return admin_refuse(request, 404, "there is no route '%s'; did you mean '%s'?", name,
                            suggestion.name);
    return admin_refuse(request, 404, "there is no route '%s'; 'vsluice route list' shows them",
                        name);
}

static int refuse_guest(struct admin_actions *actions, struct admin_request *request,
                        const char *name)
{
    struct suggestion suggestion = {.name = ""};

    name_search_init(&suggestion.search, name);
    guest_uses_visit(&actions->uses->guests, offer_guest, &suggestion);
    if (*suggestion.name)
        return admin_refuse(request, 404, "there is no guest '%s'; did you mean '%s'?", name,
                            suggestion.name);
    return admin_refuse(request, 404, "there is no guest '%s'; 'vsluice guest list' shows them",
                        name);
}

/* Whole and positive, up to so much. */
static bool read_number(const char *text, uint64_t max, uint64_t *ret)
{
    uint64_t number = 0;

    for (const char *c = text; *c; c++) {
        uint64_t digit = (uint64_t)(*c - '0');
        if (!isdigit((unsigned char)*c) || number > (max - digit) / 10)
            return false;
        number = 10 * number + digit;
    }
    *ret = number;
    return *text && number <= max;
}

/* An inquiry about the sessions of the route and the guest that the query names. 0; or the status
 * of an error. */
static int make_inquiry(struct admin_actions *actions, struct admin_request *request,
                        const struct inquiry_options *options, struct inquiry **ret)
{
    const char *route = admin_request_parameter(request, "route");
    const char *guest = admin_request_parameter(request, "guest");
    struct route_use *use = route ? route_use_find(&actions->uses->routes, route) : NULL;

    if (route && !use)
        return admin_refuse_route(actions, request, route);
    struct guest_use *of = guest ? guest_use_find(&actions->uses->guests, guest) : NULL;
    if (guest && !of) {
        route_use_put(use);
        return refuse_guest(actions, request, guest);
    }
    *ret = inquiry_new(options, workers_count(actions->workers), use, of);
    return *ret ? 0 : admin_refuse(request, 503, "out of memory; try again");
}

/* A view, and whose it is. */
struct listed {
    const struct session_view *view;
    unsigned worker;
};

static int latest_first(const void *one, const void *other)
{
    uint64_t a = ((const struct listed *)one)->view->number;
    uint64_t b = ((const struct listed *)other)->view->number;

    return (a < b) - (a > b);
}

static void print_guest(FILE *stream, const char *key, const struct guest_use *use)
{
    fprintf(stream, ", \"%s\": ", key);
    if (use)
        admin_print_string(stream, use->name);
    else
        fputs("null", stream);
}

static void print_address(FILE *stream, const char *key, const struct address *address)
{
    char text[ENDPOINT_TEXT_BYTES];

    fprintf(stream, ", \"%s\": ", key);
    if (address->length == 0) {
        fputs("null", stream);
        return;
    }
    address_format(address, text);
    admin_print_string(stream, text);
}

static void print_seconds(FILE *stream, const char *key, uint64_t ns)
{
    if (ns == UINT64_MAX)
        fprintf(stream, ", \"%s\": null", key);
    else
        fprintf(stream, ", \"%s\": %" PRIu64 ".%03u", key, ns / 1000000000,
                (unsigned)(ns / 1000000 % 1000));
}

/* A lane that has yet to begin has none. */
static void print_way(FILE *stream, const char *key, unsigned way)
{
    if (way == ROUTE_LANE_AUTO)
        fprintf(stream, ", \"%s\": null", key);
    else
        fprintf(stream, ", \"%s\": \"%s\"", key, route_lane_names[way]);
}

static void print_target(FILE *stream, const struct session_view *view)
{
    char text[ENDPOINT_TEXT_BYTES];

    if (!view->target) {
        fputs(", \"target\": null", stream);
        return;
    }
    struct endpoint target = view->target->resolved;
    target.port = view->port;
    endpoint_format(&target, text);
    fputs(", \"target\": ", stream);
    admin_print_string(stream, text);
}

static void print_session(FILE *stream, const struct listed *listed)
{
    const struct session_view *view = listed->view;
    const struct opening *opening = view->opening;

    fprintf(stream, "  {\"number\": %" PRIu64 ", \"route\": ", view->number);
    admin_print_string(stream, opening->route->name);
    print_guest(stream, "source_guest", opening->source);
    print_guest(stream, "target_guest", view->target_guest);
    fprintf(stream, ", \"state\": \"%s\"", view->waits ? "waiting" : state_names[view->state]);
    print_address(stream, "initiator", &view->initiator);
    print_address(stream, "told", &view->told);
    print_target(stream, view);
    print_seconds(stream, "age", view->age_ns);
    print_seconds(stream, "idle", view->idle_ns);
    fprintf(stream, ", \"bytes_there\": %" PRIu64 ", \"bytes_back\": %" PRIu64,
            view->bytes[SIDE_INITIATOR], view->bytes[SIDE_TARGET]);
    print_way(stream, "way_there", view->ways[SIDE_INITIATOR]);
    print_way(stream, "way_back", view->ways[SIDE_TARGET]);
    fprintf(stream, ", \"worker\": %u}", listed->worker);
}

static int print_sessions(struct admin_request *request, const struct inquiry *inquiry,
                          size_t limit)
{
    size_t matching = 0;
    size_t count = 0;

    for (unsigned i = 0; i < inquiry->count; i++) {
        matching += inquiry->parts[i].matching;
        count += inquiry->parts[i].count;
    }
    struct listed *all = calloc(count + 1, sizeof(*all));
    if (!all)
        return admin_refuse(request, 503, "out of memory; try again");
    count = 0;
    for (unsigned i = 0; i < inquiry->count; i++)
        for (size_t j = 0; j < inquiry->parts[i].count; j++)
            all[count++] = (struct listed){&inquiry->parts[i].views[j], i};
    qsort(all, count, sizeof(*all), latest_first);
    fprintf(request->answer, "{\"matching\": %zu, \"sessions\": [", matching);
    size_t shown = count < limit ? count : limit;
    for (size_t i = 0; i < shown; i++) {
        fputs(i ? ",\n" : "\n", request->answer);
        print_session(request->answer, &all[i]);
    }
    fputs(shown ? "\n]}\n" : "]}\n", request->answer);
    free(all);
    return 200;
}

int admin_sessions_list(void *owner, struct admin_request *request)
{
    struct admin_actions *actions = owner;
    const char *text = admin_request_parameter(request, "limit");
    struct inquiry *inquiry;
    uint64_t limit = ADMIN_SESSIONS_DEFAULT;

    if (text && !read_number(text, ADMIN_SESSIONS_MAX, &limit))
        return admin_refuse(request, 400, "'%.200s' is no limit; give a number up to %d", text,
                            ADMIN_SESSIONS_MAX);
    struct inquiry_options options = {.kind = INQUIRY_LIST, .views_max = limit};
    int status = make_inquiry(actions, request, &options, &inquiry);
    if (status)
        return status;
    status = admin_sessions_ask(actions, request, inquiry);
    if (status == 0)
        status = print_sessions(request, inquiry, limit);
    inquiry_unref(inquiry);
    return status;
}

/* How many are ended; `ret_status`: 0, or of an error. */
static size_t end(struct admin_actions *actions, struct admin_request *request,
                  const struct inquiry_options *options, int *ret_status)
{
    struct inquiry *inquiry;
    size_t ended = 0;

    *ret_status = make_inquiry(actions, request, options, &inquiry);
    if (*ret_status)
        return 0;
    *ret_status = admin_sessions_ask(actions, request, inquiry);
    if (*ret_status == 0)
        for (unsigned i = 0; i < inquiry->count; i++)
            ended += inquiry->parts[i].matching;
    inquiry_unref(inquiry);
    return ended;
}

static const struct inquiry_options ending = {
    .kind = INQUIRY_END,
    .reason = REASON_ENDED_BY_OPERATOR,
};

int admin_sessions_end_one(void *owner, struct admin_request *request)
{
    struct inquiry_options options = ending;
    int status;

    if (!read_number(request->values[0], UINT64_MAX, &options.filter.number) ||
        options.filter.number == 0)
        return admin_refuse(request, 400,
                            "'%.200s' is no number of a session; 'vsluice sessions' shows them",
                            request->values[0]);
    size_t ended = end(owner, request, &options, &status);
    if (status)
        return status;
    if (ended == 0)
        return admin_refuse(request, 404,
                            "there is no session %" PRIu64
                            "; it may have ended, and 'vsluice sessions' shows those there are",
                            options.filter.number);
    fprintf(request->answer, "{\"ended\": %zu}\n", ended);
    return 200;
}

int admin_sessions_end(void *owner, struct admin_request *request)
{
    const char *route = admin_request_parameter(request, "route");
    const char *guest = admin_request_parameter(request, "guest");
    int status;

    if (!route && !guest)
        return admin_refuse(request, 400,
                            "say whose sessions are to end: give 'route', 'guest' or both");
    size_t ended = end(owner, request, &ending, &status);
    if (status)
        return status;
    log_line("%zu session%s%s%s%s%s ended by an operator", ended, ended == 1 ? "" : "s",
             route ? " of route " : "", route ? route : "", guest ? " of guest " : "",
             guest ? guest : "");
    fprintf(request->answer, "{\"ended\": %zu}\n", ended);
    return 200;
}

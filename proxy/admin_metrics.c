/* Counters in the text format of OpenMetrics 1.0, and in JSON.
 *
 * https://prometheus.io/docs/specs/om/open_metrics_spec/
 */
#include "proxy/admin_metrics.h"

#include "proxy/admin_actions.h"
#include "proxy/uses.h"
#include "proxy/workers.h"

#include <inttypes.h>

typedef void route_printer(FILE *stream, const struct route_use *use);

/* A metric of routes, and what is printed of each. */
struct family {
    const char *name;
    const char *type;
    const char *help;
    route_printer *print;
};

/* Names of routes hold nothing that a label would have to escape but quotation marks and
 * backslashes of paths. */
static void print_label(FILE *stream, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', stream);
        fputc(*text, stream);
    }
}

static void print_series(FILE *stream, const char *name, const struct route_use *use)
{
    fprintf(stream, "%s{route=\"", name);
    print_label(stream, use->name);
    fputc('"', stream);
}

static void print_sessions(FILE *stream, const struct route_use *use)
{
    print_series(stream, "vsluice_sessions", use);
    fprintf(stream, "} %u\n", atomic_load(&use->sessions));
}

static void print_turned_away(FILE *stream, const struct route_use *use)
{
    print_series(stream, "vsluice_connections_refused_total", use);
    fprintf(stream, "} %" PRIu64 "\n", (uint64_t)atomic_load(&use->turned_away));
}

static void print_ended(FILE *stream, const struct route_use *use)
{
    for (unsigned i = REASON_DONE; i < REASON_COUNT; i++) {
        uint64_t count = atomic_load(&use->tally.ended[i]);
        if (count == 0 && i != REASON_DONE)
            continue;
        print_series(stream, "vsluice_sessions_ended_total", use);
        fprintf(stream, ",reason=\"%s\"} %" PRIu64 "\n", reason_token(i), count);
    }
}

static void print_bytes(FILE *stream, const struct route_use *use)
{
    print_series(stream, "vsluice_relayed_bytes_total", use);
    fprintf(stream, ",direction=\"there\"} %" PRIu64 "\n", tally_bytes(&use->tally, TALLY_THERE));
    print_series(stream, "vsluice_relayed_bytes_total", use);
    fprintf(stream, ",direction=\"back\"} %" PRIu64 "\n", tally_bytes(&use->tally, TALLY_BACK));
}

static void print_times(FILE *stream, const char *name, const struct route_use *use,
                        const struct times *times)
{
    char series[64];
    uint64_t count = 0;

    snprintf(series, sizeof(series), "%s_bucket", name);
    for (unsigned i = 0; i <= times->bounds->count; i++) {
        count += atomic_load(&times->counts[i]);
        print_series(stream, series, use);
        if (i < times->bounds->count)
            fprintf(stream, ",le=\"%g\"} %" PRIu64 "\n", (double)times->bounds->ns[i] / 1e9, count);
        else
            fprintf(stream, ",le=\"+Inf\"} %" PRIu64 "\n", count);
    }
    snprintf(series, sizeof(series), "%s_count", name);
    print_series(stream, series, use);
    fprintf(stream, "} %" PRIu64 "\n", count);
    snprintf(series, sizeof(series), "%s_sum", name);
    print_series(stream, series, use);
    fprintf(stream, "} %.6f\n", (double)atomic_load(&times->sum_ns) / 1e9);
}

static void print_connecting(FILE *stream, const struct route_use *use)
{
    print_times(stream, "vsluice_connect_seconds", use, &use->tally.connecting);
}

static void print_first_bytes(FILE *stream, const struct route_use *use)
{
    print_times(stream, "vsluice_first_byte_seconds", use, &use->tally.first_bytes);
}

static void print_lasting(FILE *stream, const struct route_use *use)
{
    print_times(stream, "vsluice_session_seconds", use, &use->tally.lasting);
}

static const struct family families[] = {
    {"vsluice_sessions", "gauge", "Sessions that are open.", print_sessions},
    {"vsluice_connections_refused", "counter", "Connections that 'allow' and 'deny' refused.",
     print_turned_away},
    {"vsluice_sessions_ended", "counter", "Sessions that have ended, by reason.", print_ended},
    {"vsluice_relayed_bytes", "counter", "Bytes relayed so far, there (to the target) and back.",
     print_bytes},
    {"vsluice_connect_seconds", "histogram",
     "From the accepting of a connection until its target was reached.", print_connecting},
    {"vsluice_first_byte_seconds", "histogram",
     "From the accepting of a connection until its target's first byte was handed on.",
     print_first_bytes},
    {"vsluice_session_seconds", "histogram", "How long sessions lasted that have ended.",
     print_lasting},
};

struct visit {
    FILE *stream;
    route_printer *print;
    bool any;
};

static void visit_route(void *argument, const struct route_use *use)
{
    const struct visit *visit = argument;
    visit->print(visit->stream, use);
}

static void print_guest_sessions(void *argument, const struct guest_use *use)
{
    fprintf(argument, "vsluice_guest_sessions{guest=\"%s\"} %u\n", use->name,
            atomic_load(&use->sessions));
}

static void print_guest_waiting(void *argument, const struct guest_use *use)
{
    fprintf(argument, "vsluice_guest_waiting{guest=\"%s\"} %u\n", use->name,
            atomic_load(&use->waiting));
}

static void print_guest_frozen(void *argument, const struct guest_use *use)
{
    fprintf(argument, "vsluice_guest_frozen{guest=\"%s\"} %d\n", use->name,
            atomic_load(&use->frozen));
}

static void print_head(FILE *stream, const char *name, const char *type, const char *help)
{
    fprintf(stream, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, help);
}

int admin_metrics(void *owner, struct admin_request *request)
{
    const struct admin_actions *actions = owner;
    FILE *stream = request->answer;

    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        struct visit visit = {.stream = stream, .print = families[i].print};
        print_head(stream, families[i].name, families[i].type, families[i].help);
        route_uses_visit(&actions->uses->routes, visit_route, &visit);
    }
    print_head(stream, "vsluice_guest_sessions", "gauge", "Sessions to and from a guest.");
    guest_uses_visit(&actions->uses->guests, print_guest_sessions, stream);
    print_head(stream, "vsluice_guest_waiting", "gauge", "Of these, that wait for the guest.");
    guest_uses_visit(&actions->uses->guests, print_guest_waiting, stream);
    print_head(stream, "vsluice_guest_frozen", "gauge", "Is the guest frozen?");
    guest_uses_visit(&actions->uses->guests, print_guest_frozen, stream);
    print_head(stream, "vsluice_workers", "gauge", "Threads that relay.");
    fprintf(stream, "vsluice_workers %u\n", workers_count(actions->workers));
    fputs("# EOF\n", stream);
    request->content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    return 200;
}

static void print_route(void *argument, const struct route_use *use)
{
    struct visit *visit = argument;
    uint64_t failed = 0;

    for (unsigned i = REASON_DONE + 1; i < REASON_COUNT; i++)
        failed += atomic_load(&use->tally.ended[i]);
    fputs(visit->any ? ",\n  {\"name\": " : "\n  {\"name\": ", visit->stream);
    visit->any = true;
    admin_print_string(visit->stream, use->name);
    fprintf(visit->stream,
            ", \"sessions\": %u, \"done\": %" PRIu64 ", \"failed\": %" PRIu64
            ", \"bytes_there\": %" PRIu64 ", \"bytes_back\": %" PRIu64 "}",
            atomic_load(&use->sessions), (uint64_t)atomic_load(&use->tally.ended[REASON_DONE]),
            failed, tally_bytes(&use->tally, TALLY_THERE), tally_bytes(&use->tally, TALLY_BACK));
}

int admin_status(void *owner, struct admin_request *request)
{
    const struct admin_actions *actions = owner;
    struct visit visit = {.stream = request->answer};

    fprintf(request->answer, "{\"version\": \"%s\", \"engine\": \"%s\", \"workers\": %u, ",
            VSLUICE_VERSION, workers_engine_name(actions->workers),
            workers_count(actions->workers));
    fprintf(request->answer, "\"sessions\": %zu, \"routes\": [", workers_load(actions->workers));
    route_uses_visit(&actions->uses->routes, print_route, &visit);
    fputs(visit.any ? "\n]}\n" : "]}\n", request->answer);
    return 200;
}

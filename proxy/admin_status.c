/* What is counted of routes, in JSON. */
#include "proxy/admin_status.h"

#include "proxy/admin_actions.h"
#include "proxy/admin_targets.h"
#include "proxy/workers.h"

#include <inttypes.h>

struct listing {
    FILE *stream;
    bool any;
};

static void print_route(void *argument, const struct route_use *use)
{
    struct listing *listing = argument;
    uint64_t failed = 0;

    for (unsigned i = REASON_DONE + 1; i < REASON_COUNT; i++)
        failed += atomic_load(&use->tally.ended[i]);
    fputs(listing->any ? ",\n  {\"name\": " : "\n  {\"name\": ", listing->stream);
    listing->any = true;
    admin_print_string(listing->stream, use->name);
    fprintf(listing->stream,
            ", \"sessions\": %u, \"done\": %" PRIu64 ", \"failed\": %" PRIu64
            ", \"bytes_there\": %" PRIu64 ", \"bytes_back\": %" PRIu64 ", \"targets\": ",
            atomic_load(&use->sessions), (uint64_t)atomic_load(&use->tally.ended[REASON_DONE]),
            failed, tally_bytes(&use->tally, TALLY_THERE), tally_bytes(&use->tally, TALLY_BACK));
    admin_targets_print(listing->stream, use);
    fprintf(listing->stream, ", \"drained\": %s}", atomic_load(&use->drained) ? "true" : "false");
}

int admin_status(void *owner, struct admin_request *request)
{
    const struct admin_actions *actions = owner;
    struct listing listing = {.stream = request->answer};

    fprintf(request->answer, "{\"version\": \"%s\", \"engine\": \"%s\", \"workers\": %u, ",
            VSLUICE_VERSION, workers_engine_name(actions->workers),
            workers_count(actions->workers));
    fprintf(request->answer, "\"sessions\": %zu, \"routes\": [", workers_load(actions->workers));
    route_uses_visit(&actions->uses->routes, print_route, &listing);
    fputs(listing.any ? "\n]}\n" : "]}\n", request->answer);
    return 200;
}

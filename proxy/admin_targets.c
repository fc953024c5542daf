/* OpenMetrics and JSON. */
#include "proxy/admin_targets.h"

#include "proxy/admin_route.h"
#include "proxy/target_use.h"

#include <inttypes.h>

typedef uint64_t target_count(const struct target_use *use);

static uint64_t count_up(const struct target_use *use)
{
    return target_use_is_up(use);
}

static uint64_t count_sessions(const struct target_use *use)
{
    return atomic_load(&use->sessions);
}

static uint64_t count_failures(const struct target_use *use)
{
    return atomic_load(&use->failures);
}

static const struct family {
    enum exposition_kind kind;
    const char *name;
    const char *help;
    target_count *count;
} families[] = {
    {EXPOSITION_GAUGE, "vsluice_target_up",
     "Is a target used? 0: it failed too often, or its checks did.", count_up},
    {EXPOSITION_GAUGE, "vsluice_target_sessions", "Sessions to a target, open or connecting.",
     count_sessions},
    {EXPOSITION_COUNTER, "vsluice_target_failures", "Failures of sessions to connect to a target.",
     count_failures},
};

struct visit {
    const struct exposition *exposition;
    target_count *count;
};

static void add_samples(void *argument, const struct route_use *route)
{
    const struct visit *visit = argument;

    for (const struct target_use *use = route->targets; use; use = use->next)
        exposition_add(
            visit->exposition,
            (struct exposition_label[]){{"route", route->name}, {"target", use->name}, {0}},
            visit->count(use));
}

void admin_targets_metrics(struct exposition *exposition, struct route_uses *routes)
{
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        struct visit visit = {.exposition = exposition, .count = families[i].count};
        exposition_begin(exposition, families[i].kind, families[i].name, families[i].help);
        route_uses_visit(routes, add_samples, &visit);
    }
}

void admin_targets_print(FILE *stream, const struct route_use *route)
{
    const char *between = "[";

    for (const struct target_use *use = route->targets; use; use = use->next) {
        fprintf(stream, "%s{\"target\": ", between);
        admin_print_string(stream, use->name);
        fprintf(stream, ", \"up\": %s, \"sessions\": %u, \"failures\": %" PRIu64 "}",
                target_use_is_up(use) ? "true" : "false", atomic_load(&use->sessions),
                (uint64_t)atomic_load(&use->failures));
        between = ", ";
    }
    fputs(route->targets ? "]" : "[]", stream);
}

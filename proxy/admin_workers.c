/* From what the workers show. */
#include "proxy/admin_workers.h"

#include "proxy/workers.h"

#define NUMBER_BYTES 16

/* One sample of a family, with up to two labels. */
struct sample {
    enum showing_item item;
    struct exposition_label labels[3];
};

struct family {
    enum exposition_kind kind;
    const char *name;
    const char *help;
    struct sample samples[6];
    unsigned count;
};

static const struct family families[] = {
    {EXPOSITION_GAUGE,
     "vsluice_sessions_limit",
     "Sessions that may be open at once.",
     {{SHOWING_SESSIONS_MAX, {{0}}}},
     1},
    {EXPOSITION_GAUGE,
     "vsluice_connections_kept",
     "Connections that were accepted and wait for room.",
     {{SHOWING_KEPT, {{0}}}},
     1},
    {EXPOSITION_GAUGE,
     "vsluice_lanes",
     "Directions of sessions, by the way they move bytes now.",
     {{SHOWING_LANES_SMALL, {{"way", "small"}}},
      {SHOWING_LANES_SPLICE, {{"way", "splice"}}},
      {SHOWING_LANES_COPY, {{"way", "copy"}}}},
     3},
    {EXPOSITION_COUNTER,
     "vsluice_lane_changes",
     "Changes to a way of moving bytes.",
     {{SHOWING_CHANGES_SMALL, {{"way", "small"}}},
      {SHOWING_CHANGES_SPLICE, {{"way", "splice"}}},
      {SHOWING_CHANGES_COPY, {{"way", "copy"}}}},
     3},
    {EXPOSITION_GAUGE,
     "vsluice_pool_items",
     "What lanes move bytes through: pipes, large buffers, and buffers to receive into.",
     {{SHOWING_PIPES_USED, {{"pool", "pipes"}, {"state", "used"}}},
      {SHOWING_PIPES_FREE, {{"pool", "pipes"}, {"state", "free"}}},
      {SHOWING_BUFFERS_USED, {{"pool", "buffers"}, {"state", "used"}}},
      {SHOWING_BUFFERS_FREE, {{"pool", "buffers"}, {"state", "free"}}},
      {SHOWING_RECEIVE_USED, {{"pool", "receive"}, {"state", "used"}}},
      {SHOWING_RECEIVE_FREE, {{"pool", "receive"}, {"state", "free"}}}},
     6},
    {EXPOSITION_GAUGE,
     "vsluice_pool_limit",
     "How many of them there may be.",
     {{SHOWING_PIPES_MAX, {{"pool", "pipes"}}},
      {SHOWING_BUFFERS_MAX, {{"pool", "buffers"}}},
      {SHOWING_RECEIVE_MAX, {{"pool", "receive"}}}},
     3},
    {EXPOSITION_GAUGE,
     "vsluice_ring_operations",
     "Operations that the kernel was asked for.",
     {{SHOWING_OPERATIONS, {{0}}}},
     1},
    {EXPOSITION_COUNTER,
     "vsluice_ring_turns",
     "Turns of the workers' rings.",
     {{SHOWING_TURNS, {{0}}}},
     1},
    {EXPOSITION_COUNTER,
     "vsluice_ring_overflows",
     "Turns that found more completions than the ring's queue holds.",
     {{SHOWING_OVERFLOWS, {{0}}}},
     1},
};

static void print_family(struct exposition *exposition, const struct family *family,
                         const struct workers *workers)
{
    exposition_begin(exposition, family->kind, family->name, family->help);
    for (unsigned i = 0; i < family->count; i++)
        exposition_add(exposition, family->samples[i].labels,
                       workers_shown(workers, family->samples[i].item));
}

static void print_loads(struct exposition *exposition, const struct workers *workers)
{
    char number[NUMBER_BYTES];

    exposition_begin(exposition, EXPOSITION_GAUGE, "vsluice_worker_sessions",
                     "Sessions of each worker.");
    for (unsigned i = 0; i < workers_count(workers); i++) {
        snprintf(number, sizeof(number), "%u", i);
        exposition_add(exposition, (struct exposition_label[]){{"worker", number}, {0}},
                       workers_load_of(workers, i));
    }
}

static void print_info(struct exposition *exposition, const char *name, const char *help,
                       const char *label, const char *value)
{
    exposition_begin(exposition, EXPOSITION_INFO, name, help);
    exposition_add(exposition, (struct exposition_label[]){{label, value}, {0}}, 1);
}

void admin_workers_print(struct exposition *exposition, const struct workers *workers)
{
    exposition_begin(exposition, EXPOSITION_GAUGE, "vsluice_workers", "Threads that relay.");
    exposition_add(exposition, NULL, workers_count(workers));
    print_loads(exposition, workers);
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++)
        print_family(exposition, &families[i], workers);
    print_info(exposition, "vsluice_build", "What runs.", "version", VSLUICE_VERSION);
    print_info(exposition, "vsluice_engine", "What the workers' rings run on.", "engine",
               workers_engine_name(workers));
}

/* Metrics of routes, guests and the log; admin_process.c and admin_workers.c have the others. */
#include "proxy/admin_metrics.h"

#include "proxy/admin_actions.h"
#include "proxy/admin_process.h"
#include "proxy/admin_targets.h"
#include "proxy/admin_workers.h"
#include "proxy/exposition.h"
#include "proxy/log_flood.h"
#include "proxy/log_writer.h"
#include "proxy/uses.h"

/* A metric of routes or of guests: what is told of one of them, in a family of its own. Of its
 * labels, the first is its name. */
struct family {
    enum exposition_kind kind;
    const char *name;
    const char *help;
    void (*print)(const struct exposition *exposition, struct exposition_label name,
                  const void *use);
};

static void add_one(const struct exposition *exposition, struct exposition_label name,
                    uint64_t value)
{
    exposition_add(exposition, (struct exposition_label[]){name, {0}}, value);
}

static void add_bytes(const struct exposition *exposition, struct exposition_label name,
                      const struct tally *tally, const char *const directions[TALLY_DIRECTIONS])
{
    for (enum tally_direction i = 0; i < TALLY_DIRECTIONS; i++)
        exposition_add(exposition,
                       (struct exposition_label[]){name, {"direction", directions[i]}, {0}},
                       tally_bytes(tally, i));
}

/* Reasons that no session has ended for are left out, but for the good one: they are many. */
static void add_ends(const struct exposition *exposition, struct exposition_label name,
                     const struct tally *tally)
{
    for (unsigned i = REASON_DONE; i < REASON_COUNT; i++) {
        uint64_t count = atomic_load(&tally->ended[i]);
        if (count > 0 || i == REASON_DONE)
            exposition_add(exposition,
                           (struct exposition_label[]){name, {"reason", reason_token(i)}, {0}},
                           count);
    }
}

static void add_times(const struct exposition *exposition, struct exposition_label name,
                      const struct times *times)
{
    exposition_add_times(exposition, (struct exposition_label[]){name, {0}}, times);
}

static void route_sessions(const struct exposition *exposition, struct exposition_label name,
                           const void *use)
{
    add_one(exposition, name, atomic_load(&((const struct route_use *)use)->sessions));
}

static void route_turned_away(const struct exposition *exposition, struct exposition_label name,
                              const void *use)
{
    add_one(exposition, name, atomic_load(&((const struct route_use *)use)->turned_away));
}

static void route_ends(const struct exposition *exposition, struct exposition_label name,
                       const void *use)
{
    add_ends(exposition, name, &((const struct route_use *)use)->tally);
}

static void route_bytes(const struct exposition *exposition, struct exposition_label name,
                        const void *use)
{
    static const char *const directions[] = {"there", "back"};
    add_bytes(exposition, name, &((const struct route_use *)use)->tally, directions);
}

static void route_connecting(const struct exposition *exposition, struct exposition_label name,
                             const void *use)
{
    add_times(exposition, name, &((const struct route_use *)use)->tally.connecting);
}

static void route_first_bytes(const struct exposition *exposition, struct exposition_label name,
                              const void *use)
{
    add_times(exposition, name, &((const struct route_use *)use)->tally.first_bytes);
}

static void route_lasting(const struct exposition *exposition, struct exposition_label name,
                          const void *use)
{
    add_times(exposition, name, &((const struct route_use *)use)->tally.lasting);
}

static const struct family route_families[] = {
    {EXPOSITION_GAUGE, "vsluice_sessions", "Sessions that are open.", route_sessions},
    {EXPOSITION_COUNTER, "vsluice_connections_refused",
     "Connections that 'allow' and 'deny' refused.", route_turned_away},
    {EXPOSITION_COUNTER, "vsluice_sessions_ended", "Sessions that have ended, by reason.",
     route_ends},
    {EXPOSITION_COUNTER, "vsluice_relayed_bytes",
     "Bytes relayed so far, there (to the target) and back.", route_bytes},
    {EXPOSITION_HISTOGRAM, "vsluice_connect_seconds",
     "From when the target was asked until it was reached.", route_connecting},
    {EXPOSITION_HISTOGRAM, "vsluice_first_byte_seconds",
     "From the accepting of a connection until its target's first byte was handed on.",
     route_first_bytes},
    {EXPOSITION_HISTOGRAM, "vsluice_session_seconds", "How long sessions lasted that have ended.",
     route_lasting},
};

static void guest_sessions(const struct exposition *exposition, struct exposition_label name,
                           const void *use)
{
    add_one(exposition, name, atomic_load(&((const struct guest_use *)use)->sessions));
}

static void guest_waiting(const struct exposition *exposition, struct exposition_label name,
                          const void *use)
{
    add_one(exposition, name, atomic_load(&((const struct guest_use *)use)->waiting));
}

static void guest_frozen(const struct exposition *exposition, struct exposition_label name,
                         const void *use)
{
    add_one(exposition, name, atomic_load(&((const struct guest_use *)use)->frozen));
}

static void guest_ends(const struct exposition *exposition, struct exposition_label name,
                       const void *use)
{
    add_ends(exposition, name, &((const struct guest_use *)use)->tally);
}

static void guest_bytes(const struct exposition *exposition, struct exposition_label name,
                        const void *use)
{
    static const char *const directions[] = {"to", "from"};
    add_bytes(exposition, name, &((const struct guest_use *)use)->tally, directions);
}

static void guest_connecting(const struct exposition *exposition, struct exposition_label name,
                             const void *use)
{
    add_times(exposition, name, &((const struct guest_use *)use)->tally.connecting);
}

static void guest_first_bytes(const struct exposition *exposition, struct exposition_label name,
                              const void *use)
{
    add_times(exposition, name, &((const struct guest_use *)use)->tally.first_bytes);
}

static void guest_lasting(const struct exposition *exposition, struct exposition_label name,
                          const void *use)
{
    add_times(exposition, name, &((const struct guest_use *)use)->tally.lasting);
}

static const struct family guest_families[] = {
    {EXPOSITION_GAUGE, "vsluice_guest_sessions", "Sessions to and from a guest.", guest_sessions},
    {EXPOSITION_GAUGE, "vsluice_guest_waiting", "Of these, that wait for the guest.",
     guest_waiting},
    {EXPOSITION_GAUGE, "vsluice_guest_frozen", "Is the guest frozen?", guest_frozen},
    {EXPOSITION_COUNTER, "vsluice_guest_sessions_ended",
     "Sessions to and from a guest that have ended, by reason.", guest_ends},
    {EXPOSITION_COUNTER, "vsluice_guest_relayed_bytes", "Bytes relayed so far to and from a guest.",
     guest_bytes},
    {EXPOSITION_HISTOGRAM, "vsluice_guest_connect_seconds",
     "From when the guest was asked until it was reached.", guest_connecting},
    {EXPOSITION_HISTOGRAM, "vsluice_guest_first_byte_seconds",
     "From the accepting of a connection until the guest's first byte was handed on.",
     guest_first_bytes},
    {EXPOSITION_HISTOGRAM, "vsluice_guest_session_seconds",
     "How long sessions to and from a guest lasted that have ended.", guest_lasting},
};

struct visit {
    const struct exposition *exposition;
    const struct family *family;
};

static void visit_route(void *argument, const struct route_use *use)
{
    const struct visit *visit = argument;
    visit->family->print(visit->exposition, (struct exposition_label){"route", use->name}, use);
}

static void visit_guest(void *argument, const struct guest_use *use)
{
    const struct visit *visit = argument;
    visit->family->print(visit->exposition, (struct exposition_label){"guest", use->name}, use);
}

static void begin(struct exposition *exposition, const struct family *family)
{
    exposition_begin(exposition, family->kind, family->name, family->help);
}

static void print_log(struct exposition *exposition)
{
    exposition_begin(exposition, EXPOSITION_COUNTER, "vsluice_log_left_out",
                     "Sessions that ended without a line of the log each, for 'log-rate'.");
    exposition_add(exposition, NULL, log_flood_left_out());
    exposition_begin(exposition, EXPOSITION_COUNTER, "vsluice_log_lost",
                     "Lines of the log that nobody took in time.");
    exposition_add(exposition, NULL, log_writer_lost());
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

int admin_metrics(void *owner, struct admin_request *request)
{
    const struct admin_actions *actions = owner;
    struct exposition exposition = {
        .stream = request->answer,
        .format = exposition_choose(request->accept),
    };

    for (size_t i = 0; i < COUNT(route_families); i++) {
        struct visit visit = {&exposition, &route_families[i]};
        begin(&exposition, visit.family);
        route_uses_visit(&actions->uses->routes, visit_route, &visit);
    }
    admin_targets_metrics(&exposition, &actions->uses->routes);
    for (size_t i = 0; i < COUNT(guest_families); i++) {
        struct visit visit = {&exposition, &guest_families[i]};
        begin(&exposition, visit.family);
        guest_uses_visit(&actions->uses->guests, visit_guest, &visit);
    }
    print_log(&exposition);
    admin_workers_print(&exposition, actions->workers);
    admin_process_print(&exposition);
    exposition_end(&exposition);
    request->content_type = exposition_content_type(exposition.format);
    return 200;
}

/* A list of guests, each with a config and sockets of its own. */
#include "proxy/guest_routes.h"

#include "proxy/entrances.h"
#include "proxy/guest_watch.h"
#include "proxy/log.h"
#include "proxy/making_way.h"
#include "proxy/workers.h"
#include "ring/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GATHER_NS UINT64_C(20000000)   /* what changes within that is looked at in one go */
#define RETRY_NS  UINT64_C(1000000000) /* sockets that could not be had, directories not watched */

struct present {
    struct present *next;
    struct config *config;
    struct entrances entrances;
    bool failed; /* not all of its sockets could be had: it has none */
};

struct guest_routes {
    struct config *config;
    struct uses *uses;
    struct workers *workers;
    struct guest_watch *watch;
    struct present *first;
    size_t failed_count;
    bool told_blind;
    uint64_t look_ns; /* when to look; 0: when something changes */
};

static const char *name_of(const struct present *present)
{
    return present->config->guests[0].name;
}

static void set_failed(struct guest_routes *routes, struct present *present, bool failed)
{
    routes->failed_count += (size_t)failed - (size_t)present->failed;
    present->failed = failed;
}

/* All of its sockets or none. */
static void open_all(struct guest_routes *routes, struct present *present, bool quiet)
{
    int status = entrances_update(&present->entrances, present->config, routes->uses,
                                  routes->workers, quiet);

    set_failed(routes, present, status != 0);
}

static void close_all(struct guest_routes *routes, struct present *present)
{
    entrances_take_back(&present->entrances, routes->workers);
    entrances_close(&present->entrances);
}

static struct present **find(struct guest_routes *routes, const char *name)
{
    struct present **link = &routes->first;

    while (*link && strcmp(name_of(*link), name) != 0)
        link = &(*link)->next;
    return link;
}

static bool has_section(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->guest_count; i++)
        if (strcmp(config->guests[i].name, name) == 0)
            return true;
    return false;
}

/* What its templates make of a guest. NULL: nothing; it was told. */
static struct config *config_make(struct config *templates, const char *name)
{
    struct problems problems;

    problems_init(&problems);
    struct config *config = config_of_guest(templates, name, &problems);
    for (const struct problem *problem = problems.first; problem; problem = problem->next)
        log_of("GUEST", name, LOG_ERR, "guest %s: %s", name, problem->text);
    problems_deinit(&problems);
    return config;
}

/* That listens nowhere yet. NULL: there are no routes for it. */
static struct present *add(struct guest_routes *routes, struct config *templates, const char *name)
{
    struct config *config = config_make(templates, name);
    struct present *present = config ? calloc(1, sizeof(*present)) : NULL;

    if (!present) {
        config_free(config);
        return NULL;
    }
    present->config = config;
    present->next = routes->first;
    routes->first = present;
    return present;
}

static void appeared(void *owner, const char *name)
{
    struct guest_routes *routes = owner;

    if (has_section(routes->config, name) || *find(routes, name))
        return;
    struct present *present = add(routes, routes->config, name);
    if (present)
        open_all(routes, present, false);
}

static void leave(struct guest_routes *routes, struct present *present)
{
    set_failed(routes, present, false);
    close_all(routes, present);
    config_free(present->config);
    free(present);
}

static void gone(void *owner, const char *name)
{
    struct guest_routes *routes = owner;
    struct present **link = find(routes, name);
    struct present *present = *link;

    if (!present)
        return;
    log_of("GUEST", name, LOG_INFO, "guest %s is gone: no longer listening for it", name);
    *link = present->next;
    leave(routes, present);
}

/* What the new templates make of a guest that is there. false: nothing. */
static bool renew(struct guest_routes *routes, struct present *present)
{
    struct config *config = config_make(routes->config, name_of(present));

    if (!config)
        return false;
    config_free(present->config);
    present->config = config;
    open_all(routes, present, false);
    if (present->failed)
        close_all(routes, present);
    return true;
}

/* What another config listens on without regard to a guest. */
static void make_way(struct guest_routes *routes, struct present *present,
                     const struct config *config)
{
    for (size_t e = 0; e < present->entrances.count; e++) {
        struct entrance *entrance = &present->entrances.at[e];
        for (size_t i = 0; i < config->route_count; i++)
            for (size_t j = 0; j < config->routes[i].listen_count; j++)
                if (entrance_stands_in_way(entrance, &config->routes[i].listens[j].resolved))
                    entrance_make_way(entrance, routes->workers);
    }
}

bool guest_routes_go_on(const struct guest_routes *routes, const struct config *config)
{
    return config->template_count > 0 && config->guest_each &&
           endpoint_equal(&routes->config->guest_each->address, &config->guest_each->address);
}

/* Guests that had a section and will have none: what listens for them goes on if they are found. */
static void adopt(struct guest_routes *routes, struct config *config, struct entrances *its)
{
    for (size_t i = 0; i < routes->config->guest_count; i++) {
        const char *name = routes->config->guests[i].name;
        struct present *present = has_section(config, name) ? NULL : add(routes, config, name);
        if (present)
            entrances_move(its, &present->entrances, entrance_is_for, present->config);
    }
}

void guest_routes_yield(struct guest_routes *routes, struct config *config, struct entrances *its)
{
    if (guest_routes_go_on(routes, config))
        adopt(routes, config, its);
    for (struct present *present = routes->first; present; present = present->next) {
        if (!has_section(config, name_of(present)))
            make_way(routes, present, config);
        else if (!entrances_move(&present->entrances, its, entrance_is_of, present->config))
            close_all(routes, present);
    }
    workers_await_closed(routes->workers);
}

/* false: there is nothing to listen for it, or it is not ours. */
static bool go_on(struct guest_routes *routes, struct present *present, struct entrances *its)
{
    if (has_section(routes->config, name_of(present))) {
        entrances_move(&present->entrances, its, entrance_is_of, routes->config);
        entrances_put_back(its, routes->workers);
        return false;
    }
    return entrances_move(its, &present->entrances, entrance_is_of, present->config) &&
           renew(routes, present);
}

/* Those that were adopted, and are not there. */
static void forget_unknown(struct guest_routes *routes)
{
    struct present **link = &routes->first;

    while (*link) {
        if (guest_watch_knows(routes->watch, name_of(*link)))
            link = &(*link)->next;
        else
            gone(routes, name_of(*link));
    }
}

void guest_routes_update(struct guest_routes *routes, struct config *config, struct entrances *its)
{
    struct present **link = &routes->first;

    routes->config = config;
    while (*link) {
        struct present *present = *link;
        if (go_on(routes, present, its)) {
            link = &present->next;
        } else {
            *link = present->next;
            leave(routes, present);
        }
    }
    guest_watch_retell(routes->watch);
    routes->look_ns = clock_ns();
    guest_routes_look(routes);
    forget_unknown(routes);
}

static const struct guest_watch_events events = {.gone = gone, .appeared = appeared};

int guest_routes_new(struct guest_routes **ret, struct config *config, struct uses *uses,
                     struct workers *workers)
{
    struct guest_routes *routes = calloc(1, sizeof(*routes));

    if (!routes)
        return -ENOMEM;
    *routes = (struct guest_routes){
        .config = config,
        .uses = uses,
        .workers = workers,
        .look_ns = clock_ns(),
    };
    int error = guest_watch_new(&routes->watch, config->guest_each->address.name, &events, routes);
    if (error < 0) {
        free(routes);
        return error;
    }
    *ret = routes;
    return 0;
}

void guest_routes_visit(const struct guest_routes *routes,
                        void (*visit)(void *argument, const struct config *config,
                                      const struct entrances *entrances),
                        void *argument)
{
    for (const struct present *present = routes->first; present; present = present->next)
        visit(argument, present->config, &present->entrances);
}

void guest_routes_free(struct guest_routes *routes)
{
    struct present *next;

    if (!routes)
        return;
    for (struct present *present = routes->first; present; present = next) {
        next = present->next;
        leave(routes, present);
    }
    guest_watch_free(routes->watch);
    free(routes);
}

int guest_routes_descriptor(const struct guest_routes *routes)
{
    return guest_watch_descriptor(routes->watch);
}

void guest_routes_note(struct guest_routes *routes)
{
    uint64_t at_ns = clock_ns() + GATHER_NS;

    guest_watch_forget_events(routes->watch);
    if (!routes->look_ns || routes->look_ns > at_ns)
        routes->look_ns = at_ns;
}

int guest_routes_wait_ms(const struct guest_routes *routes)
{
    uint64_t now_ns = clock_ns();

    if (!routes->look_ns)
        return -1;
    return routes->look_ns > now_ns ? (int)((routes->look_ns - now_ns + 999999) / 1000000) : 0;
}

static void tell_blind(struct guest_routes *routes, int error)
{
    bool blind = guest_watch_is_blind(routes->watch);

    if (blind && !routes->told_blind)
        log_warning("guests: %s: looking once a second instead; raise fs.inotify.max_user_watches",
                    error ? strerror(-error) : "not all directories can be watched");
    routes->told_blind = blind;
}

void guest_routes_look(struct guest_routes *routes)
{
    if (guest_routes_wait_ms(routes) != 0)
        return;
    int error = guest_watch_look(routes->watch);
    tell_blind(routes, error);
    for (struct present *present = routes->first; present; present = present->next)
        if (present->failed)
            open_all(routes, present, true);
    bool again = routes->failed_count > 0 || routes->told_blind;
    routes->look_ns = again ? clock_ns() + RETRY_NS : 0;
}

/* An array of them. */
#include "proxy/entrances.h"

#include "proxy/bind_unix.h"
#include "proxy/log.h"
#include "proxy/making_way.h"
#include "proxy/workers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

int exit_status_of_error(int error)
{
    switch (-error) {
    case EACCES:
    case EPERM: return EX_NOPERM;
    case EADDRINUSE:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case EBADF:
    case EEXIST:
    case ENOENT: return EX_UNAVAILABLE;
    default: return EX_OSERR;
    }
}

/* An endpoint that is not bound yet. */
struct wanted {
    const struct route *route;
    const struct route_listen *listen;
};

/* What an update is made of. */
struct update {
    struct entrances next;
    struct entrance **from; /* of each of `next`: the old one whose socket it has; NULL: none */
    struct wanted *wanted;
    size_t wanted_count;
};

/* Takes the socket. */
static int add(struct entrances *entrances, struct config *config, const struct route *route,
               const struct route_listen *listen, struct uses *uses, struct bound *bound)
{
    struct opening *opening = opening_new(config, route, listen, uses);
    char error[ENDPOINT_ERROR_BYTES];

    if (!opening) {
        bound_close(bound);
        return EX_OSERR;
    }
    struct entrance *entrance = &entrances->at[entrances->count++];
    *entrance = (struct entrance){.opening = opening, .bound = *bound};
    if (endpoint_parse(bound->text, ENDPOINT_LISTEN, &entrance->address, error) < 0)
        entrance->address = listen->resolved;
    return 0;
}

static size_t entrances_max(const struct config *config)
{
    size_t max = 1;

    for (size_t i = 0; i < config->route_count; i++)
        max += config->routes[i].listen_count * BOUND_MAX;
    return max;
}

static int open_listen(struct entrances *entrances, struct config *config,
                       const struct route *route, const struct route_listen *listen,
                       struct uses *uses, bool quiet)
{
    struct bound bound[BOUND_MAX];
    char error[BIND_ERROR_BYTES];
    int status = 0;

    int count = bind_route_listen(route, &listen->resolved, bound, error);
    if (count < 0 && !quiet)
        log_error("vsluice: route %s: %s", route->name, error);
    if (count < 0 && !*entrances->error)
        snprintf(entrances->error, sizeof(entrances->error), "route %s: %s", route->name, error);
    if (count < 0)
        return exit_status_of_error(count);
    for (int b = 0; b < count; b++) {
        int failed = add(entrances, config, route, listen, uses, &bound[b]);
        status = status ? status : failed;
    }
    return status;
}

int entrances_open(struct entrances *ret, struct config *config, struct uses *uses, bool quiet)
{
    int status = 0;

    *ret = (struct entrances){.at = calloc(entrances_max(config), sizeof(*ret->at))};
    if (!ret->at)
        return EX_OSERR;
    for (size_t i = 0; i < config->route_count; i++) {
        const struct route *route = &config->routes[i];
        for (size_t j = 0; j < route->listen_count; j++) {
            int failed = open_listen(ret, config, route, &route->listens[j], uses, quiet);
            status = status ? status : failed;
        }
    }
    return status;
}

int entrances_give_files(const struct entrances *entrances, uid_t uid, gid_t gid)
{
    int error = 0;

    for (size_t i = 0; i < entrances->count && error == 0; i++) {
        const struct entrance *entrance = &entrances->at[i];
        const struct route *route = entrance->opening->route;
        error = bound_give_file(&entrance->bound, route->owner_uid == (uid_t)-1 ? uid : (uid_t)-1,
                                route->owner_gid == (gid_t)-1 ? gid : (gid_t)-1);
    }
    return error;
}

static void announce(const struct entrance *entrance)
{
    const struct opening *opening = entrance->opening;
    const struct route_listen *listen = opening->listen;
    const struct route *route = opening->route;
    char targets[ROUTE_TARGETS_MAX * ENDPOINT_TEXT_BYTES];
    char text[ENDPOINT_TEXT_BYTES];
    size_t length = 0;

    if (listen->port_offset > 0)
        return;
    for (size_t i = 0; i < route->target_count; i++) {
        const struct route_target *target = &route->targets[i];
        endpoint_format_ports(&target->written, target->port_count, text);
        length += (size_t)snprintf(targets + length, sizeof(targets) - length, "%s%s",
                                   i ? ", " : "", text);
    }
    endpoint_format_ports(&listen->resolved, listen->port_count, text);
    const char *where = listen->port_count > 1 ? text : entrance->bound.text;
    const struct log_field fields[] = {
        {.name = "ROUTE", .text = route->name},
        {.name = "LISTEN", .text = where},
        {.name = "TARGET", .text = targets},
    };
    const struct log_event event = {
        .priority = LOG_INFO,
        .id = LOG_ID_LISTENING,
        .fields = fields,
        .field_count = 3,
    };
    log_event(&event, "listening on %s -> %s (route %s)", where, targets, route->name);
}

void entrances_announce(const struct entrances *entrances)
{
    for (size_t i = 0; i < entrances->count; i++)
        announce(&entrances->at[i]);
}

static void announce_fresh(const struct update *update)
{
    for (size_t i = 0; i < update->next.count; i++)
        if (!update->from[i])
            announce(&update->next.at[i]);
}

/* The kernel chose the port of one that named none: that is its route's. */
static bool is_bound_to(const struct entrance *entrance, const struct route *route,
                        const struct route_listen *listen)
{
    const struct opening *opening = entrance->opening;
    bool has_chosen = endpoint_has_port(&listen->resolved) && listen->resolved.port == 0;

    return !entrance->kept && !entrance->made_way &&
           endpoint_equal(&opening->listen->resolved, &listen->resolved) &&
           (!has_chosen || strcmp(opening->route->name, route->name) == 0);
}

static int keep_one(struct update *update, struct entrance *entrance, struct config *config,
                    const struct route *route, const struct route_listen *listen, struct uses *uses)
{
    struct opening *opening = opening_new(config, route, listen, uses);

    if (!opening)
        return EX_OSERR;
    entrance->kept = true;
    update->from[update->next.count] = entrance;
    update->next.at[update->next.count++] = (struct entrance){
        .opening = opening, .bound = entrance->bound, .address = entrance->address};
    return 0;
}

/* What is bound to that endpoint goes on, with all the addresses of its name. Whether there is any;
 * *ret_status: 0, or out of memory. */
static bool keep_bound(struct update *update, struct entrances *old, struct config *config,
                       const struct route *route, const struct route_listen *listen,
                       struct uses *uses, int *ret_status)
{
    const struct route_listen *found = NULL;

    for (size_t i = 0; i < old->count && *ret_status == 0; i++) {
        struct entrance *entrance = &old->at[i];
        if (found ? entrance->opening->listen != found : !is_bound_to(entrance, route, listen))
            continue;
        found = entrance->opening->listen;
        *ret_status = keep_one(update, entrance, config, route, listen, uses);
    }
    return found;
}

/* What goes on; the rest is wanted. */
static int keep_all(struct update *update, struct entrances *old, struct config *config,
                    struct uses *uses)
{
    int status = 0;

    for (size_t i = 0; i < config->route_count; i++) {
        const struct route *route = &config->routes[i];
        if (route_use_is_drained(&uses->routes, route->name))
            continue;
        for (size_t j = 0; j < route->listen_count; j++) {
            const struct route_listen *listen = &route->listens[j];
            if (!keep_bound(update, old, config, route, listen, uses, &status))
                update->wanted[update->wanted_count++] = (struct wanted){route, listen};
        }
    }
    return status;
}

static bool is_in_way(const struct entrance *entrance, const struct wanted *wanted)
{
    return !entrance->kept && entrance_stands_in_way(entrance, &wanted->listen->resolved);
}

static bool has_way(const struct entrances *old, const struct wanted *wanted)
{
    for (size_t i = 0; i < old->count; i++)
        if (is_in_way(&old->at[i], wanted))
            return false;
    return true;
}

/* Binds what can be while all listens that did; the rest is still wanted. */
static int open_wanted(struct update *update, const struct entrances *old, struct config *config,
                       struct uses *uses, bool quiet)
{
    size_t waiting = 0;
    int status = 0;

    for (size_t i = 0; i < update->wanted_count; i++) {
        struct wanted wanted = update->wanted[i];
        if (!has_way(old, &wanted)) {
            update->wanted[waiting++] = wanted;
            continue;
        }
        int failed = open_listen(&update->next, config, wanted.route, wanted.listen, uses, quiet);
        status = status ? status : failed;
    }
    update->wanted_count = waiting;
    return status;
}

static void make_way(const struct update *update, struct entrances *old, struct workers *workers)
{
    for (size_t i = 0; i < old->count; i++)
        for (size_t j = 0; j < update->wanted_count; j++)
            if (is_in_way(&old->at[i], &update->wanted[j]))
                entrance_make_way(&old->at[i], workers);
    workers_await_closed(workers);
}

/* Everything that may fail. */
static int update_prepare(struct update *update, struct entrances *old, struct config *config,
                          struct uses *uses, struct workers *workers, bool quiet)
{
    int status = keep_all(update, old, config, uses);

    if (status == 0)
        status = open_wanted(update, old, config, uses, quiet);
    if (status == 0 && update->wanted_count > 0) {
        make_way(update, old, workers);
        status = open_wanted(update, old, config, uses, quiet);
    }
    return status;
}

static void update_drop(struct update *update)
{
    for (size_t i = 0; i < update->next.count; i++) {
        if (update->from[i])
            update->from[i]->kept = false;
        else
            bound_close(&update->next.at[i].bound);
        opening_unref(update->next.at[i].opening);
    }
    free(update->next.at);
}

static int give_fresh(const struct update *update, struct workers *workers, bool quiet)
{
    for (size_t i = 0; i < update->next.count; i++) {
        const struct entrance *entrance = &update->next.at[i];
        int error =
            update->from[i] ? 0 : workers_open(workers, entrance->opening, &entrance->bound);
        if (error < 0) {
            if (!quiet)
                log_error("vsluice: route %s: cannot listen: %s", entrance->opening->route->name,
                          strerror(-error));
            for (size_t j = 0; j < i; j++)
                if (!update->from[j])
                    workers_close(workers, update->next.at[j].opening);
            return error;
        }
    }
    return 0;
}

/* Nothing of it may fail. */
static void update_finish(struct update *update, struct entrances *old, struct workers *workers)
{
    char error[BIND_ERROR_BYTES];

    for (size_t i = 0; i < update->next.count; i++) {
        struct entrance *entrance = &update->next.at[i];
        struct entrance *from = update->from[i];
        if (!from)
            continue;
        workers_replace(workers, from->opening, entrance->opening);
        if (bound_refresh(&entrance->bound, entrance->opening->route, error) < 0)
            log_error("vsluice: route %s: %s", entrance->opening->route->name, error);
        opening_unref(from->opening);
    }
    for (size_t i = 0; i < old->count; i++) {
        struct entrance *entrance = &old->at[i];
        if (entrance->kept)
            continue;
        log_of("ROUTE", entrance->opening->route->name, LOG_INFO,
               "no longer listening on %s (route %s)", entrance->bound.text,
               entrance->opening->route->name);
        if (!entrance->made_way) {
            workers_close(workers, entrance->opening);
            bound_close(&entrance->bound);
        }
        opening_unref(entrance->opening);
    }
    free(old->at);
    *old = update->next;
}

int entrances_update(struct entrances *entrances, struct config *config, struct uses *uses,
                     struct workers *workers, bool quiet)
{
    size_t max = entrances_max(config) + entrances->count;
    struct update update = {
        .next.at = calloc(max, sizeof(*update.next.at)),
        .from = calloc(max, sizeof(*update.from)),
        .wanted = calloc(max, sizeof(*update.wanted)),
    };
    int status = update.next.at && update.from && update.wanted ? 0 : EX_OSERR;

    if (status == 0)
        status = update_prepare(&update, entrances, config, uses, workers, quiet);
    int error = status ? 0 : give_fresh(&update, workers, quiet);
    if (status || error < 0) {
        update_drop(&update);
        memcpy(entrances->error, update.next.error, sizeof(entrances->error));
        entrances_put_back(entrances, workers);
    } else {
        announce_fresh(&update);
        update_finish(&update, entrances, workers);
    }
    free(update.from);
    free(update.wanted);
    return status ? status : error < 0 ? EX_OSERR : 0;
}

bool entrance_is_of(const struct entrance *entrance, const struct config *config)
{
    return entrance->opening->config == config;
}

bool entrance_is_for(const struct entrance *entrance, const struct config *config)
{
    for (size_t i = 0; i < config->route_count; i++)
        for (size_t j = 0; j < config->routes[i].listen_count; j++)
            if (is_bound_to(entrance, &config->routes[i], &config->routes[i].listens[j]))
                return true;
    return false;
}

bool entrances_move(struct entrances *from, struct entrances *to,
                    bool (*moves)(const struct entrance *, const struct config *),
                    const struct config *config)
{
    struct entrance *at = reallocarray(to->at, to->count + from->count + 1, sizeof(*at));
    size_t left = 0;

    if (!at)
        return false;
    to->at = at;
    for (size_t i = 0; i < from->count; i++) {
        if (moves(&from->at[i], config))
            at[to->count++] = from->at[i];
        else
            from->at[left++] = from->at[i];
    }
    from->count = left;
    return true;
}

int entrances_give(const struct entrances *entrances, struct workers *workers)
{
    for (size_t i = 0; i < entrances->count; i++) {
        int error = workers_open(workers, entrances->at[i].opening, &entrances->at[i].bound);
        if (error < 0)
            return error;
    }
    return 0;
}

void entrances_take_back(const struct entrances *entrances, struct workers *workers)
{
    for (size_t i = 0; i < entrances->count; i++)
        workers_close(workers, entrances->at[i].opening);
}

void entrances_close(struct entrances *entrances)
{
    for (size_t i = 0; i < entrances->count; i++) {
        bound_close(&entrances->at[i].bound);
        opening_unref(entrances->at[i].opening);
    }
    free(entrances->at);
    *entrances = (struct entrances){0};
}

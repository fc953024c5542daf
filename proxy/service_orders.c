/* One function for each kind of order. */
#include "proxy/service_orders.h"

#include "proxy/log.h"
#include "proxy/service_routes.h"
#include "ring/clock.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 2, 3))) static enum order_outcome refuse(struct order *order,
                                                                       const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&order->mistakes, format, arguments) < 0)
        order->mistakes = NULL;
    va_end(arguments);
    return ORDER_REFUSED;
}

static enum order_outcome reload(struct service *service, struct order *order)
{
    return service_reload(service, &order->mistakes) ? ORDER_DONE : ORDER_REFUSED;
}

/* Listens anew, as drained routes are now. NULL, or what is wrong. */
static const char *apply_drains(struct service *service)
{
    return service_apply(service, config_ref(service->config));
}

static void answer_drain(struct order *order, const struct route_use *use)
{
    fputs("{\"name\": ", order->answer);
    admin_print_string(order->answer, use->name);
    fprintf(order->answer, ", \"drained\": %s, \"sessions\": %u}\n",
            atomic_load(&use->drained) ? "true" : "false", atomic_load(&use->sessions));
}

static enum order_outcome drain(struct service *service, struct order *order, struct route_use *use)
{
    bool was = atomic_exchange(&use->drained, true);
    const char *refusal = was ? NULL : apply_drains(service);

    if (!refusal && order->drain_ns &&
        !drains_set(&service->drains, use->name, clock_ns() + order->drain_ns))
        refusal = "out of memory";
    if (refusal) {
        atomic_store(&use->drained, was);
        return refuse(order, "%s", refusal);
    }
    if (!order->drain_ns)
        drains_forget(&service->drains, use->name);
    if (!was)
        log_line("route %s: drained: no longer listening, %u sessions go on", use->name,
                 atomic_load(&use->sessions));
    answer_drain(order, use);
    return ORDER_DONE;
}

static enum order_outcome undo_drain(struct service *service, struct order *order,
                                     struct route_use *use)
{
    bool was = atomic_exchange(&use->drained, false);
    const char *refusal = was ? apply_drains(service) : NULL;

    if (refusal) {
        atomic_store(&use->drained, true);
        return refuse(order, "route %s stays drained: %s%s%s", use->name, service->entrances.error,
                      *service->entrances.error ? "; " : "", refusal);
    }
    drains_forget(&service->drains, use->name);
    if (was)
        log_line("route %s: no longer drained", use->name);
    answer_drain(order, use);
    return ORDER_DONE;
}

/* Of a template's name. */
static enum order_outcome refuse_template(const struct service *service, struct order *order)
{
    const struct config *config = service->config;

    for (size_t i = 0; i < config->template_count; i++)
        if (strcmp(config->routes[config->route_count + i].name, order->name) == 0)
            return refuse(order,
                          "route '%s' is a template; drain the routes of its guests, such as "
                          "'%s@NAME': 'vsluice route list' shows them",
                          order->name, order->name);
    return ORDER_UNKNOWN;
}

static enum order_outcome with_use(struct service *service, struct order *order,
                                   enum order_outcome (*see_to)(struct service *, struct order *,
                                                                struct route_use *))
{
    struct route_use *use = route_use_find(&service->uses.routes, order->name);

    if (!use)
        return refuse_template(service, order);
    enum order_outcome outcome = see_to(service, order, use);
    route_use_put(use);
    return outcome;
}

/* What is read with `more` and without what was removed holds from here on. */
static enum order_outcome change_routes(struct service *service, struct order *order,
                                        const struct config_text *more)
{
    struct problems problems;
    struct config *config;

    problems_init(&problems);
    int status = service_read(service, true, more, &problems, &config);
    const char *refusal = status == 0 ? service_apply(service, config) : NULL;
    if (refusal) {
        service_tell_address(service, &problems);
        problems_add(&problems, NULL, 0, "%s", refusal);
    }
    bool refused = problems.count > 0;
    if (refused)
        order->mistakes = problems_text(&problems);
    problems_deinit(&problems);
    return refused ? ORDER_REFUSED : ORDER_DONE;
}

static enum order_outcome add_routes(struct service *service, struct order *order)
{
    const struct config_text more = {ADDED_ROUTES_PLACE, order->text, order->bytes, 1};
    size_t count = added_routes_count(order->text, order->bytes);
    struct added_routes fresh;

    if (count == 0)
        return refuse(order, ADDED_ROUTES_PLACE ": there is no [route NAME] section in it");
    if (count > ADDED_ROUTES_MAX - service->added.count)
        return refuse(order,
                      "no more than %d routes can be added at run time; write them into the "
                      "configuration file and reload it",
                      ADDED_ROUTES_MAX);
    if (!added_routes_split(order->text, order->bytes, &fresh))
        return refuse(order, "out of memory");
    enum order_outcome outcome = change_routes(service, order, &more);
    if (outcome == ORDER_DONE) {
        for (const struct added_route *route = fresh.first; route; route = route->next)
            log_line("route %s: added at run time", route->name);
        service_routes_print_added(service, &fresh, order->answer);
        added_routes_append(&service->added, &fresh);
    }
    added_routes_deinit(&fresh);
    return outcome;
}

static enum order_outcome refuse_removal(const struct service *service, struct order *order)
{
    const struct config *config = service->config;

    for (size_t i = 0; i < config->route_count + config->template_count; i++) {
        const struct route *route = &config->routes[i];
        if (strcmp(route->name, order->name) != 0)
            continue;
        if (!route->file)
            return refuse(order,
                          "route '%s' is of the command line; 'vsluice drain' makes it stop "
                          "listening",
                          route->name);
        return refuse(order,
                      "route '%s' stands at %s:%u and was not added at run time; remove it there "
                      "and reload, or let 'vsluice drain' make it stop listening",
                      route->name, route->file, route->line);
    }
    return ORDER_UNKNOWN;
}

static enum order_outcome remove_route(struct service *service, struct order *order)
{
    struct added_route *route = added_routes_find(&service->added, order->name);

    if (!route)
        return refuse_removal(service, order);
    added_routes_take(&service->added, route);
    enum order_outcome outcome = change_routes(service, order, NULL);
    if (outcome != ORDER_DONE) {
        added_routes_put_back(&service->added, route);
        return outcome;
    }
    log_line("route %s: removed at run time", route->name);
    fputs("{\"removed\": ", order->answer);
    admin_print_string(order->answer, route->name);
    fputs("}\n", order->answer);
    added_route_free(route);
    return ORDER_DONE;
}

static enum order_outcome list_routes(struct service *service, struct order *order)
{
    service_routes_print(service, order->answer);
    return ORDER_DONE;
}

static enum order_outcome see_to(struct service *service, struct order *order)
{
    switch (order->kind) {
    case ORDER_RELOAD: return reload(service, order);
    case ORDER_DRAIN: return with_use(service, order, drain);
    case ORDER_UNDO_DRAIN: return with_use(service, order, undo_drain);
    case ORDER_ADD_ROUTES: return add_routes(service, order);
    case ORDER_REMOVE_ROUTE: return remove_route(service, order);
    case ORDER_LIST_ROUTES: return list_routes(service, order);
    }
    return ORDER_UNKNOWN;
}

void service_orders_see_to(struct service *service)
{
    struct order *order;

    while ((order = orders_take(&service->orders)))
        orders_tell(&service->orders, order, see_to(service, order));
}

static void end_sessions(struct service *service, const char *route)
{
    const struct inquiry_options options = {.kind = INQUIRY_END, .reason = REASON_DRAIN_TIMEOUT};
    struct route_use *use = route_use_find(&service->uses.routes, route);

    if (!use)
        return;
    log_line("route %s: the timeout of draining is over, %u sessions are ended", route,
             atomic_load(&use->sessions));
    struct inquiry *inquiry = inquiry_new(&options, workers_count(service->workers), use, NULL);
    if (!inquiry)
        return;
    workers_ask(service->workers, inquiry);
    inquiry_unref(inquiry);
}

void service_drains_look(struct service *service)
{
    struct drain *drain;

    while ((drain = drains_take_over(&service->drains, clock_ns()))) {
        end_sessions(service, drain->route);
        drain_free(drain);
    }
}

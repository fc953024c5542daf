/* Orders, and what comes of them. */
#include "proxy/admin_orders.h"

#include "config/units.h"
#include "proxy/admin_actions.h"
#include "proxy/admin_sessions.h"
#include "proxy/orders.h"

#include <errno.h>
#include <stdlib.h>

/* Returns an HTTP status. */
static int ask(struct admin_actions *actions, struct admin_request *request, struct order *order)
{
    order->answer = request->answer;
    orders_ask(actions->orders, order);
    switch (order->outcome) {
    case ORDER_DONE: return 200;
    case ORDER_REFUSED:
        admin_refuse_text(request, 409, order->mistakes ? order->mistakes : "out of memory");
        free(order->mistakes);
        return 409;
    case ORDER_UNKNOWN: return admin_refuse_route(actions, request, order->name);
    default: return admin_refuse(request, 503, "vsluice is stopping; start it again");
    }
}

int admin_reload(void *owner, struct admin_request *request)
{
    int status = ask(owner, request, &(struct order){.kind = ORDER_RELOAD});

    if (status == 200)
        fputs("{\"reloaded\": true}\n", request->answer);
    return status;
}

int admin_routes_list(void *owner, struct admin_request *request)
{
    return ask(owner, request, &(struct order){.kind = ORDER_LIST_ROUTES});
}

int admin_routes_add(void *owner, struct admin_request *request)
{
    return ask(owner, request,
               &(struct order){
                   .kind = ORDER_ADD_ROUTES,
                   .text = request->body,
                   .bytes = request->body_bytes,
               });
}

int admin_routes_remove(void *owner, struct admin_request *request)
{
    return ask(owner, request,
               &(struct order){.kind = ORDER_REMOVE_ROUTE, .name = request->values[0]});
}

int admin_routes_drain(void *owner, struct admin_request *request)
{
    struct order order = {.kind = ORDER_DRAIN, .name = request->values[0]};
    const char *timeout = admin_request_parameter(request, "timeout");

    if (timeout && duration_parse(timeout, &order.drain_ns) < 0)
        return admin_refuse(request, 400,
                            "'%.200s' is no timeout; give a duration such as 500ms, 30s or 5m",
                            timeout);
    if (timeout && order.drain_ns == 0)
        order.drain_ns = 1; /* at once */
    return ask(owner, request, &order);
}

int admin_routes_undo_drain(void *owner, struct admin_request *request)
{
    return ask(owner, request,
               &(struct order){.kind = ORDER_UNDO_DRAIN, .name = request->values[0]});
}

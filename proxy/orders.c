/* A list, an eventfd, and a condition to wait for. */
#include "proxy/orders.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

int orders_init(struct orders *orders)
{
    *orders = (struct orders){.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (orders->event < 0)
        return -errno;
    pthread_mutex_init(&orders->mutex, NULL);
    pthread_cond_init(&orders->told, NULL);
    return 0;
}

void orders_deinit(struct orders *orders)
{
    close(orders->event);
    pthread_mutex_destroy(&orders->mutex);
    pthread_cond_destroy(&orders->told);
}

void orders_ask(struct orders *orders, struct order *order)
{
    struct order **link = &orders->first;

    pthread_mutex_lock(&orders->mutex);
    order->outcome = ORDER_CLOSED;
    order->told = orders->closed;
    if (!order->told) {
        while (*link)
            link = &(*link)->next;
        *link = order;
        eventfd_write(orders->event, 1);
    }
    while (!order->told)
        pthread_cond_wait(&orders->told, &orders->mutex);
    pthread_mutex_unlock(&orders->mutex);
}

struct order *orders_take(struct orders *orders)
{
    eventfd_t asked;

    pthread_mutex_lock(&orders->mutex);
    struct order *order = orders->first;
    if (order)
        orders->first = order->next;
    else
        eventfd_read(orders->event, &asked);
    pthread_mutex_unlock(&orders->mutex);
    return order;
}

void orders_tell(struct orders *orders, struct order *order, enum order_outcome outcome)
{
    pthread_mutex_lock(&orders->mutex);
    order->outcome = outcome;
    order->told = true;
    pthread_cond_broadcast(&orders->told);
    pthread_mutex_unlock(&orders->mutex);
}

void orders_close(struct orders *orders)
{
    pthread_mutex_lock(&orders->mutex);
    orders->closed = true;
    for (struct order *order = orders->first; order; order = order->next)
        order->told = true;
    orders->first = NULL;
    pthread_cond_broadcast(&orders->told);
    pthread_mutex_unlock(&orders->mutex);
}

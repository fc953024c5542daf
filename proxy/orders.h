/* What is asked of the main thread, whose are the configuration and all that listens: the way from
 * the threads that ask to it, and back.
 *
 * The admin socket has a thread of its own: so who asks waits until it has been seen to. Orders are
 * seen to one at a time, as they came.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum order_kind {
    ORDER_RELOAD,
    ORDER_DRAIN,
    ORDER_UNDO_DRAIN,
    ORDER_ADD_ROUTES,
    ORDER_REMOVE_ROUTE,
    ORDER_LIST_ROUTES,
};

enum order_outcome {
    ORDER_DONE,
    ORDER_REFUSED, /* nothing has changed, and `mistakes` says why */
    ORDER_UNKNOWN, /* there is no such route */
    ORDER_CLOSED,  /* nobody sees to it any more */
};

/* Lives with who asks; the main thread's from orders_ask() until it is told. */
struct order {
    struct order *next;
    enum order_kind kind;
    const char *name; /* of a route */
    const char *text; /* sections of routes, to add */
    size_t bytes;
    uint64_t drain_ns; /* after which what is left of a drained route is ended; 0: never */

    FILE *answer; /* the main thread writes to it what comes of it */
    enum order_outcome outcome;
    char *mistakes; /* the asker's to free, a line for each; NULL: out of memory */
    bool told;
};

struct orders {
    int event; /* readable when there is one */
    pthread_mutex_t mutex;
    pthread_cond_t told;
    struct order *first;
    bool closed;
};

/* 0 or a negative errno. */
int orders_init(struct orders *orders);
void orders_deinit(struct orders *orders);

/* Of any thread: asks, and waits for what comes of it. */
void orders_ask(struct orders *orders, struct order *order);

/* Of the main thread: the one that came first, which is then to be told; NULL: none. */
struct order *orders_take(struct orders *orders);

/* It may be gone on return. */
void orders_tell(struct orders *orders, struct order *order, enum order_outcome outcome);

/* Those who wait, and those who will ask, are told that nobody sees to them any more. Any number of
 * times. */
void orders_close(struct orders *orders);

/* What other threads hand to a worker: connections that another one accepted, and the words to
 * begin and to stop.
 *
 * Anybody may post; the worker alone takes, when `event` is readable.
 */
#pragma once

#include "proxy/session.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum mailbox_order {
    MAILBOX_WAIT,
    MAILBOX_ACCEPT,
    MAILBOX_DRAIN, /* accept no more, let the sessions finish */
    MAILBOX_END,   /* end what is left */
};

struct mailbox {
    int event;
    pthread_mutex_t mutex;
    struct arrival *arrivals;
    size_t count;
    size_t room;
    enum mailbox_order order;
    bool closed;
};

int mailbox_init(struct mailbox *mailbox);

/* Closes, with a reset, what nobody took. */
void mailbox_deinit(struct mailbox *mailbox);

/* Nothing more is taken: posting fails from here on. */
void mailbox_close(struct mailbox *mailbox);

/* false: closed, or out of memory; the descriptor is still the caller's. */
bool mailbox_post(struct mailbox *mailbox, const struct arrival *arrival);

/* Orders only grow. */
void mailbox_command(struct mailbox *mailbox, enum mailbox_order order);

/* The next arrival, and the order so far; false: there is none. The event is no longer readable
 * once this has said so. */
bool mailbox_take(struct mailbox *mailbox, struct arrival *ret, enum mailbox_order *ret_order);

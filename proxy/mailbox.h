/* What other threads hand to a worker: connections that another one accepted, what it is to listen
 * on and no longer, the words to begin and to stop, and the question whether it is alive.
 *
 * Anybody may post; the worker alone takes, when `event` is readable.
 */
#pragma once

#include "proxy/bind.h"
#include "proxy/inquiry.h"
#include "proxy/session.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum mailbox_order {
    MAILBOX_WAIT,
    MAILBOX_ACCEPT,
    MAILBOX_DRAIN, /* accept no more, let the sessions finish */
    MAILBOX_END,   /* end what is left */
};

enum mailbox_change_kind {
    MAILBOX_OPEN,
    MAILBOX_REPLACE, /* what is accepted from here on is of another opening */
    MAILBOX_CLOSE,
    MAILBOX_END_GUEST, /* its sessions */
    MAILBOX_ASK,
};

/* What a running worker is to do otherwise. */
struct mailbox_change {
    enum mailbox_change_kind kind;
    struct opening *opening;     /* a reference, or NULL */
    struct opening *replacement; /* a reference, or NULL */
    struct bound bound;          /* to open: a descriptor of its own */
    struct guest_use *guest;     /* to end its sessions: a reference */
    struct inquiry_part *part;   /* to ask: with a reference to its inquiry */
};

struct mailbox {
    int event;
    pthread_mutex_t mutex;
    struct arrival *arrivals; /* each with a reference to its opening */
    size_t count;
    size_t room;
    struct mailbox_change *changes;
    size_t change_count;
    size_t change_room;
    enum mailbox_order order;
    bool closed;
    atomic_bool pinged; /* asked for a sign of life, which waits for no mutex */
    atomic_bool asked_closed;
    atomic_bool woken;
};

int mailbox_init(struct mailbox *mailbox);

/* Closes, with a reset, what nobody took. */
void mailbox_deinit(struct mailbox *mailbox);

/* Nothing more is taken: posting fails from here on. */
void mailbox_close(struct mailbox *mailbox);

/* false: closed, or out of memory; all is still the caller's. */
bool mailbox_change(struct mailbox *mailbox, const struct mailbox_change *change);

/* The changes that have come, in their order: an array to free; NULL: none. */
struct mailbox_change *mailbox_take_changes(struct mailbox *mailbox, size_t *ret_count);

/* What it holds is given back: its references, its descriptor. */
void mailbox_change_drop(struct mailbox_change *change);

/* Takes a reference to the opening. false: closed, or out of memory; the descriptor is still the
 * caller's. */
bool mailbox_post(struct mailbox *mailbox, const struct arrival *arrival);

/* Orders only grow. */
void mailbox_command(struct mailbox *mailbox, enum mailbox_order order);

/* The worker is asked for a sign of life. */
void mailbox_ping(struct mailbox *mailbox);

/* Was it? Then it is to give one. */
bool mailbox_take_ping(struct mailbox *mailbox);

/* There may be room where the worker waits for it. */
void mailbox_wake(struct mailbox *mailbox);

/* Was that so? */
bool mailbox_take_wake(struct mailbox *mailbox);

/* The worker is asked to tell when it has closed what it was to close. */
void mailbox_ask_closed(struct mailbox *mailbox);

/* Was it? */
bool mailbox_take_ask_closed(struct mailbox *mailbox);

/* The next arrival, whose reference is the caller's, and the order so far; false: there is none.
 * The event is no longer readable once this has said so. */
bool mailbox_take(struct mailbox *mailbox, struct arrival *ret, enum mailbox_order *ret_order);

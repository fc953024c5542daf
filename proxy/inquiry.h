/* A question to all workers, and what each says to it. They answer between turns of their rings, a
 * piece at a time: sessions that relay do not wait for long.
 *
 * References are counted. Who asks waits no longer than he wants: a worker that answers later, or
 * never, still holds its part.
 */
#pragma once

#include "proxy/session_view.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum inquiry_kind {
    INQUIRY_LIST, /* the sessions that the filter admits */
    INQUIRY_END,  /* the same, and they end */
};

struct inquiry_options {
    enum inquiry_kind kind;
    struct session_filter filter; /* its uses stay for as long as references to the inquiry do */
    enum reason reason;           /* to end for */
    size_t views_max;             /* sessions of each worker to list, the latest first */
};

/* Of one worker. */
struct inquiry_part {
    struct inquiry *inquiry;
    struct inquiry_part *next; /* that its worker has yet to answer */
    bool begun;
    bool answered;   /* what follows is whole */
    size_t matching; /* sessions that the filter admits */
    size_t count;
    struct session_view *views;
};

struct inquiry {
    atomic_uint references;
    struct inquiry_options options;
    struct route_use *use; /* references of the filter's */
    struct guest_use *guest;
    pthread_mutex_t mutex; /* of `answered` */
    pthread_cond_t told;
    unsigned count;
    struct inquiry_part parts[];
};

/* With one reference, for so many workers; takes those of the filter: `use` and `guest`, which may
 * be NULL. NULL: out of memory. */
struct inquiry *inquiry_new(const struct inquiry_options *options, unsigned workers,
                            struct route_use *use, struct guest_use *guest);
struct inquiry *inquiry_ref(struct inquiry *inquiry);
void inquiry_unref(struct inquiry *inquiry);

/* Of the worker: its part is whole, and its reference is given back. */
void inquiry_answer(struct inquiry_part *part);

/* Waits for all of them. true: they have answered; false: one has not, and *ret_silent is the first
 * such. */
bool inquiry_wait(struct inquiry *inquiry, uint64_t timeout_ns, unsigned *ret_silent);

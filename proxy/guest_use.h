/* What is known of a guest at run time, over all workers: how many sessions it has and what they
 * come to, on which VMM it was found to run, whether it is frozen. By its name, so that it outlives
 * the sockets and configurations that a guest comes and goes with.
 *
 * References are counted; a frozen guest stays known without any. Of any thread.
 */
#pragma once

#include "config/config.h"
#include "proxy/rate.h"
#include "proxy/tally.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct guest_uses;

struct guest_use {
    struct guest_uses *uses;
    struct guest_use *next;
    char *name;
    char *address;        /* as text */
    unsigned references;  /* of guest_uses.mutex */
    atomic_uint sessions; /* to it and from it */
    atomic_uint waiting;  /* of those, that wait for it to be reached */
    atomic_uint vmm;      /* enum guest_vmm, as far as it was recognised; else GUEST_VMM_AUTO */
    atomic_bool frozen;   /* no new connection is made to it */
    struct rate rate;     /* of those to it and from it */
    atomic_uint_fast64_t awaited; /* by these workers: a session that ends (proxy/room.h) */
    struct tally tally;           /* of its sessions */
};

struct guest_uses {
    pthread_mutex_t mutex;
    struct guest_use *first;
    unsigned workers; /* that count bytes; set before the first; 0: one */
};

void guest_uses_init(struct guest_uses *uses);

/* Nobody holds a reference. */
void guest_uses_deinit(struct guest_uses *uses);

/* A reference to what is known of a guest. NULL: out of memory. */
struct guest_use *guest_use_get(struct guest_uses *uses, const struct guest *guest);

/* The same by its name; NULL: it is not known. */
struct guest_use *guest_use_find(struct guest_uses *uses, const char *name);
struct guest_use *guest_use_ref(struct guest_use *use);
void guest_use_put(struct guest_use *use);

/* Each guest that is known, in the order of their names; none comes or goes meanwhile. */
void guest_uses_visit(struct guest_uses *uses,
                      void (*visit)(void *argument, const struct guest_use *use), void *argument);

/* New sessions wait, until it is thawed. */
void guest_use_freeze(struct guest_use *use, bool frozen);

/* What is known of a target of a route at run time, over all workers: its sessions, and whether it
 * can be reached. By the name of its route and its own, so that it goes on where the configuration
 * is read anew.
 *
 *   in --failures in a row--> out, for a time --one session tries it--> in, or out again
 *   up --bad checks in a row--> down --good ones in a row--> up
 *
 * It is taken for down while it is out by the one or down by the other. References are counted. Of
 * any thread.
 */
#pragma once

#include "proxy/route_use.h"

#include <stdbool.h>

struct check;

struct target_use {
    struct target_use *next; /* of its route */
    struct route_use *route; /* outlives it */
    char *name;              /* as it is written */
    uint64_t hash;           /* of that */
    unsigned references;     /* of route_uses.mutex, as what follows */
    bool told_down;
    atomic_uint sessions;              /* connected to it, or about to be */
    atomic_uint_fast64_t failures;     /* of sessions to connect to it */
    atomic_uint failed;                /* of these, in a row */
    atomic_uint_fast64_t out_until_ns; /* 0: it is in */
    atomic_bool down;                  /* by its checks */
    struct check *check;               /* of the worker that checks; NULL: none */
};

/* A reference; NULL: out of memory. `route` is one that the caller refers to for as long. */
struct target_use *target_use_get(struct route_use *route, const char *name);
void target_use_put(struct target_use *use);

bool target_use_is_up(const struct target_use *use);

/* May a session go to it at `now_ns`, as to one that is up? */
bool target_use_is_open(const struct target_use *use, uint64_t now_ns);

/* A session goes to it: one that was out is out for as long again, unless it comes through. False:
 * another was faster. */
bool target_use_claim(struct target_use *use, uint64_t now_ns, uint64_t fail_ns);

/* Connecting to it failed, and `fail_max` times in a row (0: never) take it out. Each tells whether
 * the target is down now that it was up, or the other way round. */
bool target_use_failed(struct target_use *use, uint64_t now_ns, uint32_t fail_max,
                       uint64_t fail_ns);
bool target_use_reached(struct target_use *use);

/* What its checks have come to; good ones bring it in, too. */
bool target_use_checked(struct target_use *use, bool good);

/* An endpoint that a route listens on, at run time: what listeners and sessions of all workers
 * refer to, and what keeps the configuration that it was made from for as long as they do.
 *
 * References are counted. Immutable, and of any thread.
 */
#pragma once

#include "config/config.h"
#include "proxy/target_use.h"
#include "proxy/uses.h"

#include <stdatomic.h>

struct opening_target {
    struct guest_use *guest; /* that it is in; NULL: none */
    struct target_use *use;  /* NULL: nobody counts */
};

struct opening {
    atomic_uint references;
    struct config *config;
    const struct route *route;
    const struct route_listen *listen;
    struct guest_use *source;       /* of the guest that connects here; NULL: of none */
    struct opening_target *targets; /* of the route's, one each */
    struct route_use *use;          /* NULL: nobody counts */
    struct rate *rate;              /* of all sessions; NULL: nobody counts */
};

/* With one reference. NULL: out of memory. */
struct opening *opening_new(struct config *config, const struct route *route,
                            const struct route_listen *listen, struct uses *uses);
struct opening *opening_ref(struct opening *opening);
void opening_unref(struct opening *opening);

/* Must all that connect be accepted at once? A VMM stands still, with its whole VM, until what its
 * guest dials is. */
bool opening_never_lets_wait(const struct opening *opening);

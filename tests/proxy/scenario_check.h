/* What must hold after a random run. */
#pragma once

#include "tests/proxy/world.h"

#define SCENARIO_GUESTS 2

/* A guest that some of the sessions are to or from; it is frozen and thawed a few times. */
struct scenario_guest {
    struct scenario *scenario;
    struct guest guest;
    struct guest_use *use; /* NULL: of none */
    bool freezes;
    unsigned changes; /* to come; the last one thaws it */
    struct ring_timer change;
};

struct scenario {
    struct world world;
    struct scenario_guest guests[SCENARIO_GUESTS];
    struct port_range ports[WORLD_SESSIONS_MAX];
    bool calm[WORLD_SESSIONS_MAX]; /* both its ends mean well */
    bool buffers_scarce;           /* a session may fail for want of them */
};

void scenario_check(struct scenario *scenario);

/* What must hold after a random run. */
#pragma once

#include "tests/proxy/world.h"

struct scenario {
    struct world world;
    bool calm[WORLD_SESSIONS_MAX]; /* both its ends mean well */
    bool buffers_scarce;           /* a session may fail for want of them */
};

void scenario_check(struct scenario *scenario);

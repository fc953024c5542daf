/* What the environment asks of rings: VSLUICE_RING, words with commas between them.
 *
 *   epoll, io_uring    that engine and no other
 *   no-FEATURE         without this feature of io_uring
 *   minimal            without any of them
 */
#pragma once

#include "ring/feature.h"

#include <stdbool.h>

struct wish {
    bool epoll;
    bool uring;
    bool without[RING_FEATURES];
};

/* 0 or -EBADRQC: ring_wish_mistake() says why. */
int wish_read(struct wish *ret);

/* Which of several targets a session goes to: pure choosing, from what is known of each.
 *
 * A target that is up goes before one that is down, and that before one whose guest is frozen. Of
 * those that are up `balance` chooses; of the others the first in the order of the configuration.
 */
#pragma once

#include "config/config.h"

#include <stddef.h>
#include <stdint.h>

enum balance_state {
    BALANCE_UP,
    BALANCE_DOWN, /* it failed too often, or its checks did */
    BALANCE_HELD, /* its guest is frozen */
    BALANCE_NONE, /* out of the question: it was tried already, or has no room */
};

struct balance_target {
    enum balance_state state;
    unsigned sessions;
    uint64_t rank; /* source-hash: balance_rank() of the source with it */
};

/* What a session has tried before it reached one. */
struct balance_tries {
    uint64_t tried; /* a bit for each of its route's targets */
    uint32_t turn;  /* of the route, that this session has */
    uint8_t left;   /* how many more it may try */
    uint8_t wait;   /* whose guest may be waited for when all have failed; BALANCE_NOBODY */
    bool waits;
};

#define BALANCE_NOBODY 127

/* Its index; `count`: all are out of the question. Takes what it needs of the turn, so that the
 * next choice of the same session is as even as the first. */
size_t balance_choose(enum route_balance balance, const struct balance_target *targets,
                      size_t count, uint32_t *turn);

/* Of a source, and of a target's name. The same everywhere and for ever. */
uint64_t balance_hash(const void *bytes, size_t length);

/* How a source likes a target: it goes to the one where this is the highest. So those of a target
 * that is gone are spread over the others, and nobody else moves. */
uint64_t balance_rank(uint64_t source, uint64_t target);

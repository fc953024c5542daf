/* Bandwidth: lanes of sessions that may move only so many bytes a second, each and all of a route
 * together. Each direction by itself.
 *
 * A paced lane moves in bulk: it waits until its source is readable, takes tokens, moves at most so
 * many bytes and gives back the tokens that it did not need. Where there are none it borrows
 * nothing and holds nothing, and a timer has it go on. So its writer is slowed by its own socket,
 * and who is idle keeps no tokens from others.
 *
 * Of the lanes that wait for the tokens of one route, each comes again after as many times what it
 * has moved as there are lanes: each has the same part. That a lane waits is counted in the bucket.
 *
 * What it needs is in a slot of its own, for sessions with a bandwidth alone.
 */
#pragma once

#include "proxy/bucket.h"
#include "proxy/session.h"

struct pace_lane {
    struct lane *lane;
    struct ring_timer timer; /* armed: it waits */
    struct bucket own;
    bool counted;      /* among those that wait for the route's tokens */
    unsigned among;    /* as many shared the route's tokens when it took the latest; 0: it alone */
    uint64_t again_ns; /* before which it takes none of them where others wait */
};

struct pace {
    struct pace_lane lanes[SIDE_COUNT];
};

/* The session begins to relay. false: out of memory. */
bool pace_start(struct session *session);

/* It has ended: lanes that wait do so no more. */
void pace_end(struct session *session);

/* For lanes of sessions that have a pace. Tokens for at most so many bytes; 0: none now. */
size_t pace_take(struct lane *lane, size_t wanted);
void pace_give(struct lane *lane, size_t bytes);

/* Bytes that were moved without tokens. */
void pace_charge(struct lane *lane, size_t bytes);

/* Calls lane_retry() when there may be tokens. */
void pace_wait(struct lane *lane);

/* Waits no more. true: it did. */
bool pace_wake(struct lane *lane);

/* Does a lane wait? Of any session. */
bool pace_waits(const struct session *session);

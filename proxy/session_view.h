/* What is told of a session to who asks: copied by its worker's thread, read by another one. */
#pragma once

#include "proxy/session.h"

/* Which sessions are meant: those that agree with all that is given. */
struct session_filter {
    uint64_t number;               /* 0: any */
    const struct route_use *use;   /* of its route; NULL: any */
    const struct guest_use *guest; /* at either end; NULL: any */
};

bool session_filter_admits(const struct session_filter *filter, const struct session *session);

struct session_view {
    struct opening *opening; /* a reference */
    const struct route_target
        *target; /* of its route; NULL: none was chosen yet, as what follows */
    const struct guest_use *target_guest; /* of its opening */
    uint64_t number;
    uint64_t age_ns;
    uint64_t idle_ns; /* UINT64_MAX: it does not relay */
    uint64_t bytes[SIDE_COUNT];
    uint32_t port;
    uint8_t state;            /* enum session_state */
    bool waits;               /* for its guest */
    uint8_t ways[SIDE_COUNT]; /* enum route_lane, of the lane that reads each side */
    uint8_t transport;        /* of the initiator */
    struct address initiator; /* of no length: not known any more */
    struct address told;      /* by a PROXY header, while it is known; else of no length */
};

/* One system call. */
void session_view_take(const struct session *session, struct session_view *ret);
void session_view_drop(struct session_view *view);

/* A walk over all sessions, in pieces: they may come, which it passes over, and go meanwhile. One
 * at a time. */
void sessions_walk_begin(struct sessions *sessions);

/* The next one, which may end before the following call; NULL: that was all. */
struct session *sessions_walk_next(struct sessions *sessions);

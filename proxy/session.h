/* Sessions: one accepted connection each, its connection to the target, and the two lanes between
 * them.
 *
 *   GREETING ---> CONNECTING ----------> RELAYING
 *       |  all said     |   target connected   |
 *       | stop(reason)  | stop(reason)         | both lanes ended, or stop(reason)
 *       |               v                      v
 *       +--------> STOPPING <------------------+
 *                       | nothing in flight: release
 *                       v
 *                     (free)
 *
 *   state       descriptors      in flight                        may follow
 *   GREETING    initiator        greeting's                       CONNECTING, STOPPING
 *   CONNECTING  initiator        dial's, watch of the initiator   RELAYING, STOPPING
 *   RELAYING    both             lanes', watches                  STOPPING
 *   STOPPING    those there are  cancelled ones                   (free)
 *
 * GREETING: of initiators that say something first: a PROXY header, or to `mux:` listeners the port
 * to connect to.
 *
 * End-of-file lives on lanes:
 *
 *   RECEIVING --bytes--> SENDING --all sent--> RECEIVING
 *       |                 |   ^
 *       |                 v   |  writable
 *       |               BLOCKED
 *       | end-of-file: SHUT_WR on the sink
 *       v
 *     ENDED             DISCARDING: the sink takes no more bytes; what still comes is read and
 * dropped, for SESSION_DISCARD_NS or as long as the other lane delivers, or nothing was dropped and
 * it has yet to, so that closing does not destroy what the source has yet to read
 *
 * How a lane moves bytes, and how it changes its way, is told in lane.h.
 *
 * An error of a session ends that session alone. Told to who owns the sessions, never logged here.
 */
#pragma once

#include "config/config.h"
#include "proxy/chain.h"
#include "proxy/dial.h"
#include "proxy/greeting.h"
#include "proxy/opening.h"
#include "proxy/pool.h"
#include "proxy/reason.h"
#include "proxy/resolver.h"
#include "proxy/slab.h"
#include "ring/ring.h"

#include <stdatomic.h>

struct pace;
struct sessions;
struct session;

enum session_state {
    SESSION_FREE,
    SESSION_GREETING,
    SESSION_CONNECTING,
    SESSION_RELAYING,
    SESSION_STOPPING,
};

enum lane_state {
    LANE_OFF,
    LANE_RECEIVING, /* holds nothing */
    LANE_SENDING,   /* holds bytes, and a send is in flight */
    LANE_BLOCKED,   /* holds bytes, and waits for the sink */
    LANE_DISCARDING,
    LANE_ENDED,
};

/* The sides of a session, and the lane that reads each: lanes[SIDE_INITIATOR] carries to the
 * target. */
enum { SIDE_INITIATOR, SIDE_TARGET, SIDE_COUNT };

struct side {
    int fd;        /* reads, and writes unless fd_write is another; -1: none */
    int fd_write;  /* standard output beside standard input; else equal to fd */
    uint8_t index; /* in session.sides */
    uint8_t transport;
    bool gone;             /* takes no more bytes, in good order */
    bool holds_half_close; /* is told of an end-of-file when both directions have ended */
    int error; /* the reset that a send met, while what came before it is still read; else 0 */
    struct ring_op watch; /* errors and hang-up while nothing is received */
};

struct lane {
    uint8_t state;
    uint8_t source;         /* index of the side it reads; the other one is its sink */
    uint8_t way;            /* enum route_lane: small, splice or copy; auto: it has not started */
    uint8_t full;           /* receives in a row that filled their buffer */
    uint8_t few;            /* receives in a row that did not */
    bool much;              /* so many that it is to move in bulk */
    uint8_t quiet;          /* waits in a row that brought little */
    bool ended;             /* end-of-file was read */
    bool lost;              /* some of its bytes could not be delivered */
    struct chain chain;     /* small: what it holds */
    uint32_t moved;         /* splice, copy: bytes since it last waited for the source */
    struct pool_item *bulk; /* splice, copy: what it holds; NULL: nothing */
    uint64_t bytes;         /* handed to the sink so far */
    struct ring_op receive; /* or waits until the source is readable */
    struct ring_op send;    /* or waits until the sink is writable */
};

struct session {
    struct sessions *sessions;
    struct session *next;
    struct session **link;
    struct opening *opening;
    uint64_t number;
    uint8_t state : 7; /* enum session_state */
    bool counted : 1;  /* of its route and the guests at its ends, but for one target of several */
    uint8_t reason;
    uint8_t retries : 7; /* in a row, of what memory or buffers were lacking for */
    bool greets : 1;     /* of `greeting` and `dial`, it is the greeting that is there */
    uint8_t target : 7;  /* of its route's, that was chosen last; BALANCE_NOBODY: none yet */
    bool of_target : 1;  /* it is counted of that */
    int16_t error;
    union { /* while GREETING or CONNECTING, and until it is at rest; else NULL */
        struct greeting *greeting;
        struct dial *dial;
    };
    struct ring_timer timer;
    struct ring_timer retry;   /* the next one */
    uint32_t port;             /* of the target, where it has one */
    uint32_t delivered_past;   /* by both lanes, when discarding was last looked at */
    uint64_t started_ns;       /* in the ring's time */
    uint64_t moved_ns;         /* the same: a byte or an end-of-file was handed on */
    struct pace *pace;         /* NULL: no bandwidth bounds it, or it does not relay */
    struct source_use *source; /* where it is counted; NULL: nowhere */
    struct side sides[SIDE_COUNT];
    struct lane lanes[SIDE_COUNT];
};

/* An accepted connection. */
struct arrival {
    struct opening *opening;
    int fd;
    int fd_write; /* standard output beside standard input; else equal to fd */
    enum transport transport;
    bool counted; /* of its route and the guests at its ends, but for one target of several */
};

/* What the owner of the sessions is told. The session may be read, not kept. */
struct sessions_events {
    /* It stops, for session->reason; its descriptors are still open. */
    void (*ended)(void *owner, const struct session *session);
    /* Its target, one of several, is taken for down from here on, for that reason; NONE: for up. */
    void (*target)(void *owner, const struct session *session, enum reason reason, int error);
    /* Its slot and descriptors are free again. */
    void (*released)(void *owner);
    /* There is room where these workers wait for it. NULL: nobody waits. */
    void (*made_room)(void *owner, uint64_t workers);
};

/* What lanes hold and move at most; tests make them small. */
struct lane_limits {
    uint32_t buffer_bytes; /* of the ring's receive buffers */
    uint32_t pipe_bytes;   /* through a pipe */
    uint32_t copy_bytes;   /* through a large buffer */
    uint32_t turn_bytes;   /* in one turn of the ring, before others have theirs */
};

/* What the sessions came to: those that have ended but for the ways. */
struct sessions_totals {
    uint64_t sessions;
    uint64_t bytes;                  /* relayed, of both directions */
    uint64_t ways[ROUTE_LANE_COUNT]; /* how often lanes changed to this way to move bytes */
};

struct sessions {
    struct ring *ring;
    unsigned worker; /* its number, from 0 */
    struct resolver *resolver;
    const struct sessions_events *events;
    void *owner;
    struct slab slab;
    struct dial_lines lines; /* of dials that wait for guests */
    struct slab dials;       /* of those that are connecting: a session that relays holds none */
    struct slab greetings;   /* of those that are greeting */
    struct slab paces;       /* of those that a bandwidth bounds */
    struct ring_timer sweep; /* for what sessions have a time for: sweep.h */
    uint64_t swept_ns;       /* the latest one, in the ring's time */
    struct sessions_totals totals;
    unsigned lanes[ROUTE_LANE_COUNT]; /* those there are, by their way */
    struct lane_limits limits;
    struct chain_links links;
    struct pool pool;
    struct session *first;
    struct session *walked;        /* that a walk comes to next (proxy/session_view.h) */
    atomic_uint_fast64_t *numbers; /* the latest session's; several may share one */
    atomic_uint_fast64_t numbers_own;
};

/* Discarded bytes, and half-closed vsock sessions whose other end vanished in silence. */
#define SESSION_DISCARD_NS UINT64_C(500000000)
#define SESSION_PROBE_NS   UINT64_C(500000000)
/* A send or receive that memory or buffers are lacking for is tried again after such a time, so
 * often. */
#define SESSION_RETRY_NS    UINT64_C(10000000)
#define SESSION_RETRIES_MAX 100
/* A dial that lasts longer watches whether the initiator is still there. */
#define SESSION_PATIENCE_NS UINT64_C(100000000)

void sessions_init(struct sessions *sessions, struct ring *ring, struct resolver *resolver,
                   size_t max, const struct sessions_events *events, void *owner);

/* Other limits than LANE_LIMITS (proxy/lane.h); before the first session starts. */
void sessions_limit(struct sessions *sessions, const struct lane_limits *limits);

/* No session may be left. */
void sessions_deinit(struct sessions *sessions);

/* Starts a session for an accepted connection; owns its descriptors from here on, whatever happens;
 * takes a reference to its opening. -EAGAIN: all slots are taken; -ENOMEM. Neither tells an event.
 * One that its guest has no room for ends at once. */
int sessions_start(struct sessions *sessions, const struct arrival *arrival);

/* Ends every session. */
void sessions_stop_all(struct sessions *sessions, enum reason reason);

/* Ends those that relay to or from a guest. */
void sessions_stop_guest(struct sessions *sessions, const struct guest_use *guest,
                         enum reason reason);

/* Bytes that both lanes have handed on, counted modulo 2^32: to see whether there were any. */
uint32_t session_delivered(const struct session *session);

/* For lanes. Ends the session; it may be gone on return. Any number of times: the first reason
 * stays. */
void session_stop(struct session *session, enum reason reason, int error);

/* For lanes of a stopping session, when an operation of theirs has left flight. The session may be
 * gone on return. */
void session_join(struct session *session);

/* For lanes: this one has ended, or takes up discarding. The session may be gone on return. */
void session_lane_changed(struct session *session, struct lane *lane);

/* For lanes: arms the watch of a side that is not being received from. */
void session_watch(struct session *session, struct side *side);

/* For lanes: calls lane_retry() in a while, or ends the session where that has been tried for long.
 * It may be gone on return. */
void session_retry(struct session *session, int error);

size_t sessions_count(const struct sessions *sessions);

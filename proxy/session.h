/* Sessions: one accepted connection each, its connection to the target, and the two lanes between
 * them.
 *
 *             CONNECTING ----------> RELAYING
 *                 |   target connected   |
 *                 | stop(reason)         | both lanes ended, or stop(reason)
 *                 v                      v
 *              STOPPING <----------------+
 *                 | nothing in flight: release
 *                 v
 *               (free)
 *
 *   state       descriptors      in flight                        may follow
 *   CONNECTING  initiator        dial's, watch of the initiator   RELAYING, STOPPING
 *   RELAYING    both             lanes', watches                  STOPPING
 *   STOPPING    those there are  cancelled ones and cancels       (free)
 *
 * A lane holds at most one receive buffer. It sends all of it before it receives again, so a slow
 * reader slows its writer and nothing else. End-of-file lives on lanes:
 *
 *   RECEIVING --bytes--> SENDING --all sent--> RECEIVING
 *       |                 |   ^
 *       |                 v   |  writable
 *       |               BLOCKED
 *       | end-of-file: SHUT_WR on the sink
 *       v
 *     ENDED             DISCARDING: the sink takes no more bytes; what still comes is read and
 * dropped, for SESSION_DISCARD_NS or as long as the other lane delivers, so that closing does not
 *                       destroy what the source has yet to read
 *
 * An error of a session ends that session alone. Told to who owns the sessions, never logged here.
 */
#pragma once

#include "config/config.h"
#include "proxy/dial.h"
#include "proxy/reason.h"
#include "proxy/resolver.h"
#include "proxy/slab.h"
#include "ring/ring.h"

struct sessions;
struct session;

enum session_state {
    SESSION_FREE,
    SESSION_CONNECTING,
    SESSION_RELAYING,
    SESSION_STOPPING,
};

enum lane_state {
    LANE_OFF,
    LANE_RECEIVING,
    LANE_SENDING,
    LANE_BLOCKED,
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
    bool gone; /* takes no more bytes, in good order */
    int error; /* the reset that a send met, while what came before it is still read; else 0 */
    struct ring_op watch; /* errors and hang-up while nothing is received */
    struct ring_op cancel;
    struct ring_op cancel_write; /* where fd_write is another */
};

struct lane {
    uint8_t state;
    uint8_t source; /* index of the side it reads; the other one is its sink */
    bool lost;      /* some of its bytes could not be delivered */
    unsigned buffer;
    uint32_t offset; /* into the buffer: what has been sent */
    uint32_t length; /* of the bytes in the buffer; 0: it holds none */
    uint64_t bytes;  /* handed to the sink so far */
    struct ring_op receive;
    struct ring_op send; /* or waits until the sink is writable */
};

struct session {
    struct sessions *sessions;
    struct session *next;
    struct session **link;
    const struct route *route;
    uint64_t number;
    uint8_t state;
    uint8_t reason;
    int error;
    struct ring_timer timer;
    struct ring_timer retry; /* of sends that memory was lacking for */
    uint32_t retries;        /* in a row */
    uint64_t delivered;      /* by both lanes, when discarding was last looked at */
    struct side sides[SIDE_COUNT];
    struct lane lanes[SIDE_COUNT];
    struct dial dial;
};

/* What the owner of the sessions is told. The session may be read, not kept. */
struct sessions_events {
    /* It stops, for session->reason; its descriptors are still open. */
    void (*ended)(void *owner, const struct session *session);
    /* Its slot and descriptors are free again. */
    void (*released)(void *owner);
};

struct sessions {
    struct ring *ring;
    struct resolver *resolver;
    const struct sessions_events *events;
    void *owner;
    struct slab slab;
    size_t spare; /* of max: not to be counted on, for connections that several listeners accept at
                     once */
    struct session *first;
    uint64_t started; /* so far: the number of the latest session */
};

/* Discarded bytes, and half-closed vsock sessions whose other end vanished in silence. */
#define SESSION_DISCARD_NS UINT64_C(500000000)
#define SESSION_PROBE_NS   UINT64_C(500000000)
/* A send that memory is lacking for is tried again after such a time, so often. */
#define SESSION_RETRY_NS    UINT64_C(10000000)
#define SESSION_RETRIES_MAX 100
/* A dial that lasts longer watches whether the initiator is still there. */
#define SESSION_PATIENCE_NS UINT64_C(100000000)

void sessions_init(struct sessions *sessions, struct ring *ring, struct resolver *resolver,
                   size_t max, const struct sessions_events *events, void *owner);

/* No session may be left. */
void sessions_deinit(struct sessions *sessions);

/* Starts a session for an accepted connection; owns fd (and fd_write, equal to fd for a socket)
 * from here on, whatever happens. -EAGAIN: all slots are taken; -ENOMEM. Neither tells an event. */
int sessions_start(struct sessions *sessions, const struct route *route, int fd, int fd_write,
                   enum transport transport);

/* Ends every session. */
void sessions_stop_all(struct sessions *sessions, enum reason reason);

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

/* How many more may be accepted. */
size_t sessions_room(const struct sessions *sessions);

/* Connecting to a target: its addresses one after the other, the vsock-mux handshake, all before
 * one deadline.
 *
 *                 +---------- next address, or the backlog was full ---------+
 *                 v                                                          |
 *  IDLE --> RESOLVING --> CONNECTING --> GREETING (vsock-mux) --> done    RETRYING
 *                 |            |             |                               ^
 *                 |            +-------------+------ attempt failed -----> LEAVING
 *                 +--> failed                         (stop, join)            |
 *                                                                            +--> failed
 *                                                                            |
 *                                       (its guest may come) WAITING <-------+
 *
 * WAITING, the dial stands in a line (proxy/dial_line.h); the first of it goes on to RESOLVING, and
 * leaves the line when it is connected or has failed for good. While the guest is frozen, all stand
 * there and nobody's time runs.
 *
 * Owns the descriptor of the attempt until it is handed to the handler. The handler is called once,
 * never from inside dial_start() or dial_stop(); the dial is then at rest and may be freed.
 */
#pragma once

#include "proxy/balance.h"
#include "proxy/dial_line.h"
#include "proxy/guest_use.h"
#include "proxy/proxy_header.h"
#include "proxy/reason.h"
#include "proxy/resolver.h"
#include "ring/ring.h"
#include "vsock/vsock.h"

#include <stdbool.h>

struct dial;

/* reason NONE: fd is connected and the handler's to own, or, after dial_stop(), -1. Any other
 * reason: fd is -1 and error a negative errno or, for REASON_NAME_UNRESOLVED, getaddrinfo's. The
 * dial may be freed by the handler. */
typedef void dial_handler(struct dial *dial, int fd, enum transport transport, enum reason reason,
                          int error);

enum dial_state {
    DIAL_IDLE,
    DIAL_RESOLVING,
    DIAL_CONNECTING,
    DIAL_GREETING,
    DIAL_LEAVING,
    DIAL_RETRYING,
    DIAL_WAITING,
};

struct dial_options {
    const struct endpoint *target; /* outlives the dial */
    uint32_t port;                 /* of the target, where it has one */
    struct guest_use *guest;       /* that the target is in; NULL: none */
    uint64_t timeout_ns;
    uint64_t keepalive_ns;    /* TCP; 0: off */
    void *owner;              /* for the handler, as is what follows */
    struct proxy_header told; /* by the initiator */
    struct balance_tries tries;

    uint64_t wait_ns;         /* for a guest that cannot be reached yet; 0: not */
    unsigned wait_phases;     /* enum guest_phase */
    atomic_uint *waiting;     /* dials that wait, here and elsewhere; NULL: any number may */
    unsigned wait_max;        /* of those */
    struct dial_lines *lines; /* where to wait */
};

struct dial {
    struct ring *ring;
    struct resolver *resolver;
    struct dial_options options;
    dial_handler *handler;

    enum dial_state state;
    enum reason reason; /* of the latest failed attempt */
    int error;
    struct addresses *addresses;
    size_t address_index; /* of the attempt */
    bool stopped;
    bool owed; /* an attempt, whatever the time is: it stood before a frozen guest */
    int fd;
    uint64_t started_ns;
    uint64_t deadline_ns;
    uint64_t wait_end_ns;
    struct dial_line *line; /* that it stands in; NULL: none */
    struct dial *before;
    struct dial *behind;
    uint64_t retry_ns; /* the latest pause after a full backlog */

    struct resolver_wait wait;
    struct ring_timer timer;
    struct ring_op connect;
    struct ring_op greet; /* sends CONNECT, then waits for bytes */
    char request[VSOCK_MUX_REQUEST_BYTES];
    uint8_t request_length;
    uint8_t request_sent;
    uint8_t reply_length;
    char reply[VSOCK_MUX_REPLY_BYTES_MAX];
};

void dial_start(struct dial *dial, struct ring *ring, struct resolver *resolver,
                const struct dial_options *options, dial_handler *handler);

/* Gives up. true: the dial is at rest, and the handler will not be called; false: it will be, once
 * nothing is in flight. Any number of times, also on a dial that was never started (zeroed memory).
 */
bool dial_stop(struct dial *dial);

/* One connection of a generator: connects, says what it wants (perf/protocol.h), then sends and
 * receives load.
 *
 *   CLOSED --open--> CONNECTING --> GREETING (vsock-mux) --> OPENING --welcome--> OPEN
 *     ^                  |              |                       |                  |
 *     +------------------+--- closing: nothing in flight -------+------------------+
 *
 * A Unix listener whose backlog is full is tried again: a blocking connect(2) would wait. Who is
 * not OPEN after CONNECTION_OPEN_NS is closed.
 *
 * Tells its generator by the functions of struct connection_events; a generator may close a
 * connection from inside them, and open it again from inside closed().
 */
#pragma once

#include "perf/generator.h"
#include "perf/pattern.h"
#include "perf/protocol.h"
#include "perf/queue.h"
#include "ring/ring.h"

#include <stdbool.h>

struct connection;

enum connection_state {
    CONNECTION_CLOSED,
    CONNECTION_CONNECTING,
    CONNECTION_GREETING,
    CONNECTION_OPENING,
    CONNECTION_OPEN,
    CONNECTION_CLOSING,
};

/* How long it may take to open. */
#define CONNECTION_OPEN_NS UINT64_C(5000000000)

enum connection_end {
    CONNECTION_DONE,     /* closed by the generator, or as planned */
    CONNECTION_REFUSED,  /* could not be made */
    CONNECTION_SILENT,   /* was made, and has no welcome within CONNECTION_OPEN_NS */
    CONNECTION_RESET,    /* broke */
    CONNECTION_EARLY,    /* end-of-file too early */
    CONNECTION_VERIFY,   /* wrong bytes */
    CONNECTION_PROTOCOL, /* the other end is no load server of this version */
};

struct connection_events {
    /* The connection is there, behind a vsock-mux the guest's: nothing of load has been sent.
     * false: it was closed, and may be open again. */
    bool (*connected)(struct connection *connection);
    void (*opened)(struct connection *connection);
    void (*answered)(struct connection *connection, uint64_t planned_ns);
    void (*first_byte)(struct connection *connection);
    void (*sent)(struct connection *connection, size_t bytes);
    void (*received)(struct connection *connection, size_t bytes);
    /* error: negative errno, where that says more than the end. */
    void (*closed)(struct connection *connection, enum connection_end end, int error);
};

/* stream: of the `size` bytes that are under way. */
struct connection_unit {
    uint64_t bytes;    /* that have gone */
    uint64_t since_ns; /* when the ones before were whole */
};

struct connection {
    struct ring *ring;
    const struct load *load;
    const struct connection_events *events;
    void *owner;

    int fd;
    uint8_t state;
    uint8_t end;
    int error;
    bool reset;      /* closes with a reset */
    bool answered;   /* crr: its one answer is whole */
    bool got_a_byte; /* of load */
    bool welcome;    /* opened() has been told */
    uint64_t stream;
    uint64_t planned_ns;   /* its opening */
    uint64_t started_ns;   /* connecting */
    uint64_t connected_ns; /* 0: not yet */

    char *preface; /* CONNECT, or the header with the first request of a crr behind it */
    size_t preface_length;
    size_t preface_sent;
    uint8_t answer[32]; /* of the VMM or of the server */
    size_t answer_length;

    struct pattern up;
    struct pattern down;
    char *buffer; /* stream: the generator's, shared; nothing stays in it */
    uint64_t to_send;
    uint64_t to_receive; /* of the current response */
    struct queue
        planned; /* rr: of all requests without an answer; the first `in_flight` are sent */
    unsigned in_flight;

    struct connection_unit units[2]; /* the owner's, by enum measurement_direction */

    struct ring_op connect;
    struct ring_op receive;
    struct ring_op send;
    struct ring_op cancel;
    struct ring_timer retry;
    struct ring_timer deadline; /* of opening */
};

/* buffer: STREAM_RECEIVE_BYTES where the load is a stream, for all connections of a thread. 0 or
 * -ENOMEM.
 */
int connection_init(struct connection *connection, struct ring *ring, const struct load *load,
                    uint64_t stream, char *buffer, const struct connection_events *events,
                    void *owner);
void connection_deinit(struct connection *connection);

/* Of a closed one. planned_ns: when this was to happen. */
void connection_open(struct connection *connection, uint64_t planned_ns);

/* Any number of times; closed() is called once nothing is in flight. reset: the other end sees a
 * reset. */
void connection_close(struct connection *connection, bool reset);

/* rr, idle: one more request, that was to go out at planned_ns. false: too many wait. */
bool connection_request(struct connection *connection, uint64_t planned_ns);

/* stream: begins to send. */
void connection_stream(struct connection *connection);

/* stream up: no more is sent. */
void connection_quiet(struct connection *connection);

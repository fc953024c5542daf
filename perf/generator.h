/* A generator: one thread that makes load, with a ring and connections of its own.
 *
 *   PREPARING --all are open, or failed--> READY --start--> RUNNING --end--> DRAINING --> CLOSING
 *
 *   PREPARING  opens its connections (stream, rr, idle)
 *   READY      waits for the other generators
 *   RUNNING    warms up, then measures
 *   DRAINING   plans nothing new; waits for answers, DRAIN_NS at most
 *   CLOSING    ends its connections, and then itself
 *
 * Latency counts from when a request was planned to be sent: in an open loop from its place in the
 * schedule, however late it went out, so that a server that stalls cannot hide the requests that it
 * kept from being sent.
 */
#pragma once

#include "config/address.h"
#include "perf/result.h"
#include "perf/timeline.h"

#include <stdatomic.h>

#define GENERATOR_DRAIN_NS UINT64_C(2000000000)

enum load_mode {
    LOAD_STREAM_UP,
    LOAD_STREAM_DOWN,
    LOAD_STREAM_BOTH,
    LOAD_RR,
    LOAD_CRR,
    LOAD_CHURN,
    LOAD_IDLE,
};

/* What all generators of a run share. */
struct load {
    struct result_options options;
    enum load_mode mode;
    bool open_loop;
    bool poisson;
    struct address address;
    bool mux; /* the address is a vsock-mux; mux_port is to be asked for */
    uint32_t mux_port;
    int stop; /* a descriptor that becomes readable when the run is to end early */

    atomic_uint ready;             /* generators that have prepared */
    atomic_uint_fast64_t start_ns; /* of the warm-up; 0: not yet */
    struct timeline timeline;
};

static inline bool load_is_stream(const struct load *load)
{
    return load->mode <= LOAD_STREAM_BOTH;
}

struct tally {
    const char *engine; /* of its ring; NULL: it has none */
    uint64_t completed;
    uint64_t bytes_up;
    uint64_t bytes_down;
    struct result_errors errors;
    struct histogram latency;
    struct histogram connect;
    struct histogram first_byte;
    struct histogram schedule;
    double cpu_user_s;
    double cpu_system_s;
    double measured_s;
    uint64_t dropped;                /* planned, but the queue of what is planned was full */
    uint64_t opened;                 /* connections */
    int error;                       /* the generator itself failed: negative errno; 0: no */
    char problem[RESULT_TEXT_BYTES]; /* what went wrong first; "": nothing */
};

struct generator {
    struct load *load;
    unsigned index;
    unsigned connections;
    pthread_t thread;
    struct tally *tally; /* zeroed, its histograms initialized, by who starts the thread */
};

/* The body of the thread; `argument` is a struct generator. */
void *generator_thread(void *argument);

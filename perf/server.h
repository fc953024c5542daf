/* The serving side: accepts load connections and does what each asks for in its header
 * (perf/protocol.h).
 *
 * A server belongs to one thread, with a ring of its own; several may accept from one listening
 * socket.
 */
#pragma once

#include "ring/ring.h"

#include <stdbool.h>
#include <stdint.h>

struct server;

struct server_options {
    int listener;            /* stays the caller's */
    int stop;                /* a descriptor that becomes readable when the server is to end */
    uint64_t stall_after_ns; /* for tests of the tester: stalls once, so long after the first
                                request ... */
    uint64_t stall_ns;       /* ... for so long; 0: never */
};

/* Serves until stopped. 0 or negative errno: the ring broke or could not be made. */
int server_run(const struct server_options *options);

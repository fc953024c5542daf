/* What the initiator of a `mux:` listener says first, as to a VMM: CONNECT PORT and a newline.
 *
 * Not a byte behind the newline is read. The handler is called once, never from inside
 * greeting_start() or greeting_stop(); the greeting is then at rest and may be freed.
 */
#pragma once

#include "proxy/reason.h"
#include "ring/ring.h"

#include <stdbool.h>
#include <stdint.h>

#define GREETING_BYTES_MAX 32 /* as the VMMs have it */

struct greeting;

/* reason NONE: it named `port`, or, after greeting_stop(), nothing. */
typedef void greeting_handler(struct greeting *greeting, uint32_t port, enum reason reason,
                              int error);

struct greeting {
    struct ring *ring;
    int fd;
    void *owner; /* for the handler */
    greeting_handler *handler;
    bool stopped;
    enum reason reason; /* while it ends by its timer */
    uint8_t length;
    char line[GREETING_BYTES_MAX];
    struct ring_timer timer;
    struct ring_op readable;
    struct ring_op cancel;
};

/* What `length` bytes say. The length of the whole line, newline and all, and its port; 0: there is
 * more to come; -EPROTO: no CONNECT PORT can come of it. */
int greeting_scan(const char *bytes, size_t length, uint32_t *ret_port);

/* fd stays the caller's, and open until the handler has been called. */
void greeting_start(struct greeting *greeting, struct ring *ring, int fd, uint64_t timeout_ns,
                    greeting_handler *handler, void *owner);

/* Gives up. true: it is at rest, and the handler will not be called; false: it will be. Any number
 * of times, also on one that was never started (zeroed memory). */
bool greeting_stop(struct greeting *greeting);

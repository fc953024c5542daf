/* What an initiator says first, before the target is connected to: a PROXY header (accept-proxy of
 * its route), and to a `mux:` listener, as to a VMM, CONNECT PORT and a newline.
 *
 * Not a byte behind it is read. The handler is called once, never from inside
 * greeting_start() or greeting_stop(); the greeting is then at rest and may be freed.
 */
#pragma once

#include "proxy/proxy_header.h"
#include "proxy/reason.h"
#include "ring/ring.h"

#include <stdbool.h>
#include <stdint.h>

#define GREETING_BYTES_MAX 32 /* of the line, as the VMMs have it */

/* In this order. */
enum greeting_part {
    GREETING_PROXY = 1 << 0,
    GREETING_CONNECT = 1 << 1,
};

struct greeting;

/* reason NONE: all was said: `port` is the one that was named, else 0, and greeting->told what the
 * header told; or greeting_stop() was asked. */
typedef void greeting_handler(struct greeting *greeting, uint32_t port, enum reason reason,
                              int error);

struct greeting {
    struct ring *ring;
    int fd;
    void *owner; /* for the handler */
    greeting_handler *handler;
    bool stopped;
    enum reason reason; /* while it ends by its timer */
    unsigned parts;     /* enum greeting_part, of those to come */
    uint16_t length;    /* of what is known of the first of them */
    char bytes[PROXY_HEADER_BYTES_MAX];
    struct proxy_header told;
    uint32_t port;
    struct ring_timer timer;
    struct ring_op readable;
};

/* What `length` bytes say of the port. The length of the whole line, newline and all, and its port;
 * 0: there is more to come; -EPROTO: no CONNECT PORT can come of it. */
int greeting_scan(const char *bytes, size_t length, uint32_t *ret_port);

/* fd stays the caller's, and open until the handler has been called. One timeout for all parts. */
void greeting_start(struct greeting *greeting, struct ring *ring, int fd, unsigned parts,
                    uint64_t timeout_ns, greeting_handler *handler, void *owner);

/* Gives up. true: it is at rest, and the handler will not be called; false: it will be. Any number
 * of times, also on one that was never started (zeroed memory). */
bool greeting_stop(struct greeting *greeting);

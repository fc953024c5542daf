/* The admin socket: HTTP on a Unix socket, for those who may open its file; and the same to look at
 * over TCP, for those who may connect there.
 *
 * Each has a thread of its own, which accepts (proxy/admin_door.h) and turns GNU libmicrohttpd: a
 * handler runs on that thread, one at a time, and must be quick, as all others wait meanwhile. Two
 * servers of one table may call it at once. No signal is delivered there. The library is loaded
 * when the first server starts.
 *
 * A connection may ask many times. What no body is for gets 413 with one, and so does a body over
 * ADMIN_BODY_BYTES; one that goes on and on is cut off.
 * Malformed HTTP and headers over ADMIN_REQUEST_BYTES are answered by libmicrohttpd itself, in
 * words of its own. Of more than ADMIN_CONNECTIONS_MAX connections the others wait in the backlog;
 * over TCP, more than ADMIN_ADDRESS_CONNECTIONS_MAX from one address are closed at once. A request
 * is whole ADMIN_REQUEST_S_MAX after its connection was accepted, or the answer before it was
 * taken, and its answer is taken within ADMIN_ANSWER_S_MAX; else the connection is closed, and so
 * is one that is silent for ADMIN_SILENT_S_MAX.
 */
#pragma once

#include "config/endpoint.h"
#include "proxy/admin_route.h"

#include <sys/types.h>

#define ADMIN_CONNECTIONS_MAX         64
#define ADMIN_ADDRESS_CONNECTIONS_MAX 16
#define ADMIN_SILENT_S_MAX            10
#define ADMIN_REQUEST_S_MAX           10
#define ADMIN_ANSWER_S_MAX            60
#define ADMIN_REQUEST_BYTES           16384
#define ADMIN_BODY_BYTES              65536
/* That it opens: those of connections, the listener, epoll, and two that wake the thread. */
#define ADMIN_DESCRIPTORS (ADMIN_CONNECTIONS_MAX + 4)

struct admin;

struct admin_options {
    const char *path;           /* absolute; copied */
    const struct endpoint *tcp; /* in its place: an address, or `*` */
    struct admin_routes routes; /* the table and its owner stay until admin_stop() */
    unsigned silent_s_max;      /* in the place of the above; 0: as above */
    unsigned request_s_max;
    unsigned answer_s_max;
};

#define ADMIN_ERROR_BYTES 512

/* Claims the path, with mode 0600 from its beginning: a stale socket is replaced, a live one
 * refused; or the TCP address. Then serves. 0, and *ret is the caller's; or negative errno and a
 * sentence in `error`: -EADDRINUSE, -EEXIST, -EACCES, -ENOENT (of the directory), -ENOSYS (no
 * libmicrohttpd). */
int admin_start(struct admin **ret, const struct admin_options *options,
                char error[static ADMIN_ERROR_BYTES]);

/* Where it is: what it is bound to. */
const char *admin_address(const struct admin *admin);

/* Its file is that user's from now on. 0 or a negative errno. NULL is allowed. */
int admin_give_file(const struct admin *admin, uid_t uid, gid_t gid);

/* Removes the file, waits for a handler that runs, ends every connection, and frees. Not to be
 * called by a handler. NULL is allowed. */
void admin_stop(struct admin *admin);

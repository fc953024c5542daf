/* Listen endpoints to listening sockets.
 *
 * Knows how each kind claims its address: a TCP name may have several addresses; the file of a Unix
 * socket that nobody serves any more is replaced, and a live one is left alone; a bound file is
 * removed at the end unless somebody has put another in its place.
 */
#pragma once

#include "config/address.h"
#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct bound {
    int fd;
    enum transport transport;
    bool inherited;                 /* others have it too, and will */
    char text[ENDPOINT_TEXT_BYTES]; /* what it is bound to, with the port that the kernel chose */
    char path[ENDPOINT_UNIX_PATH_BYTES]; /* of its file, to be removed; "": none */
    dev_t path_device;
    ino_t path_inode;
};

/* The most sockets that one endpoint opens: the addresses of a TCP name. */
#define BOUND_MAX 16

#define BIND_ERROR_BYTES 512

/* Binds and listens. Returns the number of sockets in `ret`, which the caller owns; or negative
 * errno, nothing bound, and a sentence in `error`. May block: asks the name service for a TCP name,
 * and tries for BIND_PATIENCE_NS while the address is in use, as a process that was killed frees it
 * a moment later. */
#define BIND_PATIENCE_NS UINT64_C(500000000)
int bind_route_listen(const struct route *route, const struct endpoint *endpoint,
                      struct bound ret[static BOUND_MAX], char error[static BIND_ERROR_BYTES]);

/* What of a route's policy is the socket's, anew: its backlog and keepalive, the mode and owner of
 * its file. 0; or negative errno, and a sentence in `error`: it stays as it was. */
int bound_refresh(const struct bound *bound, const struct route *route,
                  char error[static BIND_ERROR_BYTES]);

/* Closes, and removes its file. */
void bound_close(struct bound *bound);

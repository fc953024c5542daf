/* The socket at which an admin server is asked: how it claims its address, and how connections are
 * taken from it. Where descriptors or memory run out, none is taken for ADMIN_PAUSE_NS: they wait
 * in the backlog.
 *
 * Knows no HTTP, and not how many there may be.
 */
#pragma once

#include "proxy/bind.h"

#define ADMIN_PAUSE_NS UINT64_C(100000000)

struct admin_door {
    struct bound bound;
    uint64_t closed_until_ns;
    bool paused; /* has been told */
};

/* At the path, with mode 0600 from its beginning, or where that is NULL at the TCP address: of `*`
 * too it is one socket. 0; or negative errno, and a sentence in `error`. */
int admin_door_open(struct admin_door *door, const char *path, const struct endpoint *tcp,
                    char error[static BIND_ERROR_BYTES]);

/* Whoever is there: a descriptor, which is the caller's, with its address; -1: nobody. Does not
 * block. */
int admin_door_take(struct admin_door *door, uint64_t now_ns, struct address *ret);

/* Nobody finds it any more. */
void admin_door_remove_file(struct admin_door *door);

/* Whoever waits there is turned away. */
void admin_door_close(struct admin_door *door);

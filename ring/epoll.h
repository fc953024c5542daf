/* The engine on epoll: what its two files share. */
#pragma once

#include "ring/engine.h"
#include "ring/epoll_fds.h"
#include "ring/receive_now.h"

struct epoll_ring {
    struct ring ring;
    struct epoll_fds fds;
    struct offers offers;
    unsigned accepts_left; /* in this turn, of all listening sockets */
    bool without_ns;       /* epoll_pwait2(2) is missing */
};

/* Does what an operation can do without waiting and adds what completes to the batch. events: what
 * epoll told; 0: nothing yet. Returns whether it is over. */
bool epoll_advance(struct epoll_ring *epoll, struct waiting *waiting, uint32_t events,
                   struct batch *batch);

/* The same, to its end, on a file that cannot be waited for: it is always ready. */
void epoll_advance_file(struct epoll_ring *epoll, const struct waiting *waiting,
                        struct batch *batch);

/* Which operations wait on which descriptor, and what epoll is asked to tell of it.
 *
 * A descriptor is registered exactly while operations wait on it: it leaves with the last one,
 * before that one's completion is told, for as long as it is certainly open. So neither a closed
 * number that another file gets, nor a file that lives on under another number, is ever mixed up.
 *
 * Level-triggered: what one turn left is told in the next. Edge-triggered only where nothing but
 * watches wait: what they tell stays. Exclusive where only accepts wait: of several rings that
 * accept from one socket, one is woken.
 */
#pragma once

#include "ring/ring.h"

struct waiting {
    struct waiting *next;
    struct ring_op *op;
    const void *data; /* of a write */
    size_t length;
};

struct epoll_fd {
    struct waiting *first;
    uint32_t registered; /* events; 0: not registered */
};

struct epoll_fds {
    int epoll;
    struct epoll_fd *at; /* by descriptor */
    size_t room;
    struct waiting *spare;
    struct waiting_chunk *chunks;
};

/* 0 or negative errno. */
int epoll_fds_init(struct epoll_fds *fds);
void epoll_fds_deinit(struct epoll_fds *fds);

/* What waits on a descriptor; NULL: nothing. Good until the next epoll_fds_add(). */
struct epoll_fd *epoll_fds_find(struct epoll_fds *fds, int fd);

/* This operation waits on its descriptor. NULL: out of memory. To be followed by
 * epoll_fds_register(). */
struct waiting *epoll_fds_add(struct epoll_fds *fds, struct ring_op *op);

/* *link waits no longer; *link is then the next one. To be followed by epoll_fds_register(), once
 * for all that were removed. */
void epoll_fds_remove(struct epoll_fds *fds, struct waiting **link);

/* The events that let this operation go on, besides EPOLLERR and EPOLLHUP, which let each. */
uint32_t epoll_fds_wanted_by(const struct ring_op *op);

/* Brings the registration in line with what waits. 0 or a negative errno, and then it is not
 * registered; -EPERM: a file that cannot be waited for. */
int epoll_fds_register(struct epoll_fds *fds, int fd);

/* Receiving by system calls that do not wait, into the buffers of a ring: for engines, and for
 * kernels, to which buffers cannot be offered.
 */
#pragma once

#include "ring/engine.h"

/* The buffers on offer, a stack: the last returned is the first used. */
struct offers {
    uint16_t *at;
    unsigned count;
};

/* 0 or -ENOMEM. */
int offers_init(struct offers *offers, const struct buffers *buffers);
void offers_deinit(struct offers *offers);
void offers_add(struct offers *offers, unsigned buffer);

/* Results as ring_receive() and ring_read() tell them; *flags gets the buffer where there are
 * bytes. -EAGAIN: nothing is there. */
int receive_now(struct buffers *buffers, struct offers *offers, int fd, unsigned *flags);

/* -EOPNOTSUPP: such a file cannot be read without waiting. */
int read_now(struct buffers *buffers, struct offers *offers, int fd, unsigned *flags);

/* Of a file that is known to be ready: it may wait. */
int read_ready(struct buffers *buffers, struct offers *offers, int fd, unsigned *flags);

/* A plain io_uring for tests of the kernel, without anything of ring/. Each call succeeds or fails
 * the test. */
#pragma once

#include <liburing.h>

extern struct io_uring queue;

void queue_init(unsigned entries);

/* A free submission entry, to be prepared; then submits it, to complete with this user data. */
struct io_uring_sqe *queue_entry(void);
void queue_submit(struct io_uring_sqe *sqe, unsigned data);

/* The next completion within 5 s; `data` has to be its user data. */
struct io_uring_cqe queue_take(unsigned data);

/* None comes for a little while. */
void queue_expect_none(void);

/* Cancels all on `fd`; so many end by it, with -ECANCELED. */
void queue_cancel(int fd, unsigned count);

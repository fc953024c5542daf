/* Rings of io_uring that do what they are restricted to, and nothing else. liburing has this in its
 * header, and before 2.4 not in its shared library. */
#pragma once

#include <liburing.h>

/* Restricts a ring that was made with IORING_SETUP_R_DISABLED, for good, and enables it
 * (io_uring_register(2)). 0 or a negative errno. */
int restriction_begin(struct io_uring *uring, const struct io_uring_restriction *each,
                      unsigned count);

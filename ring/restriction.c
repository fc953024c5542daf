/* By the system call. */
#include "ring/restriction.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

static int tell_kernel(const struct io_uring *uring, unsigned what, const void *each,
                       unsigned count)
{
    return syscall(__NR_io_uring_register, uring->ring_fd, what, each, count) < 0 ? -errno : 0;
}

int restriction_begin(struct io_uring *uring, const struct io_uring_restriction *each,
                      unsigned count)
{
    int error = tell_kernel(uring, IORING_REGISTER_RESTRICTIONS, each, count);

    return error < 0 ? error : tell_kernel(uring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

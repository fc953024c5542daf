/* splice(2). */
#include "ring/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define FLAGS (SPLICE_F_MOVE | SPLICE_F_NONBLOCK)

#define PIPE_DEFAULT_BYTES ((size_t)64 * 1024) /* pipe(7) */

int ring_pipe_init(struct ring_pipe *pipe, size_t bytes)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    while (fcntl(fds[1], F_SETPIPE_SZ, (int)bytes) < 0 && bytes > PIPE_DEFAULT_BYTES)
        bytes /= 2;
    *pipe = (struct ring_pipe){.out = fds[0], .in = fds[1]};
    return 0;
}

void ring_pipe_deinit(struct ring_pipe *pipe)
{
    close(pipe->out);
    close(pipe->in);
}

ssize_t ring_pipe_fill(struct ring_pipe *pipe, int fd, size_t bytes_max)
{
    ssize_t count = splice(fd, NULL, pipe->in, NULL, bytes_max, FLAGS);

    if (count < 0)
        return -errno;
    pipe->bytes += (size_t)count;
    return count;
}

ssize_t ring_pipe_drain(struct ring_pipe *pipe, int fd)
{
    ssize_t count = splice(pipe->out, NULL, fd, NULL, pipe->bytes, FLAGS);

    if (count < 0)
        return -errno;
    pipe->bytes -= (size_t)count;
    return count;
}

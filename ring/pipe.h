/* A pipe that bytes go through from one socket to another, by splice(2), without being copied to
 * user space. Like ring/socket.h, replaced as a whole by the seeded ring of tests/fake/.
 *
 * It counts what it holds: splice(2) says -EAGAIN for an empty socket as for a full pipe.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct ring_pipe {
    int out; /* is read from */
    int in;  /* is written to */
    size_t bytes;
};

/* bytes: to be held at once; it may become less (pipe(7): the user's share of pipe pages). 0 or
 * negative errno. */
int ring_pipe_init(struct ring_pipe *pipe, size_t bytes);
void ring_pipe_deinit(struct ring_pipe *pipe);

/* From a non-blocking socket (or another readable descriptor). The count; 0: end-of-file; -EAGAIN:
 * nothing is there, or the pipe is full. */
ssize_t ring_pipe_fill(struct ring_pipe *pipe, int fd, size_t bytes_max);

/* To a non-blocking socket, as much as it takes of what is held; -EAGAIN: nothing now. */
ssize_t ring_pipe_drain(struct ring_pipe *pipe, int fd);

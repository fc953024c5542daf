/* Moving a stream. */
#include "perf/stream.h"

#include "ring/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

/* What is there when the reader of a TCP stream is woken: each wake-up costs the sender, whose
 * segment it was. End-of-file, a reset and a full window wake it whatever is there. */
#define WAKE_BYTES (256 * 1024)

void stream_prepare(int fd)
{
    int protocol = 0;
    int off = 0;
    int wake = WAKE_BYTES;
    socklen_t length = sizeof(protocol);

    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &length);
    if (protocol != IPPROTO_TCP)
        return;
    ring_socket_set(fd, IPPROTO_TCP, TCP_NODELAY, &off, sizeof(off));
    ring_socket_set(fd, SOL_SOCKET, SO_RCVLOWAT, &wake, sizeof(wake));
}

ssize_t stream_send(int fd, struct pattern *pattern, size_t size)
{
    ssize_t total = 0;

    for (unsigned i = 0; i < STREAM_CALLS; i++) {
        size_t length;
        const char *bytes = pattern_next(pattern, size, &length);
        ssize_t count = ring_socket_send_now(fd, bytes, length);
        if (count < 0)
            return total ? total : count;
        pattern_advance(pattern, (size_t)count);
        total += count;
        if ((size_t)count < length)
            break;
    }
    return total;
}

ssize_t stream_receive(int fd, char *buffer, stream_take *take, void *owner)
{
    for (unsigned i = 0; i < STREAM_CALLS; i++) {
        ssize_t count = ring_socket_receive_now(fd, buffer, STREAM_RECEIVE_BYTES, 0);
        if (count <= 0)
            return count;
        if (!take(owner, buffer, (size_t)count))
            break;
    }
    return -EAGAIN;
}

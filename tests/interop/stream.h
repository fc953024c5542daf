/* The bytes that an end sends, and the count and hash of what went each way. */
#pragma once

#include <stdint.h>
#include <vsock.h>

/* What went one way so far: every byte in FNV-1a, 64 bits. */
struct stream_total {
    uint64_t count;
    uint64_t hash;
};

struct stream {
    struct vsock_conn *conn; /* NULL: none */
    struct stream_total sent;
    struct stream_total received;
};

#define STREAM_EOF 1

/* Takes the connection. */
void stream_begin(struct stream *stream, struct vsock_conn *conn);
void stream_end(struct stream *stream);

/* The next bytes of the pattern. What fails goes on later behind the last byte that was sent. 0 or
 * a negative errno. */
int stream_send(struct stream *stream, uint64_t count);

/* 0, STREAM_EOF where it came early, or a negative errno. */
int stream_receive(struct stream *stream, uint64_t count);

/* Both at once. */
int stream_exchange(struct stream *stream, uint64_t count);

/* How both ends of a load stream move it: when the ring has told that the socket is ready, by
 * direct calls. Each goes through bytes that stay in the cache: the receive buffers of the ring
 * come in turn, and would not.
 */
#pragma once

#include "perf/pattern.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Of one send(2) of the serving side. */
#define STREAM_SEND_BYTES ((size_t)128 * 1024)

/* Of one recv(2), and of the buffer that the streams of a thread share: nothing stays in it. */
#define STREAM_RECEIVE_BYTES ((size_t)64 * 1024)

/* Calls before the others have their turn. */
#define STREAM_CALLS 16

/* A connection is to be a stream. TCP: no write ends in a small segment of its own, and the reader
 * is not woken for each segment. */
void stream_prepare(int fd);

/* Sends on until the socket is full, `size` bytes at a time, from the pattern, and advances it.
 * Returns how many bytes went; -EAGAIN: none, it is full; or a negative errno. */
ssize_t stream_send(int fd, struct pattern *pattern, size_t size);

/* The next bytes of a stream. false: no more of them. */
typedef bool stream_take(void *owner, const char *bytes, size_t length);

/* Receives on until nothing is there. buffer: STREAM_RECEIVE_BYTES. Returns 0 at end-of-file or a
 * negative errno; -EAGAIN: nothing more is there, others are to have their turn, or take() wants no
 * more. */
ssize_t stream_receive(int fd, char *buffer, stream_take *take, void *owner);

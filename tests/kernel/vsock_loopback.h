/* AF_VSOCK sockets of loopback (context ID 1), by plain system calls. Each call succeeds or fails
 * the test, but for those that return an error. Sockets are blocking. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* In place of a number of bytes or a port. */
#define LOOPBACK_DEFAULT 0

/* What a connection holds in one direction, by default. */
#define LOOPBACK_BUFFER_BYTES (256 * 1024)

int loopback_socket(int type);

/* 0 or the errno. Port LOOPBACK_DEFAULT: the kernel chooses. */
int loopback_bind(int fd, uint32_t port);
int loopback_connect(int fd, uint32_t port);

uint32_t loopback_port(int fd);

/* A port that was just bound and is free again. */
uint32_t loopback_free_port(void);

/* Listens at a port that the kernel chooses. */
int loopback_listen(int type, int backlog, uint32_t *ret_port);

/* Connected; [0] is the connecting one. The buffers are set on it and on the listener. */
void loopback_pair(int type, int ret[2]);
void loopback_pair_of(int type, uint64_t connecting_bytes, uint64_t listening_bytes, int ret[2]);

/* SO_VM_SOCKETS_BUFFER_SIZE, with its maximum. */
void loopback_set_buffer(int fd, uint64_t bytes);

/* poll(2) of one descriptor: the events within `ms`, or 0. */
short loopback_poll(int fd, short events, int ms);

/* Does not wait: the bytes moved, or a negative errno. */
ssize_t loopback_send(int fd, const void *bytes, size_t length);
ssize_t loopback_receive(int fd, void *ret, size_t length, int flags);

/* Sends pieces of this size, of zeros, until nothing more fits; returns how much. */
size_t loopback_fill(int fd, size_t piece);

/* Waits until so much is there to be received, up to LOOPBACK_BUFFER_BYTES. */
void loopback_await(int fd, size_t length);

/* Receives exactly so much, waiting for it. */
void loopback_read(int fd, void *ret, size_t length);
void loopback_discard(int fd, size_t length);

/* Waits until the other end is known to send no more. */
void loopback_await_end(int fd);

int loopback_error(int fd);
void loopback_close_pair(const int pair[2]);

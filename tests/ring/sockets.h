/* Connected pairs, listeners and full sockets for tests, on loopback and on Unix sockets. Each call
 * succeeds or fails the test. Descriptors are the caller's. Sockets are blocking.
 */
#pragma once

#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

enum sockets_kind { SOCKETS_UNIX, SOCKETS_TCP };

/* For loops over both kinds. */
#define SOCKETS_KINDS 2
const char *sockets_name(enum sockets_kind kind);

/* An address of either kind. */
struct sockets_address {
    union {
        struct sockaddr any;
        struct sockaddr_in tcp;
        struct sockaddr_un local;
    };
    socklen_t length;
};

/* Stream sockets, connected; TCP ones with small buffers. [0] is the connecting one. */
void sockets_pair(enum sockets_kind kind, int ret[2]);

/* Listens at a free port of loopback or at a free abstract Unix address. */
int sockets_listen(enum sockets_kind kind, int backlog, struct sockets_address *ret);

/* A new socket connected to it (blocking). */
int sockets_connect(const struct sockets_address *address);

/* Sends until nothing more fits, and nothing will while the other end does not read; returns how
 * much. */
size_t sockets_fill(int fd);

/* Receives all that is there or on its way; returns how much. */
size_t sockets_drain(int fd);

/* Writes exactly these bytes, reads exactly so many. */
void sockets_write(int fd, const void *bytes, size_t length);
void sockets_read(int fd, void *ret, size_t length);

/* close(2) with a linger time of 0. */
void sockets_reset(int fd);

/* poll(2) of one descriptor: the events within `ms`, or 0. */
short sockets_poll(int fd, short events, int ms);

void sockets_close_pair(const int pair[2]);

/* The system calls on a relayed descriptor that do not wait, and so need no operation. Like
 * ring/ring.h, replaced as a whole by the seeded ring of tests/fake/.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

/* socket(2), close-on-exec and non-blocking, as ring_connect() wants it. Negative errno on failure.
 */
int ring_socket_open(int domain, int type);

/* setsockopt(2). */
int ring_socket_set(int fd, int level, int name, const void *value, socklen_t length);

/* getsockopt(2). */
int ring_socket_get(int fd, int level, int name, void *value, socklen_t length);

/* shutdown(2) of the writing side. -ENOTCONN, -EPIPE: the other end is gone. */
int ring_socket_shutdown_write(int fd);

/* After end-of-file: has the other end gone altogether, and not only ended its writing? Told by
 * POLLHUP or POLLERR, and by a send of no bytes (vsock: 0 when half-closed, EPIPE when gone).
 * *ret_error, where the socket holds an error (a reset), is it as a negative errno, else 0. */
bool ring_socket_peer_gone(int fd, int *ret_error);

/* The pending error (SO_ERROR), cleared: 0 or a negative errno. */
int ring_socket_error(int fd);

/* recv(2) of what is there; flags as there (MSG_PEEK). -EAGAIN: nothing yet. */
ssize_t ring_socket_receive_now(int fd, void *bytes, size_t length, int flags);

/* send(2) of what there is room for, without SIGPIPE. -EAGAIN: none. */
ssize_t ring_socket_send_now(int fd, const void *bytes, size_t length);

/* The same by one sendmmsg(2) of messages of at most piece_bytes each, for sockets that should not
 * take more at a time. Ends where a message could not be sent whole, or after
 * RING_SOCKET_PIECES_MAX. */
#define RING_SOCKET_PIECES_MAX 16
ssize_t ring_socket_send_pieces_now(int fd, const void *bytes, size_t length, size_t piece_bytes);

/* getpeername(2). */
int ring_socket_peer(int fd, struct sockaddr_storage *ret, socklen_t *ret_length);

/* getsockname(2). */
int ring_socket_local(int fd, struct sockaddr_storage *ret, socklen_t *ret_length);

/* The process at the other end of a Unix socket (SO_PEERCRED): that connected, or listened. A
 * negative errno: not to be known. */
int ring_socket_peer_process(int fd);

/* The user and group that it ran as then (SO_PEERCRED). */
int ring_socket_peer_user(int fd, uid_t *ret_uid, gid_t *ret_gid);

/* Its supplementary groups then (SO_PEERGROUPS). *count: of how many there is room for, and how
 * many there are. -ERANGE: that is more, and none was written. */
int ring_socket_peer_groups(int fd, gid_t *ret, size_t *count);

/* Closes; nothing may be in flight on it. */
void ring_socket_close(int fd);

/* Closes so that the other end sees a reset where the kind of socket has one (SO_LINGER of 0). */
void ring_socket_reset(int fd);

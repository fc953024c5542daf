/* Sockets of both kinds that libvsock uses, AF_VSOCK and AF_UNIX: made, named, and waited for. */
#pragma once

#include "vsock/vsock.h"

#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include <linux/vm_sockets.h>

uint64_t vsock_now_ns(void);

/* Cut where time_t has 32 bits. */
struct timespec vsock_timespec(uint64_t ns);

/* poll(2) until a deadline, whatever signals come. 0: something is ready; -ETIMEDOUT; -ENOMEM. */
int vsock_poll(struct pollfd *polled, nfds_t count, uint64_t deadline_ns);

/* Close-on-exec and non-blocking, with the buffers of the options. type as in the options: -EINVAL
 * where it is none. */
int vsock_socket_open(int domain, int type, uint64_t buffer_bytes);

/* As in the options; 0: they stay the kernel's. Less than VSOCK_BUFFER_BYTES_MIN is that. */
#define VSOCK_BUFFER_BYTES_MIN 128
int vsock_socket_set_buffers(int fd, int domain, uint64_t bytes);

/* Whether options say something that they may not. */
bool vsock_socket_type_is_wrong(int type);
bool vsock_reserved_is_used(const uint64_t reserved[4]);

struct sockaddr_vm vsock_sockaddr(uint32_t cid, uint32_t port);

/* -ENAMETOOLONG, -EINVAL: none. */
int vsock_sockaddr_unix(const char *path, struct sockaddr_un *ret);

/* The address of this end or of the other one; VSOCK_CID_ANY and VSOCK_PORT_ANY where the socket
 * has none. */
struct vsock_address vsock_socket_local(int fd);
struct vsock_address vsock_socket_remote(int fd);

#define VSOCK_ADDRESS_UNKNOWN ((struct vsock_address){VSOCK_CID_ANY, VSOCK_PORT_ANY})

/* Of a stream or message socket of AF_VSOCK or AF_UNIX. -EBADF; -EINVAL: fd is none. */
int vsock_socket_kind(int fd, int *ret_domain, int *ret_type);

/* O_NONBLOCK and FD_CLOEXEC. */
int vsock_socket_settle(int fd);

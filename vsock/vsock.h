/* libvsock: AF_VSOCK connections and listeners with deadlines, addresses and the local context ID,
 * and the text handshake by which a VMM multiplexes vsock over a Unix socket ("vsock-mux"). See
 * libvsock(3).
 *
 * Needs nothing but libc. Nothing here logs, raises a signal or leaves a process.
 *
 * Errors are negative errno values; an output `ret_x` is untouched when a function fails. Every
 * function that is not said to be otherwise may be called from any number of threads at once, on
 * the same object too, except that an object must not be freed while another thread is inside a
 * function on it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#    define VSOCK_AT_LEAST(bytes)
#else
#    define VSOCK_AT_LEAST(bytes) static bytes
#endif

/* ---- Addresses ---- */

/* The well-known context IDs (vsock(7)). */
#define VSOCK_CID_HYPERVISOR UINT32_C(0)
#define VSOCK_CID_LOCAL      UINT32_C(1)
#define VSOCK_CID_HOST       UINT32_C(2)
#define VSOCK_CID_ANY        UINT32_C(4294967295)

#define VSOCK_PORT_ANY UINT32_C(4294967295)

/* The name of the network, as error texts have it. */
#define VSOCK_NETWORK "vsock"

struct vsock_address {
    uint32_t cid;
    uint32_t port;
};

/* Longest printed address with its NUL: "vsock:hypervisor:4294967295". */
#define VSOCK_ADDRESS_TEXT_BYTES 32

/* Reads `vsock:CID:PORT`, `vsock://CID:PORT`, `vsock::PORT` (any CID), and what Go's mdlayher/vsock
 * prints: `vm(3):1024`, `hypervisor(0):1024`, `local(1):1024`, `host(2):1024`. CID is a number,
 * `any`, `local`, `host` or `hypervisor`; PORT a number up to 4294967295 (VSOCK_PORT_ANY). All of
 * text is read. -EINVAL: not of that form. -ERANGE: a number beyond 32 bits. Both tell in *ret_bad
 * (where not NULL) the part of text that is wrong; it points into text. */
int vsock_address_parse(const char *text, struct vsock_address *ret, const char **ret_bad);

/* Prints `vsock:CID:PORT`, the well-known CIDs by their names. Returns the length. */
size_t vsock_address_format(const struct vsock_address *address,
                            char text[VSOCK_AT_LEAST(VSOCK_ADDRESS_TEXT_BYTES)]);

/* The context ID of the machine this runs on, from /dev/vsock (vsock(7),
 * IOCTL_VM_SOCKETS_GET_LOCAL_CID). -ENOENT or -ENODEV: no vsock module or no device; -EACCES: no
 * permission on the device. A guest has its own; a host VSOCK_CID_HOST, or, where no transport
 * for guests is loaded, VSOCK_CID_ANY or VSOCK_CID_LOCAL. */
int vsock_context_id(uint32_t *ret_cid);

/* ---- Time and cancelling ---- */

/* Deadlines are absolute: nanoseconds of CLOCK_MONOTONIC. */
#define VSOCK_NO_DEADLINE UINT64_C(0)

/* The deadline that is so many nanoseconds from now. */
uint64_t vsock_deadline_in(uint64_t ns);

/* What ends a dial early, any number of them, also those that begin later: once asked, it stays so.
 */
struct vsock_cancel;

/* -ENOMEM, -EMFILE, -ENFILE. */
int vsock_cancel_new(struct vsock_cancel **ret);

/* Safe in a signal handler. */
void vsock_cancel_ask(struct vsock_cancel *cancel);

/* No dial may use it any more. NULL is nothing. */
void vsock_cancel_free(struct vsock_cancel *cancel);

/* ---- Connections ---- */

/* A connected socket: AF_VSOCK, or a Unix socket in its place. Its descriptor is close-on-exec and
 * non-blocking (SOCK_SEQPACKET over vsock: blocking); the functions wait. */
struct vsock_conn;

/* Zeroed memory, and NULL in its place, means the defaults. */
struct vsock_dial_options {
    /* For the whole of it, the handshake of a mux included; 0: as long as the kernel takes (vsock:
     * 2 s). vsock: also set as SO_VM_SOCKETS_CONNECT_TIMEOUT. */
    uint64_t timeout_ns;
    struct vsock_cancel *cancel; /* may be asked from another thread */
    int type;                    /* SOCK_STREAM (0 means it too) or SOCK_SEQPACKET */
    /* SO_VM_SOCKETS_BUFFER_SIZE in bytes (at least 128), how much the other end may send ahead,
     * with SO_VM_SOCKETS_BUFFER_MAX_SIZE raised to it; 0: the kernel's, 256 KiB. On a Unix socket:
     * SO_SNDBUF and SO_RCVBUF. */
    uint64_t buffer_bytes;
    uint64_t reserved[4]; /* zero */
};

/* Connects. -ETIMEDOUT: not within the time, or a guest that is booting. -ECANCELED: by
 * options->cancel. -ENODEV: no VM has that CID. -ECONNRESET: nobody listens on that port. -EINVAL:
 * options that are none. Others as of connect(2) and socket(2); -EAFNOSUPPORT: no vsock in this
 * kernel. A failed socket is never used again. */
int vsock_dial(uint32_t cid, uint32_t port, const struct vsock_dial_options *options,
               struct vsock_conn **ret);

/* A connection of a descriptor, which it owns from now on, also when it fails: a connected stream
 * or sequenced-packet socket, AF_VSOCK or AF_UNIX. -EINVAL: it is none of them; -EBADF. */
int vsock_conn_from_fd(int fd, struct vsock_conn **ret);

/* Two connections to each other over a socketpair(2), for tests: ret[0] has local as its address
 * and remote as the other's, ret[1] the other way round. type as in the options. */
int vsock_conn_pair(const struct vsock_address *local, const struct vsock_address *remote, int type,
                    struct vsock_conn *ret[VSOCK_AT_LEAST(2)]);

/* Bytes received, at most length; 0: end-of-file (a vsock connection that was reset ends so, too),
 * or length was 0, or an empty message. -ETIMEDOUT: the read deadline has passed, whether or not
 * bytes are there. -EBADF: closed. Others as of recv(2). A message (SOCK_SEQPACKET) that was longer
 * than the buffer: -EMSGSIZE; its beginning is in the buffer, the rest is lost. */
ssize_t vsock_conn_read(struct vsock_conn *conn, void *bytes, size_t length);

/* Sends all, or fails; *written (where not NULL) is always set to how much was sent. 0: all of it.
 * Writes of several threads do not mix: each is whole. A message (SOCK_SEQPACKET) is sent as one
 * or not at all; -EMSGSIZE (vsock on Linux 6.1: -ENOMEM): it is larger than the other end's buffer.
 * An empty one is not sent over vsock. -EPIPE: the other end reads no more, or
 * vsock_conn_close_write() was called. -ETIMEDOUT: the write deadline has passed. -EBADF: closed.
 * Others as of send(2). No SIGPIPE.
 *
 * SOCK_SEQPACKET over vsock: the kernel waits itself, for it alone can send a message whole. A
 * write deadline then holds for the writes that begin after it was set, and a signal handler that
 * runs ends the wait with -EINTR. A message that was cut by either is the last one: the other end
 * reads end-of-file behind those before. */
int vsock_conn_write(struct vsock_conn *conn, const void *bytes, size_t length, size_t *written);

/* Half-close (shutdown(2)). After close_write the other end reads end-of-file behind what was sent;
 * after close_read what it writes fails. -EBADF: closed. Others as of shutdown(2). */
int vsock_conn_close_write(struct vsock_conn *conn);
int vsock_conn_close_read(struct vsock_conn *conn);

/* Closes: what waits in another thread ends with -EBADF, and so does all that comes later, this
 * function too. The object remains. */
int vsock_conn_close(struct vsock_conn *conn);

/* Closes where that was not done, and frees. NULL is nothing. */
void vsock_conn_free(struct vsock_conn *conn);

/* Absolute; VSOCK_NO_DEADLINE: none. A deadline ends what waits now, in any thread (but for a
 * message over vsock: vsock_conn_write()), and what comes later, until it is set anew: a later one,
 * or none, makes the connection good again. -EBADF: closed. */
int vsock_conn_set_deadline(struct vsock_conn *conn, uint64_t deadline_ns);
int vsock_conn_set_read_deadline(struct vsock_conn *conn, uint64_t deadline_ns);
int vsock_conn_set_write_deadline(struct vsock_conn *conn, uint64_t deadline_ns);

/* Of a Unix socket in the place of vsock, what the one who made it named: over a vsock-mux the
 * host's and the port, VSOCK_CID_ANY and VSOCK_PORT_ANY for what is not known. Also when closed. */
struct vsock_address vsock_conn_local_address(const struct vsock_conn *conn);
struct vsock_address vsock_conn_remote_address(const struct vsock_conn *conn);

/* The descriptor, for calls of one's own: it stays the connection's. -EBADF: closed. */
int vsock_conn_fd(struct vsock_conn *conn);

/* Hands the descriptor over to the caller and leaves the connection closed. Waits until other
 * threads have left functions on it, which end with -EBADF; a message over vsock that waits to be
 * sent is waited for. -EBADF: closed. */
int vsock_conn_take_fd(struct vsock_conn *conn);

/* ---- Listeners ---- */

struct vsock_listener;

/* Zeroed memory, and NULL in its place, means the defaults. */
struct vsock_listen_options {
    int type;              /* SOCK_STREAM (0 means it too) or SOCK_SEQPACKET */
    int backlog;           /* 0: SOMAXCONN. What finds it full is refused at once by vsock */
    uint64_t buffer_bytes; /* of what is accepted: as for a dial */
    uint64_t reserved[4];  /* zero */
};

/* Listens on this machine's context ID (vsock_context_id(), whose errors it has). Port 0 or
 * VSOCK_PORT_ANY: the kernel chooses, vsock_listener_address() tells. -EADDRINUSE; -EACCES: a port
 * below 1024 without CAP_NET_BIND_SERVICE; -EINVAL: options that are none. */
int vsock_listen(uint32_t port, const struct vsock_listen_options *options,
                 struct vsock_listener **ret);

/* The same on a context ID: VSOCK_CID_ANY, VSOCK_CID_LOCAL, or one of this machine's.
 * -EADDRNOTAVAIL: it is none of them. */
int vsock_listen_cid(uint32_t cid, uint32_t port, const struct vsock_listen_options *options,
                     struct vsock_listener **ret);

/* A listener of a descriptor, which stays the caller's: it is duplicated. The socket becomes
 * non-blocking for both. -EINVAL: not a listening AF_VSOCK or AF_UNIX socket of streams or
 * messages; -EBADF. */
int vsock_listener_from_fd(int fd, struct vsock_listener **ret);

/* Waits for a connection. -ETIMEDOUT: the deadline has passed. -EBADF: closed, also by another
 * thread while it waits. Others as of accept(2). */
int vsock_listener_accept(struct vsock_listener *listener, struct vsock_conn **ret);

/* As for connections. */
int vsock_listener_set_deadline(struct vsock_listener *listener, uint64_t deadline_ns);
int vsock_listener_close(struct vsock_listener *listener);
void vsock_listener_free(struct vsock_listener *listener);
struct vsock_address vsock_listener_address(const struct vsock_listener *listener);
int vsock_listener_fd(struct vsock_listener *listener);
int vsock_listener_take_fd(struct vsock_listener *listener);

/* ---- A Unix socket in the place of vsock ---- */

/* For tests without vsock: the same types over a Unix socket at path. address is the address that
 * the listener has, and the remote one of what dials it. A socket file that nobody serves is
 * replaced; the listener removes its file when it is closed. -ENAMETOOLONG; -EADDRINUSE: somebody
 * listens there, or the file is no socket. */
int vsock_listen_unix(const char *path, const struct vsock_address *address,
                      const struct vsock_listen_options *options, struct vsock_listener **ret);
int vsock_dial_unix(const char *path, const struct vsock_address *address,
                    const struct vsock_dial_options *options, struct vsock_conn **ret);

/* ---- vsock-mux: vsock of a VMM over Unix sockets (Firecracker, Cloud Hypervisor,
 * vhost-device-vsock) ---- */

/* Connects to a port of the guest whose VMM serves the Unix socket at path. Not a byte of the
 * guest's behind the VMM's answer is consumed. Errors as of vsock_dial(), and -ECONNREFUSED: nobody
 * serves path, or the VMM closed without a whole answer; -ENOENT: no such file; -EPROTO: the answer
 * was none. With neither timeout nor cancel it waits for the answer as long as the VMM takes. */
int vsock_dial_mux(const char *path, uint32_t port, const struct vsock_dial_options *options,
                   struct vsock_conn **ret);

/* Listens at path_PORT, where such VMMs deliver what the guest dials to port of the host. As
 * vsock_listen_unix(). port must be named. */
int vsock_listen_mux(const char *path, uint32_t port, const struct vsock_listen_options *options,
                     struct vsock_listener **ret);

/* What the initiator of a vsock-mux connection says: "CONNECT PORT\n". Must reach the VMM in one
 * piece. Returns the length. */
#define VSOCK_MUX_REQUEST_BYTES 32
size_t vsock_mux_request_format(uint32_t port,
                                char request[VSOCK_AT_LEAST(VSOCK_MUX_REQUEST_BYTES)]);

/* What the VMM answers: "OK NUMBER\n", NUMBER of at most 10 digits and never interpreted. */
#define VSOCK_MUX_REPLY_BYTES_MAX 14

/* Looks at the first `length` bytes received. Returns the length of the complete answer (newline
 * included); -EAGAIN while these bytes may still become an answer; -EPROTO when they cannot. */
int vsock_mux_reply_scan(const char *bytes, size_t length);

/* ---- Errors in words ---- */

/* Writes `OPERATION vsock LOCAL->REMOTE: REASON` into text, cut to size; without local or remote
 * (NULL) only the other address, as in `dial vsock vsock:3:80: no VM has this CID (No such
 * device)`. operation: "dial", "listen", "accept", "read", ...; error: a negative errno. Returns
 * the length that the whole text has. */
size_t vsock_error_describe(const char *operation, const struct vsock_address *local,
                            const struct vsock_address *remote, int error, char *text, size_t size);

#ifdef __cplusplus
}
#endif

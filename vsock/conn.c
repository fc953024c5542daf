/* Connections: what their bytes and messages need beyond a handle.
 *
 * A message that is sent over vsock without waiting may be sent in part where there is no credit
 * for all of it, and nothing tells how much (af_vsock.c, vsock_connectible_sendmsg()). So those
 * sends wait in the kernel, on a descriptor that is not non-blocking; the write deadline is its
 * SO_SNDTIMEO, and a message that was cut by it is the last.
 */
#include "vsock/conn.h"

#include "vsock/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

/* Up to Linux 6.6 one send is one allocation in one piece, and larger ones fail where memory is
 * fragmented. */
#define SEND_BYTES_MAX ((size_t)32 * 1024)

/* Some 20 days: what all kernels can count. */
#define SEND_WAIT_S_MAX 1728000

struct vsock_conn {
    struct vsock_handle handle;
    int domain;
    int type;
    struct vsock_address local;
    struct vsock_address remote;
};

static bool waits_in_kernel(const struct vsock_conn *conn)
{
    return conn->domain == AF_VSOCK && conn->type == SOCK_SEQPACKET;
}

int vsock_conn_new(int fd, int domain, int type, const struct vsock_address *local,
                   const struct vsock_address *remote, struct vsock_conn **ret)
{
    struct vsock_conn *conn = malloc(sizeof(*conn));

    if (!conn) {
        close(fd);
        return -ENOMEM;
    }
    *conn = (struct vsock_conn){.domain = domain, .type = type, .local = *local, .remote = *remote};
    vsock_handle_init(&conn->handle, fd);
    if (waits_in_kernel(conn))
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    *ret = conn;
    return 0;
}

/* A vsock socket that has half-closed has no peer's name any more. */
static bool is_connected(int fd)
{
    struct sockaddr_storage name;
    socklen_t length = sizeof(name);
    char byte;

    return getpeername(fd, (struct sockaddr *)&name, &length) == 0 ||
           recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno == EAGAIN;
}

int vsock_conn_from_fd(int fd, struct vsock_conn **ret)
{
    int domain, type;
    int error = vsock_socket_kind(fd, &domain, &type);

    if (error == 0 && !is_connected(fd))
        error = -EINVAL;
    if (error == 0)
        error = vsock_socket_settle(fd);
    if (error) {
        close(fd);
        return error;
    }
    struct vsock_address local = vsock_socket_local(fd);
    struct vsock_address remote = vsock_socket_remote(fd);
    return vsock_conn_new(fd, domain, type, &local, &remote, ret);
}

int vsock_conn_pair(const struct vsock_address *local, const struct vsock_address *remote, int type,
                    struct vsock_conn *ret[VSOCK_AT_LEAST(2)])
{
    struct vsock_conn *conns[2];
    int fds[2];

    if (vsock_socket_type_is_wrong(type))
        return -EINVAL;
    type = type ? type : SOCK_STREAM;
    if (socketpair(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
        return -errno;
    int error = vsock_conn_new(fds[0], AF_UNIX, type, local, remote, &conns[0]);
    if (error) {
        close(fds[1]);
        return error;
    }
    error = vsock_conn_new(fds[1], AF_UNIX, type, remote, local, &conns[1]);
    if (error) {
        vsock_conn_free(conns[0]);
        return error;
    }
    ret[0] = conns[0];
    ret[1] = conns[1];
    return 0;
}

/* The verdict of a call that moved nothing: 0: try again. */
static int again(struct vsock_conn *conn, enum vsock_direction direction, int error)
{
    if (error == EINTR)
        return vsock_handle_verdict(&conn->handle, direction);
    if (error == EAGAIN || error == EWOULDBLOCK)
        return vsock_handle_wait(&conn->handle, direction);
    return -error;
}

static ssize_t receive(int fd, void *bytes, size_t length)
{
    struct iovec part = {.iov_base = bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t count = recvmsg(fd, &message, MSG_DONTWAIT);

    if (count < 0)
        return -errno;
    return message.msg_flags & MSG_TRUNC ? -EMSGSIZE : count;
}

ssize_t vsock_conn_read(struct vsock_conn *conn, void *bytes, size_t length)
{
    int fd = vsock_handle_enter(&conn->handle, VSOCK_READING);
    ssize_t count = 0;

    if (fd < 0)
        return fd;
    if (length > 0) {
        int error;
        do {
            count = receive(fd, bytes, length);
            error = count < 0 ? again(conn, VSOCK_READING, (int)-count) : 1;
        } while (error == 0);
        count = error < 0 ? error : count;
    }
    vsock_handle_leave(&conn->handle, VSOCK_READING);
    return count;
}

static int send_stream(struct vsock_conn *conn, int fd, const char *bytes, size_t length,
                       size_t *written)
{
    size_t piece_max = conn->domain == AF_VSOCK ? SEND_BYTES_MAX : SIZE_MAX;
    int error = 0;

    while (*written < length && error == 0) {
        size_t left = length - *written;
        size_t piece = left < piece_max ? left : piece_max;
        ssize_t count = send(fd, bytes + *written, piece, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0)
            error = again(conn, VSOCK_WRITING, errno);
        else
            *written += (size_t)count;
    }
    return error;
}

static int send_message(struct vsock_conn *conn, int fd, const char *bytes, size_t length,
                        size_t *written)
{
    int error = 0;

    for (;;) {
        if (send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_EOR) >= 0) {
            *written = length;
            return 0;
        }
        error = again(conn, VSOCK_WRITING, errno);
        if (error)
            return error;
    }
}

/* Never 0, which is no limit to SO_SNDTIMEO: a send without one is begun anew behind a signal
 * handler (SA_RESTART), with the message's beginning sent already. */
static struct timeval time_left(struct vsock_conn *conn)
{
    uint64_t deadline_ns = vsock_handle_deadline(&conn->handle, VSOCK_WRITING);

    if (deadline_ns == 0)
        return (struct timeval){.tv_sec = SEND_WAIT_S_MAX};
    uint64_t now_ns = vsock_now_ns();
    uint64_t left_us = deadline_ns > now_ns ? (deadline_ns - now_ns) / 1000 : 0;

    if (left_us == 0)
        left_us = 1;
    return (struct timeval){
        .tv_sec = (time_t)(left_us / 1000000),
        .tv_usec = (suseconds_t)(left_us % 1000000),
    };
}

static int send_message_in_kernel(struct vsock_conn *conn, int fd, const char *bytes, size_t length,
                                  size_t *written)
{
    struct timeval left = time_left(conn);

    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &left, sizeof(left));
    if (send(fd, bytes, length, MSG_NOSIGNAL | MSG_EOR) >= 0) {
        *written = length;
        return 0;
    }
    int error = errno;
    int verdict = vsock_handle_verdict(&conn->handle, VSOCK_WRITING);
    if (error != EAGAIN && error != EINTR)
        return verdict == -EBADF ? verdict : -error;
    shutdown(fd, SHUT_WR);
    return verdict ? verdict : error == EAGAIN ? -ETIMEDOUT : -EINTR;
}

int vsock_conn_write(struct vsock_conn *conn, const void *bytes, size_t length, size_t *written)
{
    size_t ignored;
    int fd = vsock_handle_enter(&conn->handle, VSOCK_WRITING);

    written = written ? written : &ignored;
    *written = 0;
    if (fd < 0)
        return fd;
    int error;
    if (waits_in_kernel(conn))
        error = send_message_in_kernel(conn, fd, bytes, length, written);
    else if (conn->type == SOCK_SEQPACKET)
        error = send_message(conn, fd, bytes, length, written);
    else
        error = send_stream(conn, fd, bytes, length, written);
    vsock_handle_leave(&conn->handle, VSOCK_WRITING);
    return error;
}

static int half_close(struct vsock_conn *conn, int how)
{
    int fd = vsock_handle_enter(&conn->handle, VSOCK_NEITHER);

    if (fd < 0)
        return fd;
    int error = shutdown(fd, how) < 0 ? -errno : 0;
    vsock_handle_stir(&conn->handle);
    vsock_handle_leave(&conn->handle, VSOCK_NEITHER);
    return error;
}

int vsock_conn_close_write(struct vsock_conn *conn)
{
    return half_close(conn, SHUT_WR);
}

int vsock_conn_close_read(struct vsock_conn *conn)
{
    return half_close(conn, SHUT_RD);
}

int vsock_conn_close(struct vsock_conn *conn)
{
    int fd = vsock_handle_enter(&conn->handle, VSOCK_NEITHER);

    if (fd < 0)
        return fd;
    int error = vsock_handle_close(&conn->handle);
    /* A send that waits in the kernel ends by this only. */
    if (error == 0 && waits_in_kernel(conn))
        shutdown(fd, SHUT_RDWR);
    vsock_handle_leave(&conn->handle, VSOCK_NEITHER);
    return error;
}

void vsock_conn_free(struct vsock_conn *conn)
{
    if (!conn)
        return;
    vsock_handle_deinit(&conn->handle);
    free(conn);
}

int vsock_conn_set_deadline(struct vsock_conn *conn, uint64_t deadline_ns)
{
    return vsock_handle_set_deadline(&conn->handle, true, true, deadline_ns);
}

int vsock_conn_set_read_deadline(struct vsock_conn *conn, uint64_t deadline_ns)
{
    return vsock_handle_set_deadline(&conn->handle, true, false, deadline_ns);
}

int vsock_conn_set_write_deadline(struct vsock_conn *conn, uint64_t deadline_ns)
{
    return vsock_handle_set_deadline(&conn->handle, false, true, deadline_ns);
}

struct vsock_address vsock_conn_local_address(const struct vsock_conn *conn)
{
    return conn->local;
}

struct vsock_address vsock_conn_remote_address(const struct vsock_conn *conn)
{
    return conn->remote;
}

int vsock_conn_fd(struct vsock_conn *conn)
{
    return vsock_handle_fd(&conn->handle);
}

int vsock_conn_take_fd(struct vsock_conn *conn)
{
    const struct timeval no_limit = {0};
    int fd = vsock_handle_take(&conn->handle);

    if (fd >= 0 && waits_in_kernel(conn))
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &no_limit, sizeof(no_limit));
    return fd;
}

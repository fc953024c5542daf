/* Direct calls on relayed descriptors. */
#include "ring/socket.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

int ring_socket_open(int domain, int type)
{
    int fd = socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return fd < 0 ? -errno : fd;
}

int ring_socket_set(int fd, int level, int name, const void *value, socklen_t length)
{
    return setsockopt(fd, level, name, value, length) < 0 ? -errno : 0;
}

int ring_socket_get(int fd, int level, int name, void *value, socklen_t length)
{
    return getsockopt(fd, level, name, value, &length) < 0 ? -errno : 0;
}

int ring_socket_shutdown_write(int fd)
{
    return shutdown(fd, SHUT_WR) < 0 ? -errno : 0;
}

bool ring_socket_peer_gone(int fd, int *ret_error)
{
    struct pollfd state = {.fd = fd};
    int error = 0;
    bool gone = poll(&state, 1, 0) > 0;

    if (gone)
        error = state.revents & POLLERR ? ring_socket_error(fd) : 0;
    else if (send(fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN) {
        gone = true;
        error = errno == EPIPE ? 0 : -errno;
    }
    *ret_error = error;
    return gone;
}

int ring_socket_error(int fd)
{
    int error = 0;
    socklen_t length = sizeof(error);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        return -errno;
    return -error;
}

ssize_t ring_socket_receive_now(int fd, void *bytes, size_t length, int flags)
{
    ssize_t count = recv(fd, bytes, length, flags | MSG_DONTWAIT);
    return count < 0 ? -errno : count;
}

ssize_t ring_socket_send_now(int fd, const void *bytes, size_t length)
{
    ssize_t count = send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    return count < 0 ? -errno : count;
}

ssize_t ring_socket_send_pieces_now(int fd, const void *bytes, size_t length, size_t piece_bytes)
{
    struct mmsghdr messages[RING_SOCKET_PIECES_MAX] = {0};
    struct iovec pieces[RING_SOCKET_PIECES_MAX];
    const char *from = bytes;
    unsigned count = 0;
    ssize_t sent = 0;

    for (; count < RING_SOCKET_PIECES_MAX && length > 0; count++) {
        size_t piece = length < piece_bytes ? length : piece_bytes;
        pieces[count] = (struct iovec){.iov_base = (char *)from, .iov_len = piece};
        messages[count].msg_hdr.msg_iov = &pieces[count];
        messages[count].msg_hdr.msg_iovlen = 1;
        from += piece;
        length -= piece;
    }
    int complete = sendmmsg(fd, messages, count, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (complete < 0)
        return -errno;
    for (int i = 0; i < complete; i++)
        sent += messages[i].msg_len;
    return sent;
}

int ring_socket_peer(int fd, struct sockaddr_storage *ret, socklen_t *ret_length)
{
    socklen_t length = sizeof(*ret);
    if (getpeername(fd, (struct sockaddr *)ret, &length) < 0)
        return -errno;
    *ret_length = length;
    return 0;
}

int ring_socket_local(int fd, struct sockaddr_storage *ret, socklen_t *ret_length)
{
    socklen_t length = sizeof(*ret);
    if (getsockname(fd, (struct sockaddr *)ret, &length) < 0)
        return -errno;
    *ret_length = length;
    return 0;
}

int ring_socket_peer_process(int fd)
{
    struct ucred credentials;
    socklen_t length = sizeof(credentials);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0)
        return -errno;
    return credentials.pid > 0 ? credentials.pid : -ESRCH;
}

int ring_socket_peer_user(int fd, uid_t *ret_uid, gid_t *ret_gid)
{
    struct ucred credentials;
    socklen_t length = sizeof(credentials);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0)
        return -errno;
    *ret_uid = credentials.uid;
    *ret_gid = credentials.gid;
    return 0;
}

int ring_socket_peer_groups(int fd, gid_t *ret, size_t *count)
{
    socklen_t length = (socklen_t)(*count * sizeof(*ret));
    int error = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, ret, &length) < 0 ? -errno : 0;

    if (error == 0 || error == -ERANGE)
        *count = length / sizeof(*ret);
    return error;
}

void ring_socket_close(int fd)
{
    close(fd);
}

void ring_socket_reset(int fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
}

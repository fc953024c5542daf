/* ring/socket.h on the sockets in memory. */
#include "ring/socket.h"

#include "tests/fake/internal.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>

/* So many have room in a new connection. */
#define FEW_BYTES 32

static struct descriptor *of(int fd, const char *what)
{
    return descriptor_of(fake_current, fd, what);
}

static struct descriptor *connected(int fd, const char *what)
{
    struct descriptor *descriptor = of(fd, what);
    if (descriptor->connecting || descriptor->listening)
        fake_fail(fake_current, "%s on descriptor %d, which is not connected", what, fd);
    return descriptor;
}

int ring_socket_open(int domain, int type)
{
    struct fake *fake = fake_current;
    enum fake_kind kind;

    switch (domain) {
    case AF_INET:
    case AF_INET6: kind = FAKE_TCP; break;
    case AF_UNIX: kind = FAKE_UNIX; break;
    case AF_VSOCK: kind = FAKE_VSOCK; break;
    default: return -EAFNOSUPPORT;
    }
    if (type != SOCK_STREAM)
        fake_fail(fake, "ring_socket_open() of type %d", type);
    if (fake_fault_ends(fake, fake->faults.no_descriptors, "EMFILE of socket"))
        return -EMFILE;
    struct descriptor *descriptor = descriptor_new(fake, net_unconnected(fake, kind), kind);
    descriptor->connecting = true;
    return descriptor->fd;
}

/* As vsock_update_buffer_size(): no more than the maximum, and the other end is told of a change.
 */
static void set_buffer_size(struct descriptor *descriptor, uint64_t bytes)
{
    if (bytes > descriptor->buffer_bytes_max)
        bytes = descriptor->buffer_bytes_max;
    if (bytes < descriptor->buffer_bytes)
        fake_fail(fake_current, "descriptor %d takes back credit that it gave", descriptor->fd);
    if (bytes != descriptor->buffer_bytes)
        net_ask(descriptor->socket);
    descriptor->buffer_bytes = bytes;
}

static void set_vsock(struct descriptor *descriptor, int name, const void *value, socklen_t length)
{
    struct timeval timeout;
    uint64_t bytes;

    if (name == SO_VM_SOCKETS_CONNECT_TIMEOUT && length == sizeof(timeout)) {
        memcpy(&timeout, value, sizeof(timeout));
        descriptor->connect_timeout_ns =
            (uint64_t)timeout.tv_sec * 1000000000 + (uint64_t)timeout.tv_usec * 1000;
    }
    if (length != sizeof(bytes))
        return;
    memcpy(&bytes, value, sizeof(bytes));
    if (name == SO_VM_SOCKETS_BUFFER_MAX_SIZE)
        descriptor->buffer_bytes_max = bytes;
    else if (name == SO_VM_SOCKETS_BUFFER_SIZE)
        set_buffer_size(descriptor, bytes);
}

int ring_socket_set(int fd, int level, int name, const void *value, socklen_t length)
{
    struct descriptor *descriptor = of(fd, "setsockopt");

    if (level == IPPROTO_TCP && descriptor->kind != FAKE_TCP)
        return -EOPNOTSUPP;
    if (level == AF_VSOCK && descriptor->kind != FAKE_VSOCK)
        return -EOPNOTSUPP;
    if (level == AF_VSOCK)
        set_vsock(descriptor, name, value, length);
    if (level == SOL_SOCKET && name == SO_LINGER && length == sizeof(struct linger)) {
        struct linger linger;
        memcpy(&linger, value, sizeof(linger));
        descriptor->closes_by_reset = linger.l_onoff && linger.l_linger == 0;
    }
    return 0;
}

int ring_socket_get(int fd, int level, int name, void *value, socklen_t length)
{
    const struct descriptor *descriptor = of(fd, "getsockopt");

    if (level != AF_VSOCK || descriptor->kind != FAKE_VSOCK)
        return -EOPNOTSUPP;
    if (name != SO_VM_SOCKETS_BUFFER_SIZE || length != sizeof(descriptor->buffer_bytes))
        fake_fail(fake_current, "getsockopt of option %d on descriptor %d", name, fd);
    memcpy(value, &descriptor->buffer_bytes, length);
    return 0;
}

int ring_socket_shutdown_write(int fd)
{
    struct descriptor *descriptor = connected(fd, "shutdown");
    bool file = descriptor->kind == FAKE_FILE;
    int error = file ? -ENOTSOCK : net_shutdown_write(descriptor->socket);
    fake_note(fake_current, "shutdown(%d) = %d", fd, error);
    return error;
}

bool ring_socket_peer_gone(int fd, int *ret_error)
{
    struct descriptor *descriptor = connected(fd, "peer_gone");
    int error = 0;
    bool gone = descriptor_poll(descriptor) & (POLLERR | POLLHUP);

    if (gone) {
        error = ring_socket_error(fd);
    } else if (descriptor->kind == FAKE_FILE) {
        gone = true;
        error = -ENOTSOCK;
    } else {
        long sent = net_send(descriptor->socket, "", 0);
        gone = sent < 0 && sent != -EAGAIN;
        error = gone && sent != -EPIPE ? (int)sent : 0;
    }
    fake_note(fake_current, "peer_gone(%d) = %d, %d", fd, gone, error);
    *ret_error = error;
    return gone;
}

int ring_socket_error(int fd)
{
    struct descriptor *descriptor = connected(fd, "SO_ERROR");
    return descriptor->kind == FAKE_FILE ? -ENOTSOCK : net_take_error(descriptor->socket);
}

/* sure: a peek, or what a peek has seen. */
static int fault_of_call(struct fake *fake, bool sure)
{
    if (sure)
        return fake_fault(fake, fake->faults.interrupted) ? -EINTR : 0;
    return fault_of_receive(fake, true);
}

ssize_t ring_socket_receive_now(int fd, void *bytes, size_t length, int flags)
{
    struct descriptor *descriptor = connected(fd, "recv");
    struct fake *fake = fake_current;
    bool peek = flags & MSG_PEEK;
    bool sure = peek || descriptor->peeked;

    if (length == 0)
        fake_fail(fake, "recv of no bytes on descriptor %d", fd);
    if (descriptor->kind == FAKE_FILE)
        return -ENOTSOCK;
    flights_check_reader(fake, descriptor, "recv");
    fake_touch(bytes, length);
    int fault = fault_of_call(fake, sure);
    if (fault)
        return fault;
    if (length > 1 && !peek && fake_fault(fake, fake->faults.short_receive))
        length = random_size(&fake->random, length);
    long result = net_receive(descriptor->socket, bytes, length, peek);
    size_t count = result > 0 ? (size_t)result : 0;
    if (peek)
        descriptor->peeked = count;
    else
        descriptor->peeked -= count < descriptor->peeked ? count : descriptor->peeked;
    fake_note(fake, "recv(%d, %zu%s) = %ld", fd, length, peek ? ", peek" : "", result);
    return result;
}

ssize_t ring_socket_send_now(int fd, const void *bytes, size_t length)
{
    struct descriptor *descriptor = connected(fd, "send");
    struct fake *fake = fake_current;

    if (length == 0)
        fake_fail(fake, "send of no bytes on descriptor %d", fd);
    if (descriptor->kind == FAKE_FILE)
        return -ENOTSOCK;
    flights_check_writer(fake, descriptor, "send");
    fake_touch(bytes, length);
    bool sure = length <= FEW_BYTES && net_is_fresh(descriptor->socket);
    int fault = fault_of_send(fake, !sure);
    if (fault)
        return fault;
    if (length > 1 && !sure && fake_fault(fake, fake->faults.short_send))
        length = random_size(&fake->random, length - 1);
    long result = net_send(descriptor->socket, bytes, length);
    fake_note(fake, "send(%d, %zu) = %ld", fd, length, result);
    return result;
}

ssize_t ring_socket_send_pieces_now(int fd, const void *bytes, size_t length, size_t piece_bytes)
{
    size_t sent = 0;

    for (unsigned i = 0; i < RING_SOCKET_PIECES_MAX && sent < length; i++) {
        size_t piece = length - sent < piece_bytes ? length - sent : piece_bytes;
        ssize_t count = ring_socket_send_now(fd, (const char *)bytes + sent, piece);
        if (count < 0)
            return sent > 0 ? (ssize_t)sent : count;
        sent += (size_t)count;
        if ((size_t)count < piece)
            break;
    }
    return (ssize_t)sent;
}

int ring_socket_peer(int fd, struct sockaddr_storage *ret, socklen_t *ret_length)
{
    struct descriptor *descriptor = connected(fd, "getpeername");
    if (descriptor->kind == FAKE_FILE)
        return -ENOTSOCK;
    *ret = descriptor->peer;
    *ret_length = descriptor->peer_length;
    return 0;
}

int ring_socket_local(int fd, struct sockaddr_storage *ret, socklen_t *ret_length)
{
    struct descriptor *descriptor = connected(fd, "getsockname");
    if (descriptor->kind == FAKE_FILE)
        return -ENOTSOCK;
    *ret = descriptor->local;
    *ret_length = descriptor->local_length;
    return 0;
}

int ring_socket_peer_process(int fd)
{
    connected(fd, "peer_process");
    return fake_current->peer_process ? fake_current->peer_process : -ESRCH;
}

int ring_socket_peer_user(int fd, uid_t *ret_uid, gid_t *ret_gid)
{
    connected(fd, "peer_user");
    *ret_uid = 0;
    *ret_gid = 0;
    return 0;
}

int ring_socket_peer_groups(int fd, gid_t *ret, size_t *count)
{
    connected(fd, "peer_groups");
    *count = 0;
    return 0;
}

void ring_socket_close(int fd)
{
    descriptor_close(fake_current, fd, false, "close");
}

void ring_socket_reset(int fd)
{
    descriptor_close(fake_current, fd, true, "reset");
}

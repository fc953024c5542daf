/* AF_VSOCK sockets of loopback, for tests. */
#include "tests/kernel/vsock_loopback.h"
#include "tests/kernel/vsock_case.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#define DEADLINE_MS 5000

static struct sockaddr_vm address_of(uint32_t port)
{
    return (struct sockaddr_vm){
        .svm_family = AF_VSOCK,
        .svm_cid = VMADDR_CID_LOCAL,
        .svm_port = port == LOOPBACK_DEFAULT ? VMADDR_PORT_ANY : port,
    };
}

int loopback_socket(int type)
{
    int fd = socket(AF_VSOCK, type | SOCK_CLOEXEC, 0);
    EXPECT_GE(fd, 0);
    return fd;
}

int loopback_bind(int fd, uint32_t port)
{
    struct sockaddr_vm address = address_of(port);
    return bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;
}

int loopback_connect(int fd, uint32_t port)
{
    struct sockaddr_vm address = address_of(port);
    return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;
}

uint32_t loopback_port(int fd)
{
    struct sockaddr_vm address;
    socklen_t length = sizeof(address);
    EXPECT_EQ(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    return address.svm_port;
}

uint32_t loopback_free_port(void)
{
    int fd = loopback_socket(SOCK_STREAM);
    EXPECT_EQ(loopback_bind(fd, LOOPBACK_DEFAULT), 0);
    uint32_t port = loopback_port(fd);
    close(fd);
    return port;
}

int loopback_listen(int type, int backlog, uint32_t *ret_port)
{
    int fd = loopback_socket(type);
    EXPECT_EQ(loopback_bind(fd, LOOPBACK_DEFAULT), 0);
    EXPECT_EQ(listen(fd, backlog), 0);
    *ret_port = loopback_port(fd);
    return fd;
}

void loopback_set_buffer(int fd, uint64_t bytes)
{
    if (bytes == LOOPBACK_DEFAULT)
        return;
    if (bytes > LOOPBACK_BUFFER_BYTES)
        EXPECT_EQ(setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, &bytes, sizeof(bytes)),
                  0);
    EXPECT_EQ(setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &bytes, sizeof(bytes)), 0);
}

void loopback_pair_of(int type, uint64_t connecting_bytes, uint64_t listening_bytes, int ret[2])
{
    uint32_t port;
    int listener = loopback_listen(type, 1, &port);
    loopback_set_buffer(listener, listening_bytes);
    ret[0] = loopback_socket(type);
    loopback_set_buffer(ret[0], connecting_bytes);
    int error = loopback_connect(ret[0], port);
    EXPECT_EQ(error, 0);
    ret[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    EXPECT_GE(ret[1], 0);
    close(listener);
}

void loopback_pair(int type, int ret[2])
{
    loopback_pair_of(type, LOOPBACK_DEFAULT, LOOPBACK_DEFAULT, ret);
}

short loopback_poll(int fd, short events, int ms)
{
    struct pollfd state = {.fd = fd, .events = events};
    return poll(&state, 1, ms) > 0 ? state.revents : 0;
}

ssize_t loopback_send(int fd, const void *bytes, size_t length)
{
    ssize_t count = send(fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    return count < 0 ? -errno : count;
}

ssize_t loopback_receive(int fd, void *ret, size_t length, int flags)
{
    ssize_t count = recv(fd, ret, length, MSG_DONTWAIT | flags);
    return count < 0 ? -errno : count;
}

size_t loopback_fill(int fd, size_t piece)
{
    static const char zeros[LOOPBACK_BUFFER_BYTES];
    size_t total = 0;

    for (;;) {
        ssize_t count = loopback_send(fd, zeros, piece);
        if (count < 0) {
            EXPECT_EQ(count, -EAGAIN);
            return total;
        }
        total += (size_t)count;
    }
}

void loopback_await(int fd, size_t length)
{
    static char bytes[LOOPBACK_BUFFER_BYTES];
    ssize_t count = 0;

    for (int ms = 0; ms < DEADLINE_MS; ms++) {
        count = loopback_receive(fd, bytes, sizeof(bytes), MSG_PEEK);
        if (count == (ssize_t)length)
            return;
        usleep(1000);
    }
    case_fail("%zd bytes are there, not %zu", count, length);
}

void loopback_read(int fd, void *ret, size_t length)
{
    char *at = ret;

    while (length > 0) {
        EXPECT_NE(loopback_poll(fd, POLLIN, DEADLINE_MS), 0);
        ssize_t count = loopback_receive(fd, at, length, 0);
        EXPECT_GT(count, 0);
        at += count;
        length -= (size_t)count;
    }
}

void loopback_discard(int fd, size_t length)
{
    static char bytes[LOOPBACK_BUFFER_BYTES];
    EXPECT(length <= sizeof(bytes));
    loopback_read(fd, bytes, length);
}

void loopback_await_end(int fd)
{
    EXPECT(loopback_poll(fd, POLLRDHUP, DEADLINE_MS) & POLLRDHUP);
}

int loopback_error(int fd)
{
    int error = -1;
    socklen_t length = sizeof(error);
    EXPECT_EQ(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length), 0);
    return error;
}

void loopback_close_pair(const int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

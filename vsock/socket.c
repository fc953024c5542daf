/* System calls on sockets, and their names and times. */
#include "vsock/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

uint64_t vsock_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

struct timespec vsock_timespec(uint64_t ns)
{
    uint64_t seconds = ns / 1000000000;

    return (struct timespec){
        .tv_sec = (time_t)(seconds < INT32_MAX ? seconds : INT32_MAX),
        .tv_nsec = (long)(ns % 1000000000),
    };
}

uint64_t vsock_deadline_in(uint64_t ns)
{
    uint64_t now_ns = vsock_now_ns();
    return ns > UINT64_MAX - now_ns ? UINT64_MAX : now_ns + ns;
}

int vsock_poll(struct pollfd *polled, nfds_t count, uint64_t deadline_ns)
{
    int ready;

    do {
        uint64_t now_ns = deadline_ns ? vsock_now_ns() : 0;
        uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
        struct timespec left = vsock_timespec(left_ns);
        ready = ppoll(polled, count, deadline_ns ? &left : NULL, NULL);
    } while (ready < 0 && errno == EINTR);
    if (ready < 0)
        return -errno;
    return ready > 0 ? 0 : -ETIMEDOUT;
}

bool vsock_socket_type_is_wrong(int type)
{
    return type != 0 && type != SOCK_STREAM && type != SOCK_SEQPACKET;
}

bool vsock_reserved_is_used(const uint64_t reserved[4])
{
    return reserved[0] || reserved[1] || reserved[2] || reserved[3];
}

/* vsock: the maximum first, the size is cut to it. */
int vsock_socket_set_buffers(int fd, int domain, uint64_t bytes)
{
    bool failed;

    if (bytes == 0)
        return 0;
    bytes = bytes < VSOCK_BUFFER_BYTES_MIN ? VSOCK_BUFFER_BYTES_MIN : bytes;
    int size = bytes > INT_MAX ? INT_MAX : (int)bytes;
    if (domain == AF_VSOCK)
        failed =
            setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, &bytes, sizeof(bytes)) < 0 ||
            setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &bytes, sizeof(bytes)) < 0;
    else
        failed = setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0 ||
                 setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) < 0;
    return failed ? -errno : 0;
}

int vsock_socket_open(int domain, int type, uint64_t buffer_bytes)
{
    if (vsock_socket_type_is_wrong(type))
        return -EINVAL;
    int fd = socket(domain, (type ? type : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int error = vsock_socket_set_buffers(fd, domain, buffer_bytes);
    if (error) {
        close(fd);
        return error;
    }
    return fd;
}

struct sockaddr_vm vsock_sockaddr(uint32_t cid, uint32_t port)
{
    return (struct sockaddr_vm){.svm_family = AF_VSOCK, .svm_port = port, .svm_cid = cid};
}

int vsock_sockaddr_unix(const char *path, struct sockaddr_un *ret)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);

    if (length == 0)
        return -EINVAL;
    if (length >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, length + 1);
    *ret = address;
    return 0;
}

static struct vsock_address address_of(const struct sockaddr_vm *name, int result)
{
    if (result < 0 || name->svm_family != AF_VSOCK)
        return VSOCK_ADDRESS_UNKNOWN;
    return (struct vsock_address){.cid = name->svm_cid, .port = name->svm_port};
}

struct vsock_address vsock_socket_local(int fd)
{
    struct sockaddr_vm name = {0};
    socklen_t length = sizeof(name);

    return address_of(&name, getsockname(fd, (struct sockaddr *)&name, &length));
}

struct vsock_address vsock_socket_remote(int fd)
{
    struct sockaddr_vm name = {0};
    socklen_t length = sizeof(name);

    return address_of(&name, getpeername(fd, (struct sockaddr *)&name, &length));
}

int vsock_socket_kind(int fd, int *ret_domain, int *ret_type)
{
    int domain, type;
    socklen_t length = sizeof(int);

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0)
        return errno == EBADF ? -EBADF : -EINVAL;
    if ((domain != AF_VSOCK && domain != AF_UNIX) ||
        (type != SOCK_STREAM && type != SOCK_SEQPACKET))
        return -EINVAL;
    *ret_domain = domain;
    *ret_type = type;
    return 0;
}

int vsock_socket_settle(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -errno;
    return 0;
}

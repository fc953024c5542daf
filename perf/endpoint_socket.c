/* Sockets of the load tester. */
#include "perf/endpoint_socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096

static int try_connect(const struct address *address)
{
    /* A Unix listener whose backlog is full would keep it waiting. */
    int flags = address->storage.ss_family == AF_UNIX ? SOCK_NONBLOCK : 0;
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd < 0)
        return -errno;
    int error =
        connect(fd, (const struct sockaddr *)&address->storage, address->length) < 0 ? -errno : 0;
    close(fd);
    return error;
}

static int address_of_name(const struct endpoint *endpoint, struct address *ret, char *error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    bool chosen = false;

    int failed = getaddrinfo(endpoint->name, NULL, &hints, &found);
    if (failed) {
        snprintf(error, ENDPOINT_SOCKET_ERROR_BYTES, "the name '%s' does not resolve: %s",
                 endpoint->name, gai_strerror(failed));
        return -EINVAL;
    }
    for (const struct addrinfo *info = found; info; info = info->ai_next) {
        struct address address = {.length = info->ai_addrlen};
        memcpy(&address.storage, info->ai_addr, info->ai_addrlen);
        address_set_port(&address, endpoint->port);
        if (!chosen)
            *ret = address;
        chosen = true;
        if (info->ai_next && try_connect(&address) == 0) {
            *ret = address;
            break;
        }
    }
    freeaddrinfo(found);
    return 0;
}

int endpoint_socket_address(const struct endpoint *endpoint, struct address *ret,
                            char error[static ENDPOINT_SOCKET_ERROR_BYTES])
{
    int failed = address_of_endpoint(endpoint, ret);

    if (failed == -ENOENT)
        return address_of_name(endpoint, ret, error);
    if (failed)
        snprintf(error, ENDPOINT_SOCKET_ERROR_BYTES, "%s", strerror(-failed));
    return failed;
}

bool endpoint_socket_serves(const struct endpoint *endpoint)
{
    return endpoint->kind == ENDPOINT_TCP || endpoint->kind == ENDPOINT_UNIX ||
           endpoint->kind == ENDPOINT_VSOCK || endpoint->kind == ENDPOINT_VSOCK_MUX;
}

/* A socket file that nobody serves any more is removed. connect(2) to a file that is no socket says
 * ECONNREFUSED, too. */
static void remove_stale(const struct address *address)
{
    const struct sockaddr_un *file = (const struct sockaddr_un *)&address->storage;
    struct stat found;

    if (address->storage.ss_family == AF_UNIX && file->sun_path[0] &&
        lstat(file->sun_path, &found) == 0 && S_ISSOCK(found.st_mode) &&
        try_connect(address) == -ECONNREFUSED)
        unlink(file->sun_path);
}

static int listen_address(const struct endpoint *endpoint, struct address *ret, char *error)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6,
                               .sin6_port = htons((uint16_t)endpoint->port)};
    struct endpoint wanted = *endpoint;

    if (endpoint->kind == ENDPOINT_TCP && strcmp(endpoint->name, "*") == 0) {
        *ret = (struct address){.length = sizeof(any)};
        memcpy(&ret->storage, &any, sizeof(any));
        return 0;
    }
    if (endpoint->kind == ENDPOINT_VSOCK && endpoint->port == 0)
        wanted.port = UINT32_MAX; /* VMADDR_PORT_ANY */
    if (endpoint->kind == ENDPOINT_VSOCK_MUX) {
        wanted = (struct endpoint){.kind = ENDPOINT_UNIX, .fd = -1};
        snprintf(wanted.name, sizeof(wanted.name), "%.90s_%u", endpoint->name, endpoint->port);
    }
    return endpoint_socket_address(&wanted, ret, error);
}

int endpoint_socket_listen(const struct endpoint *endpoint, struct address *ret_bound,
                           char error[static ENDPOINT_SOCKET_ERROR_BYTES])
{
    struct address address;
    char text[ENDPOINT_TEXT_BYTES];
    int on = 1;
    int failed = listen_address(endpoint, &address, error);

    if (failed)
        return failed;
    remove_stale(&address);
    endpoint_format(endpoint, text);
    int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        failed = -errno;
    } else {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        *ret_bound = (struct address){.length = sizeof(ret_bound->storage)};
        if (bind(fd, (struct sockaddr *)&address.storage, address.length) < 0 ||
            listen(fd, BACKLOG) < 0 ||
            getsockname(fd, (struct sockaddr *)&ret_bound->storage, &ret_bound->length) < 0)
            failed = -errno;
    }
    if (!failed)
        return fd;
    snprintf(error, ENDPOINT_SOCKET_ERROR_BYTES, "%s: %s", text, strerror(-failed));
    if (fd >= 0)
        close(fd);
    return failed;
}

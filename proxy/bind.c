/* Listening sockets: TCP, vsock and inherited ones. */
#include "proxy/bind.h"

#include "proxy/bind_unix.h"
#include "proxy/tcp_options.h"
#include "ring/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LISTEN_FDS_START 3
#define BIND_RETRY_NS    10000000

static int report(char *error, int number, const char *what)
{
    const char *remedy = "";

    if (number == EADDRINUSE)
        remedy = "; another program has it: see 'ss -lntxp', or choose another address";
    else if (number == EACCES || number == EPERM)
        remedy = "; a port below 1024 needs CAP_NET_BIND_SERVICE";
    else if (number == EADDRNOTAVAIL)
        remedy = "; this machine does not have that address";
    else if (number == EAFNOSUPPORT)
        remedy = "; the kernel lacks this address family: 'vsluice doctor' tells more";
    snprintf(error, BIND_ERROR_BYTES, "%s: %s%s", what, strerror(number), remedy);
    return -number;
}

static int bind_patiently(int fd, const struct address *address)
{
    uint64_t until_ns = clock_ns() + BIND_PATIENCE_NS;

    while (bind(fd, (const struct sockaddr *)&address->storage, address->length) < 0) {
        if (errno != EADDRINUSE || clock_ns() >= until_ns)
            return -errno;
        nanosleep(&(struct timespec){.tv_nsec = BIND_RETRY_NS}, NULL);
    }
    return 0;
}

static void set_tcp_options(int fd, const struct route *route, bool both_families)
{
    int on = 1;
    int only_six = !both_families;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only_six, sizeof(only_six));
    tcp_options_set(fd, route->keepalive_ns);
    tcp_options_close_reset(fd);
}

static int bind_address(const struct route *route, const struct address *address,
                        bool both_families, struct bound *ret, char *error)
{
    enum transport transport = address_transport(address);
    char text[ENDPOINT_TEXT_BYTES];
    struct bound bound = {.transport = transport};

    address_format(address, text);
    bound.fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bound.fd < 0)
        return report(error, errno, text);
    if (transport == TRANSPORT_TCP)
        set_tcp_options(bound.fd, route, both_families);
    int failed = bind_patiently(bound.fd, address);
    if (!failed && listen(bound.fd, route->backlog) < 0)
        failed = -errno;
    struct address name = {.length = sizeof(name.storage)};
    if (!failed && getsockname(bound.fd, (struct sockaddr *)&name.storage, &name.length) < 0)
        failed = -errno;
    if (failed) {
        close(bound.fd);
        return report(error, -failed, text);
    }
    address_format(&name, bound.text);
    *ret = bound;
    return 1;
}

static int bind_any_tcp(const struct route *route, const struct endpoint *endpoint,
                        struct bound *ret, char *error)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6,
                               .sin6_port = htons((uint16_t)endpoint->port)};
    struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)endpoint->port)};
    struct address address = {.length = sizeof(six)};

    memcpy(&address.storage, &six, sizeof(six));
    int count = bind_address(route, &address, true, ret, error);
    if (count == -EAFNOSUPPORT || count == -EADDRNOTAVAIL) {
        address = (struct address){.length = sizeof(four)};
        memcpy(&address.storage, &four, sizeof(four));
        count = bind_address(route, &address, true, ret, error);
    }
    if (count > 0) {
        const char *port = strrchr(ret->text, ':');
        char text[ENDPOINT_TEXT_BYTES];
        snprintf(text, sizeof(text), "tcp:*%s", port);
        memcpy(ret->text, text, sizeof(text));
    }
    return count;
}

static int bind_name(const struct route *route, const struct endpoint *endpoint,
                     struct bound ret[static BOUND_MAX], char *error)
{
    struct addrinfo hints = {.ai_flags = AI_ADDRCONFIG, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    int count = 0;

    int failed = getaddrinfo(endpoint->name, NULL, &hints, &found);
    if (failed) {
        snprintf(error, BIND_ERROR_BYTES, "the name '%s' does not resolve: %s", endpoint->name,
                 gai_strerror(failed));
        return -EADDRNOTAVAIL;
    }
    for (const struct addrinfo *info = found; info && count < BOUND_MAX; info = info->ai_next) {
        struct address address = {.length = info->ai_addrlen};
        memcpy(&address.storage, info->ai_addr, info->ai_addrlen);
        address_set_port(&address, endpoint->port);
        int added = bind_address(route, &address, false, &ret[count], error);
        if (added < 0) {
            while (count > 0)
                bound_close(&ret[--count]);
            count = added;
            break;
        }
        count += added;
    }
    freeaddrinfo(found);
    return count;
}

static int bind_vsock(const struct route *route, const struct endpoint *endpoint, struct bound *ret,
                      char *error)
{
    struct endpoint wanted = *endpoint;
    struct address address;

    if (wanted.port == 0)
        wanted.port = UINT32_MAX; /* VMADDR_PORT_ANY */
    address_of_endpoint(&wanted, &address);
    return bind_address(route, &address, false, ret, error);
}

/* The inherited descriptors of a name (sd_listen_fds_with_names(3)): a socket unit has one name for
 * all of its own. Returns how many. */
static int named_descriptors(const char *name, int fds[static BOUND_MAX])
{
    const char *pid = getenv("LISTEN_PID");
    const char *number = getenv("LISTEN_FDS");
    const char *names = getenv("LISTEN_FDNAMES");
    size_t length = strlen(name);
    int count = 0;

    if (!pid || !number || !names || strtol(pid, NULL, 10) != getpid())
        return 0;
    for (int i = 0; i < atoi(number) && count < BOUND_MAX; i++) {
        const char *end = strchrnul(names, ':');
        if ((size_t)(end - names) == length && memcmp(names, name, length) == 0)
            fds[count++] = LISTEN_FDS_START + i;
        if (*end == '\0')
            break;
        names = end + 1;
    }
    return count;
}

/* What exec(2) passed on does not close on exec; all that this process opened does. */
static bool is_inherited(int fd)
{
    int flags = fcntl(fd, F_GETFD);
    return flags >= 0 && !(flags & FD_CLOEXEC);
}

static int take_descriptor(const struct route *route, int fd, struct bound *ret, char *error)
{
    int listening = 0;
    int type = 0;
    socklen_t length = sizeof(int);
    struct address name = {.length = sizeof(name.storage)};

    if (!is_inherited(fd) || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) < 0 ||
        !listening || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0 ||
        type != SOCK_STREAM ||
        getsockname(fd, (struct sockaddr *)&name.storage, &name.length) < 0) {
        snprintf(error, BIND_ERROR_BYTES,
                 "fd:%d: not an inherited listening stream socket, or taken twice: pass one by "
                 "socket activation",
                 fd);
        return -EBADF;
    }
    /* The ring waits by itself; a non-blocking listener would make it return at once. */
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    *ret = (struct bound){.fd = fd, .transport = address_transport(&name), .inherited = true};
    if (ret->transport == TRANSPORT_TCP)
        tcp_options_set(fd, route->keepalive_ns);
    address_format(&name, ret->text);
    return 1;
}

static int take_descriptors(const struct route *route, const struct endpoint *endpoint,
                            struct bound ret[static BOUND_MAX], char *error)
{
    int fds[BOUND_MAX] = {endpoint->fd};
    int count = endpoint->fd >= 0 ? 1 : named_descriptors(endpoint->name, fds);

    if (count == 0) {
        snprintf(error, BIND_ERROR_BYTES,
                 "fd:%s: no inherited socket has this name: set FileDescriptorName= in the "
                 "socket unit",
                 endpoint->name);
        return -EBADF;
    }
    for (int i = 0; i < count; i++) {
        int taken = take_descriptor(route, fds[i], &ret[i], error);
        if (taken < 0) {
            while (i > 0)
                bound_close(&ret[--i]);
            return taken;
        }
    }
    return count;
}

int bind_route_listen(const struct route *route, const struct endpoint *endpoint,
                      struct bound ret[static BOUND_MAX], char error[static BIND_ERROR_BYTES])
{
    struct address address;

    switch (endpoint->kind) {
    case ENDPOINT_TCP:
        if (strcmp(endpoint->name, "*") == 0)
            return bind_any_tcp(route, endpoint, ret, error);
        if (address_of_endpoint(endpoint, &address) == 0)
            return bind_address(route, &address, false, ret, error);
        return bind_name(route, endpoint, ret, error);
    case ENDPOINT_UNIX:
    case ENDPOINT_MUX:
    case ENDPOINT_VSOCK_MUX: return bind_unix(route, endpoint, ret, error);
    case ENDPOINT_VSOCK: return bind_vsock(route, endpoint, ret, error);
    case ENDPOINT_FD: return take_descriptors(route, endpoint, ret, error);
    case ENDPOINT_MACHINE:
    case ENDPOINT_GUEST: break;
    }
    return report(error, EINVAL, "no such listen endpoint");
}

int bound_refresh(const struct bound *bound, const struct route *route,
                  char error[static BIND_ERROR_BYTES])
{
    if (bound->inherited)
        return 0;
    listen(bound->fd, route->backlog);
    if (bound->transport == TRANSPORT_TCP)
        tcp_options_set(bound->fd, route->keepalive_ns);
    return bound->path[0] ? bound_refresh_file(bound, route, error) : 0;
}

void bound_close(struct bound *bound)
{
    bound_remove_file(bound);
    bound->path[0] = '\0';
    close(bound->fd);
    bound->fd = -1;
}

/* Endpoints <-> socket addresses. */
#include "config/address.h"

#include "vsock/vsock.h"

#include <assert.h>
#include <errno.h>
#include <linux/vm_sockets.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

enum transport address_transport(const struct address *address)
{
    switch (address->storage.ss_family) {
    case AF_UNIX: return TRANSPORT_UNIX;
    case AF_VSOCK: return TRANSPORT_VSOCK;
    default: return TRANSPORT_TCP;
    }
}

static int of_numeric_host(const char *host, uint32_t port, struct address *ret)
{
    struct addrinfo hints = {
        .ai_flags = AI_NUMERICHOST,
        .ai_socktype = SOCK_STREAM,
    };
    struct addrinfo *found;

    /* No name service is asked for a numeric host; this also reads IPv6 zones (%eth0). */
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return -ENOENT;
    *ret = (struct address){.length = found->ai_addrlen};
    memcpy(&ret->storage, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    address_set_port(ret, port);
    return 0;
}

static void of_unix_path(const char *path, struct address *ret)
{
    struct sockaddr_un *sun = (struct sockaddr_un *)&ret->storage;
    size_t length = strlen(path);

    assert(length < sizeof(sun->sun_path));
    *ret = (struct address){.storage.ss_family = AF_UNIX};
    memcpy(sun->sun_path, path, length);
    if (path[0] == '@')
        sun->sun_path[0] = '\0';
    else
        length++;
    ret->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

static void of_vsock(uint32_t cid, uint32_t port, struct address *ret)
{
    struct sockaddr_vm *svm = (struct sockaddr_vm *)&ret->storage;

    *ret = (struct address){.length = sizeof(*svm)};
    svm->svm_family = AF_VSOCK;
    svm->svm_cid = cid;
    svm->svm_port = port;
}

int address_of_endpoint(const struct endpoint *endpoint, struct address *ret)
{
    switch (endpoint->kind) {
    case ENDPOINT_TCP:
        if (strcmp(endpoint->name, "*") == 0)
            return -EINVAL;
        return of_numeric_host(endpoint->name, endpoint->port, ret);
    case ENDPOINT_UNIX:
    case ENDPOINT_VSOCK_MUX: of_unix_path(endpoint->name, ret); return 0;
    case ENDPOINT_VSOCK: of_vsock(endpoint->cid, endpoint->port, ret); return 0;
    case ENDPOINT_MACHINE: return -ENOENT;
    case ENDPOINT_GUEST:
    case ENDPOINT_MUX:
    case ENDPOINT_FD: return -EINVAL;
    }
    return -EINVAL;
}

void address_set_port(struct address *address, uint32_t port)
{
    switch (address->storage.ss_family) {
    case AF_INET:
        ((struct sockaddr_in *)&address->storage)->sin_port = htons((uint16_t)port);
        break;
    case AF_INET6:
        ((struct sockaddr_in6 *)&address->storage)->sin6_port = htons((uint16_t)port);
        break;
    case AF_VSOCK: ((struct sockaddr_vm *)&address->storage)->svm_port = port; break;
    default: break;
    }
}

static void endpoint_of_inet(const struct address *address, struct endpoint *ret)
{
    char service[NI_MAXSERV];

    ret->kind = ENDPOINT_TCP;
    if (getnameinfo((const struct sockaddr *)&address->storage, address->length, ret->name,
                    sizeof(ret->name), service, sizeof(service),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    ret->port = (uint32_t)strtoul(service, NULL, 10);
}

static void endpoint_of_unix(const struct address *address, struct endpoint *ret)
{
    const struct sockaddr_un *sun = (const struct sockaddr_un *)&address->storage;
    size_t length = address->length - offsetof(struct sockaddr_un, sun_path);

    ret->kind = ENDPOINT_UNIX;
    if (address->length <= offsetof(struct sockaddr_un, sun_path))
        return;
    memcpy(ret->name, sun->sun_path, length);
    if (ret->name[0] == '\0')
        ret->name[0] = '@';
}

void address_format(const struct address *address, char text[static ENDPOINT_TEXT_BYTES])
{
    struct endpoint endpoint = {.fd = -1};

    switch (address_transport(address)) {
    case TRANSPORT_UNIX: endpoint_of_unix(address, &endpoint); break;
    case TRANSPORT_VSOCK: {
        const struct sockaddr_vm *svm = (const struct sockaddr_vm *)&address->storage;
        endpoint.kind = ENDPOINT_VSOCK;
        endpoint.cid = svm->svm_cid;
        endpoint.port = svm->svm_port;
        break;
    }
    default: endpoint_of_inet(address, &endpoint); break;
    }
    endpoint_format(&endpoint, text);
}

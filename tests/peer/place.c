/* Endpoints of the ends. No name service, so that the program can be static. */
#include "place.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#define BACKLOG 4096

static bool lab_loopback(void)
{
    struct sockaddr_vm address = {
        .svm_family = AF_VSOCK,
        .svm_cid = VMADDR_CID_LOCAL,
        .svm_port = VMADDR_PORT_ANY,
    };
    int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool bound;

    if (fd < 0)
        return false;
    bound = bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return bound;
}

static bool lab_allows(uint32_t cid, enum place_role role)
{
    const char *lab = getenv("VSLUICE_LAB");

    if (lab == NULL || !lab_loopback())
        return false;
    if (role == PLACE_LISTEN || cid == VMADDR_CID_LOCAL)
        return strcmp(lab, "uml") == 0 || strcmp(lab, "guest") == 0 || strcmp(lab, "nested") == 0;
    return strcmp(lab, "guest") == 0 || strcmp(lab, "nested") == 0;
}

static bool parse_number(const char *text, uint32_t *ret)
{
    char *end;
    unsigned long long value;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    value = strtoull(text, &end, 10);
    if (*end != '\0' || errno != 0 || value > UINT32_MAX)
        return false;
    *ret = value;
    return true;
}

static bool parse_tcp(char *host, uint32_t port, enum place_role role, struct place *ret)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&ret->address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ret->address;
    size_t length = strlen(host);

    if (port > UINT16_MAX)
        return false;
    ret->kind = PLACE_TCP;
    if (strcmp(host, "*") == 0 && role == PLACE_LISTEN)
        host = (char *)"::";
    else if (length > 2 && host[0] == '[' && host[length - 1] == ']') {
        host[length - 1] = '\0';
        host++;
    } else {
        *v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        ret->length = sizeof(*v4);
        if (strcmp(host, "localhost") == 0)
            host = (char *)"127.0.0.1";
        return inet_pton(AF_INET, host, &v4->sin_addr) == 1;
    }
    *v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
    ret->length = sizeof(*v6);
    return inet_pton(AF_INET6, host, &v6->sin6_addr) == 1;
}

static bool parse_unix(const char *path, struct place *ret)
{
    struct sockaddr_un *address = (struct sockaddr_un *)&ret->address;
    size_t length = strlen(path);

    if (length < 2 || length >= sizeof(address->sun_path) || (path[0] != '/' && path[0] != '@'))
        return false;
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, length + 1);
    ret->length = offsetof(struct sockaddr_un, sun_path) + length + 1;
    if (path[0] == '@') {
        address->sun_path[0] = '\0';
        ret->length--;
    }
    ret->kind = PLACE_UNIX;
    return true;
}

static bool parse_vsock(const char *cid_text, uint32_t port, enum place_role role,
                        struct place *ret)
{
    uint32_t cid;

    if (strcmp(cid_text, "any") == 0 && role == PLACE_LISTEN)
        cid = VMADDR_CID_ANY;
    else if (strcmp(cid_text, "local") == 0)
        cid = VMADDR_CID_LOCAL;
    else if (strcmp(cid_text, "host") == 0)
        cid = VMADDR_CID_HOST;
    else if (!parse_number(cid_text, &cid))
        return false;
    if (!lab_allows(cid, role)) {
        fprintf(stderr, "peer: vsock is refused: not proven to be inside the lab\n");
        exit(77);
    }
    *(struct sockaddr_vm *)&ret->address = (struct sockaddr_vm){
        .svm_family = AF_VSOCK,
        .svm_cid = cid,
        .svm_port = port == 0 && role == PLACE_LISTEN ? VMADDR_PORT_ANY : port,
    };
    ret->length = sizeof(struct sockaddr_vm);
    ret->kind = PLACE_VSOCK;
    return true;
}

static bool parse_fd(const char *text, struct place *ret)
{
    int count = sscanf(text, "%d,%d", &ret->fd_in, &ret->fd_out);

    if (count == 1)
        ret->fd_out = ret->fd_in;
    ret->kind = PLACE_FD;
    return count >= 1;
}

/* `rest` is HOST:PORT, CID:PORT or /PATH:PORT. */
static bool parse_with_port(const char *kind, char *rest, enum place_role role, struct place *ret)
{
    char *colon = strrchr(rest, ':');
    uint32_t port;

    if (colon == NULL || !parse_number(colon + 1, &port))
        return false;
    *colon = '\0';
    if (strcmp(kind, "tcp") == 0)
        return parse_tcp(rest, port, role, ret);
    if (strcmp(kind, "vsock") == 0)
        return parse_vsock(rest, port, role, ret);
    if (strcmp(kind, "vsock-mux") != 0 || role == PLACE_LISTEN || !parse_unix(rest, ret))
        return false;
    ret->kind = PLACE_MUX;
    ret->port = port;
    return true;
}

bool place_parse(const char *text, enum place_role role, struct place *ret)
{
    char copy[PLACE_TEXT_BYTES];
    char *colon;
    bool right = false;

    *ret = (struct place){.fd_in = -1, .fd_out = -1};
    snprintf(copy, sizeof(copy), "%s", text);
    colon = strchr(copy, ':');
    if (colon != NULL && strlen(text) < sizeof(copy)) {
        *colon = '\0';
        if (strcmp(copy, "unix") == 0)
            right = parse_unix(colon + 1, ret);
        else if (strcmp(copy, "fd") == 0)
            right = role == PLACE_CONNECT && parse_fd(colon + 1, ret);
        else
            right = parse_with_port(copy, colon + 1, role, ret);
    }
    if (!right)
        fprintf(stderr, "peer: %s: no endpoint to %s\n", text,
                role == PLACE_LISTEN ? "serve" : "connect to");
    return right;
}

/* Reads byte by byte: nothing behind the newline of OK may be taken. */
static bool mux_greet(int fd, uint32_t port)
{
    char line[64];
    size_t length = 0;
    int size = snprintf(line, sizeof(line), "CONNECT %u\n", port);

    if (send(fd, line, size, MSG_NOSIGNAL) != size) {
        fprintf(stderr, "peer: vsock-mux: CONNECT: %s\n", strerror(errno));
        return false;
    }
    while (length < sizeof(line) - 1) {
        ssize_t count = recv(fd, line + length, 1, 0);

        if (count <= 0) {
            fprintf(stderr, "peer: vsock-mux: no OK: %s\n",
                    count == 0 ? "end-of-file" : strerror(errno));
            return false;
        }
        if (line[length++] == '\n')
            break;
    }
    line[length] = '\0';
    if (strncmp(line, "OK ", 3) == 0)
        return true;
    fprintf(stderr, "peer: vsock-mux: not OK: %s\n", line);
    return false;
}

bool place_connect(const struct place *place, double seconds, int *ret_fd_in, int *ret_fd_out)
{
    struct timeval limit = {.tv_sec = seconds, .tv_usec = (seconds - (long)seconds) * 1e6};
    int one = 1, fd;

    if (place->kind == PLACE_FD) {
        *ret_fd_in = place->fd_in;
        *ret_fd_out = place->fd_out;
        return true;
    }
    fd = socket(place->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        fprintf(stderr, "peer: socket: %s\n", strerror(errno));
        return false;
    }
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    if (place->kind == PLACE_TCP)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (place->kind == PLACE_VSOCK)
        setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &limit, sizeof(limit));
    if (connect(fd, (const struct sockaddr *)&place->address, place->length) < 0)
        fprintf(stderr, "peer: connect: %s\n", strerror(errno));
    else if (place->kind != PLACE_MUX || mux_greet(fd, place->port)) {
        *ret_fd_in = *ret_fd_out = fd;
        return true;
    }
    close(fd);
    return false;
}

static void place_format(int fd, char text[static PLACE_TEXT_BYTES])
{
    struct sockaddr_storage address;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&address;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&address;
    const struct sockaddr_un *local = (const struct sockaddr_un *)&address;
    const struct sockaddr_vm *vm = (const struct sockaddr_vm *)&address;
    socklen_t length = sizeof(address);
    char host[INET6_ADDRSTRLEN];

    memset(&address, 0, sizeof(address));
    getsockname(fd, (struct sockaddr *)&address, &length);
    switch (address.ss_family) {
    case AF_INET:
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof(host));
        snprintf(text, PLACE_TEXT_BYTES, "tcp:%s:%u", host, ntohs(v4->sin_port));
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host));
        snprintf(text, PLACE_TEXT_BYTES, "tcp:[%s]:%u", strcmp(host, "::") == 0 ? "::1" : host,
                 ntohs(v6->sin6_port));
        break;
    case AF_VSOCK:
        if (vm->svm_cid == VMADDR_CID_ANY || vm->svm_cid == VMADDR_CID_LOCAL)
            snprintf(text, PLACE_TEXT_BYTES, "vsock:local:%u", vm->svm_port);
        else
            snprintf(text, PLACE_TEXT_BYTES, "vsock:%u:%u", vm->svm_cid, vm->svm_port);
        break;
    default:
        if (local->sun_path[0] == '\0')
            snprintf(text, PLACE_TEXT_BYTES, "unix:@%s", local->sun_path + 1);
        else
            snprintf(text, PLACE_TEXT_BYTES, "unix:%s", local->sun_path);
        break;
    }
}

int place_listen(const struct place *place, char text[static PLACE_TEXT_BYTES])
{
    const struct sockaddr_un *local = (const struct sockaddr_un *)&place->address;
    int one = 1, zero = 0;
    int fd = socket(place->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        fprintf(stderr, "peer: socket: %s\n", strerror(errno));
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (place->address.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
    if (place->kind == PLACE_UNIX && local->sun_path[0] != '\0')
        unlink(local->sun_path);
    if (bind(fd, (const struct sockaddr *)&place->address, place->length) < 0 ||
        listen(fd, BACKLOG) < 0) {
        fprintf(stderr, "peer: listen: %s\n", strerror(errno));
        close(fd);
        return -1;
    }
    place_format(fd, text);
    return fd;
}

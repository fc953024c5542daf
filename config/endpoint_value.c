/* Endpoints as values: their one printed form, and how two of them relate. */
#include "config/endpoint.h"

#include "config/host.h"
#include "config/name.h"
#include "vsock/vsock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

bool endpoint_has_file(const struct endpoint *endpoint)
{
    switch (endpoint->kind) {
    case ENDPOINT_UNIX:
    case ENDPOINT_MUX: return endpoint->name[0] == '/';
    default: return endpoint->kind == ENDPOINT_VSOCK_MUX;
    }
}

bool endpoint_has_port(const struct endpoint *endpoint)
{
    return endpoint->kind != ENDPOINT_UNIX && endpoint->kind != ENDPOINT_MUX &&
           endpoint->kind != ENDPOINT_FD;
}

/* All of an endpoint but its port. */
static size_t host_format(const struct endpoint *endpoint, char text[static ENDPOINT_TEXT_BYTES])
{
    const struct vsock_address address = {endpoint->cid, 0};
    bool is_six = endpoint->kind == ENDPOINT_TCP && strchr(endpoint->name, ':');
    static const char *const prefixes[] = {
        [ENDPOINT_TCP] = "tcp:",     [ENDPOINT_UNIX] = "unix:",
        [ENDPOINT_VSOCK] = "vsock:", [ENDPOINT_VSOCK_MUX] = "vsock-mux:",
        [ENDPOINT_GUEST] = "guest:", [ENDPOINT_FD] = "fd:",
        [ENDPOINT_MUX] = "mux:",     [ENDPOINT_MACHINE] = "machine:",
    };

    if (endpoint->kind == ENDPOINT_VSOCK)
        return vsock_address_format(&address, text) - strlen(":0");
    if (endpoint->kind == ENDPOINT_FD && endpoint->fd >= 0)
        return (size_t)snprintf(text, ENDPOINT_TEXT_BYTES, "fd:%d", endpoint->fd);
    return (size_t)snprintf(text, ENDPOINT_TEXT_BYTES, "%s%s%s%s", prefixes[endpoint->kind],
                            is_six ? "[" : "", endpoint->name, is_six ? "]" : "");
}

size_t endpoint_format_ports(const struct endpoint *endpoint, uint32_t count,
                             char text[static ENDPOINT_TEXT_BYTES])
{
    size_t length = host_format(endpoint, text);
    char *port = text + length;
    size_t bytes = ENDPOINT_TEXT_BYTES - length;

    if (!endpoint_has_port(endpoint))
        return length;
    if (endpoint->port == ENDPOINT_PORT_NAMED)
        return length + (size_t)snprintf(port, bytes, ":*");
    if (count > 1)
        return length +
               (size_t)snprintf(port, bytes, ":%u-%u", endpoint->port, endpoint->port + count - 1);
    return length + (size_t)snprintf(port, bytes, ":%u", endpoint->port);
}

size_t endpoint_format(const struct endpoint *endpoint, char text[static ENDPOINT_TEXT_BYTES])
{
    return endpoint_format_ports(endpoint, 1, text);
}

size_t endpoint_pair_format(const struct endpoint *written, const struct endpoint *resolved,
                            uint32_t count, char text[static ENDPOINT_PAIR_TEXT_BYTES])
{
    char other[ENDPOINT_TEXT_BYTES];
    size_t length = endpoint_format_ports(written, count, text);

    if (written->kind != ENDPOINT_GUEST || resolved->kind == ENDPOINT_GUEST)
        return length;
    endpoint_format_ports(resolved, count, other);
    return length +
           (size_t)snprintf(text + length, ENDPOINT_PAIR_TEXT_BYTES - length, " (%s)", other);
}

bool endpoint_names_each(const struct endpoint *endpoint)
{
    bool has_name = endpoint->kind == ENDPOINT_UNIX || endpoint->kind == ENDPOINT_MUX ||
                    endpoint->kind == ENDPOINT_VSOCK_MUX || endpoint->kind == ENDPOINT_GUEST;

    return has_name && strstr(endpoint->name, ENDPOINT_GUEST_NAME);
}

/* The longest name that an endpoint with `{name}` may have: an abstract one has its '@' besides. */
static size_t name_bytes_max(const struct endpoint *endpoint)
{
    if (endpoint->kind == ENDPOINT_GUEST)
        return NAME_BYTES_MAX;
    return ENDPOINT_UNIX_PATH_BYTES - 1 + (endpoint->name[0] == '@');
}

int endpoint_name_one(struct endpoint *endpoint, const char *guest_name)
{
    size_t max = name_bytes_max(endpoint);
    char name[ENDPOINT_NAME_BYTES] = "";
    const char *rest = endpoint->name;
    size_t length = 0;

    if (!endpoint_names_each(endpoint))
        return 0;
    for (;;) {
        const char *place = strstr(rest, ENDPOINT_GUEST_NAME);
        int before = place ? (int)(place - rest) : (int)strlen(rest);
        length += (size_t)snprintf(name + length, sizeof(name) - length, "%.*s%s", before, rest,
                                   place ? guest_name : "");
        if (length > max)
            return -ENAMETOOLONG;
        if (!place)
            break;
        rest = place + strlen(ENDPOINT_GUEST_NAME);
    }
    memcpy(endpoint->name, name, sizeof(name));
    return 0;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case ENDPOINT_VSOCK: return a->cid == b->cid && a->port == b->port;
    case ENDPOINT_UNIX:
    case ENDPOINT_MUX: return strcmp(a->name, b->name) == 0;
    case ENDPOINT_FD:
        if (a->fd != b->fd)
            return false;
        return a->fd >= 0 || strcmp(a->name, b->name) == 0;
    default: return a->port == b->port && strcmp(a->name, b->name) == 0;
    }
}

/* Does a's host claim every address that b's host may stand for? */
static bool host_covers(const char *a, const char *b)
{
    if (strcmp(a, "*") == 0)
        return true;
    if (strcmp(a, "0.0.0.0") == 0)
        return host_ipv4_like(b);
    if (strcmp(a, "::") == 0)
        return strchr(b, ':') != NULL;
    return false;
}

static bool tcp_collides(const struct endpoint *a, const struct endpoint *b)
{
    if (a->port != b->port || a->port == 0)
        return false;
    return host_covers(a->name, b->name) || host_covers(b->name, a->name) ||
           strcasecmp(a->name, b->name) == 0;
}

static bool vsock_collides(const struct endpoint *a, const struct endpoint *b)
{
    if (a->port != b->port || a->port == 0)
        return false;
    return a->cid == b->cid || a->cid == VSOCK_CID_ANY || b->cid == VSOCK_CID_ANY;
}

/* Takes the next component of a path: "//" and "/./" are "/". Returns its length. */
static size_t component_take(const char **path)
{
    size_t length;

    do {
        *path += strspn(*path, "/");
        length = strcspn(*path, "/");
        *path += length;
    } while (length == 1 && (*path)[-1] == '.');
    return length;
}

static bool path_equal(const char *a, const char *b)
{
    size_t length;

    do {
        length = component_take(&a);
        if (component_take(&b) != length || memcmp(a - length, b - length, length) != 0)
            return false;
    } while (length > 0);
    return true;
}

/* The name that a listener of these kinds binds: a path, or '@' and an abstract name. `room` is for
 * one that stands in no endpoint. */
static const char *unix_name_bound(const struct endpoint *endpoint,
                                   char room[static ENDPOINT_TEXT_BYTES])
{
    if (endpoint->kind != ENDPOINT_VSOCK_MUX)
        return endpoint->name;
    snprintf(room, ENDPOINT_TEXT_BYTES, "%s_%u", endpoint->name, endpoint->port);
    return room;
}

static bool unix_collides(const struct endpoint *a, const struct endpoint *b)
{
    char room_a[ENDPOINT_TEXT_BYTES];
    char room_b[ENDPOINT_TEXT_BYTES];

    if (a->kind == ENDPOINT_VSOCK_MUX && b->kind == ENDPOINT_VSOCK_MUX && a->port != b->port)
        return false; /* each path ends with its port */
    const char *name_a = unix_name_bound(a, room_a);
    const char *name_b = unix_name_bound(b, room_b);

    if (name_a[0] == '@' || name_b[0] == '@')
        return strcmp(name_a, name_b) == 0;
    return path_equal(name_a, name_b);
}

static bool is_unix(const struct endpoint *endpoint)
{
    return endpoint->kind == ENDPOINT_UNIX || endpoint->kind == ENDPOINT_VSOCK_MUX ||
           endpoint->kind == ENDPOINT_MUX;
}

bool endpoint_collides(const struct endpoint *a, const struct endpoint *b)
{
    if (is_unix(a) && is_unix(b))
        return unix_collides(a, b);
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case ENDPOINT_TCP: return tcp_collides(a, b);
    case ENDPOINT_VSOCK: return vsock_collides(a, b);
    case ENDPOINT_GUEST: return a->port != 0 && endpoint_equal(a, b);
    default: return endpoint_equal(a, b);
    }
}

/* FNV-1a over the path as path_equal() sees it; an abstract name is one to itself. */
static uint64_t unix_claim(const struct endpoint *endpoint)
{
    char room[ENDPOINT_TEXT_BYTES];
    const char *path = unix_name_bound(endpoint, room);
    uint64_t claim = UINT64_C(14695981039346656037);
    size_t length;

    while ((length = component_take(&path)) > 0) {
        for (const char *c = path - length; c < path; c++)
            claim = (claim ^ (unsigned char)*c) * UINT64_C(1099511628211);
        claim = (claim ^ '/') * UINT64_C(1099511628211);
    }
    return claim;
}

uint64_t endpoint_claim(const struct endpoint *endpoint)
{
    if (is_unix(endpoint))
        return unix_claim(endpoint);
    if (endpoint->kind == ENDPOINT_FD)
        return (uint64_t)endpoint->kind << 32;
    return (uint64_t)endpoint->kind << 32 | endpoint->port;
}

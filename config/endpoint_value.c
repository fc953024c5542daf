/* Endpoints as values: their one printed form, and how two of them relate. */
#include "config/endpoint.h"

#include "config/host.h"
#include "vsock/vsock.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static int tcp_format(const struct endpoint *endpoint, char *text)
{
    if (strchr(endpoint->name, ':'))
        return snprintf(text, ENDPOINT_TEXT_BYTES, "tcp:[%s]:%u", endpoint->name, endpoint->port);
    return snprintf(text, ENDPOINT_TEXT_BYTES, "tcp:%s:%u", endpoint->name, endpoint->port);
}

size_t endpoint_format(const struct endpoint *endpoint, char text[static ENDPOINT_TEXT_BYTES])
{
    const struct vsock_address address = {endpoint->cid, endpoint->port};
    int length = 0;

    switch (endpoint->kind) {
    case ENDPOINT_TCP: length = tcp_format(endpoint, text); break;
    case ENDPOINT_UNIX:
        length = snprintf(text, ENDPOINT_TEXT_BYTES, "unix:%s", endpoint->name);
        break;
    case ENDPOINT_VSOCK: length = (int)vsock_address_format(&address, text); break;
    case ENDPOINT_VSOCK_MUX:
        length =
            snprintf(text, ENDPOINT_TEXT_BYTES, "vsock-mux:%s:%u", endpoint->name, endpoint->port);
        break;
    case ENDPOINT_GUEST:
        length = snprintf(text, ENDPOINT_TEXT_BYTES, "guest:%s:%u", endpoint->name, endpoint->port);
        break;
    case ENDPOINT_FD:
        if (endpoint->fd >= 0)
            length = snprintf(text, ENDPOINT_TEXT_BYTES, "fd:%d", endpoint->fd);
        else
            length = snprintf(text, ENDPOINT_TEXT_BYTES, "fd:%s", endpoint->name);
        break;
    }
    return (size_t)length;
}

size_t endpoint_pair_format(const struct endpoint *written, const struct endpoint *resolved,
                            char text[static ENDPOINT_PAIR_TEXT_BYTES])
{
    char other[ENDPOINT_TEXT_BYTES];
    size_t length = endpoint_format(written, text);

    if (written->kind != ENDPOINT_GUEST || resolved->kind == ENDPOINT_GUEST)
        return length;
    endpoint_format(resolved, other);
    return length +
           (size_t)snprintf(text + length, ENDPOINT_PAIR_TEXT_BYTES - length, " (%s)", other);
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case ENDPOINT_VSOCK: return a->cid == b->cid && a->port == b->port;
    case ENDPOINT_UNIX: return strcmp(a->name, b->name) == 0;
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
    if (endpoint->kind == ENDPOINT_UNIX)
        return endpoint->name;
    snprintf(room, ENDPOINT_TEXT_BYTES, "%s_%u", endpoint->name, endpoint->port);
    return room;
}

static bool unix_collides(const struct endpoint *a, const struct endpoint *b)
{
    char room_a[ENDPOINT_TEXT_BYTES];
    char room_b[ENDPOINT_TEXT_BYTES];
    const char *name_a = unix_name_bound(a, room_a);
    const char *name_b = unix_name_bound(b, room_b);

    if (name_a[0] == '@' || name_b[0] == '@')
        return strcmp(name_a, name_b) == 0;
    return path_equal(name_a, name_b);
}

static bool is_unix(const struct endpoint *endpoint)
{
    return endpoint->kind == ENDPOINT_UNIX || endpoint->kind == ENDPOINT_VSOCK_MUX;
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

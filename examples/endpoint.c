/* Endpoints of the command line, as libvsock's calls. */
#include "endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct vsock_address unknown = {VSOCK_CID_ANY, VSOCK_PORT_ANY};

/* What stands behind the prefix, or NULL. */
static const char *behind(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0 ? text + strlen(prefix) : NULL;
}

static int path_copy(const char *path, size_t length, struct endpoint *endpoint)
{
    if (length == 0)
        return -EINVAL;
    if (length >= sizeof(endpoint->path))
        return -ENAMETOOLONG;
    memcpy(endpoint->path, path, length);
    endpoint->path[length] = '\0';
    return 0;
}

/* PATH:PORT, where PATH may have colons. */
static int mux_parse(const char *rest, struct endpoint *endpoint)
{
    const char *colon = strrchr(rest, ':');
    char address[VSOCK_ADDRESS_TEXT_BYTES];
    int r;

    if (!colon)
        return -EINVAL;
    if (snprintf(address, sizeof(address), "vsock:any%s", colon) >= (int)sizeof(address))
        return -ERANGE;
    r = vsock_address_parse(address, &endpoint->address, NULL);
    return r < 0 ? r : path_copy(rest, (size_t)(colon - rest), endpoint);
}

int endpoint_parse(const char *text, struct endpoint *ret)
{
    struct endpoint endpoint = {.text = text, .address = unknown};
    const char *rest;
    int r;

    if (behind(text, "vsock:")) {
        endpoint.kind = ENDPOINT_VSOCK;
        r = vsock_address_parse(text, &endpoint.address, NULL);
    } else if ((rest = behind(text, "vsock-mux:"))) {
        endpoint.kind = ENDPOINT_MUX;
        r = mux_parse(rest, &endpoint);
    } else if ((rest = behind(text, "unix:"))) {
        endpoint.kind = ENDPOINT_UNIX;
        r = path_copy(rest, strlen(rest), &endpoint);
    } else {
        r = -EINVAL;
    }
    if (r == 0)
        *ret = endpoint;
    return r;
}

int endpoint_listen(const struct endpoint *endpoint, struct vsock_listener **ret)
{
    const struct vsock_address *address = &endpoint->address;

    switch (endpoint->kind) {
    case ENDPOINT_VSOCK: return vsock_listen_cid(address->cid, address->port, NULL, ret);
    case ENDPOINT_MUX: return vsock_listen_mux(endpoint->path, address->port, NULL, ret);
    case ENDPOINT_UNIX: return vsock_listen_unix(endpoint->path, address, NULL, ret);
    }
    return -EINVAL;
}

int endpoint_dial(const struct endpoint *endpoint, const struct vsock_dial_options *options,
                  struct vsock_conn **ret)
{
    const struct vsock_address *address = &endpoint->address;

    switch (endpoint->kind) {
    case ENDPOINT_VSOCK: return vsock_dial(address->cid, address->port, options, ret);
    case ENDPOINT_MUX: return vsock_dial_mux(endpoint->path, address->port, options, ret);
    case ENDPOINT_UNIX: return vsock_dial_unix(endpoint->path, address, options, ret);
    }
    return -EINVAL;
}

void endpoint_complain(const struct endpoint *endpoint, const char *operation, int error)
{
    char text[256];

    vsock_error_describe(operation, NULL, &endpoint->address, error, text, sizeof(text));
    fprintf(stderr, "%s: %s\n", endpoint->text, text);
}

void conn_complain(const struct vsock_conn *conn, const char *operation, int error)
{
    struct vsock_address local = vsock_conn_local_address(conn);
    struct vsock_address remote = vsock_conn_remote_address(conn);
    char text[256];

    vsock_error_describe(operation, &local, &remote, error, text, sizeof(text));
    fprintf(stderr, "%s\n", text);
}

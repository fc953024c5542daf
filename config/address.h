/* Endpoints as socket addresses, and back. Resolves no name, opens no socket. */
#pragma once

#include "config/endpoint.h"

#include <stddef.h>
#include <sys/socket.h>

/* What a descriptor is, as far as relaying must know. */
enum transport {
    TRANSPORT_TCP,
    TRANSPORT_UNIX,
    TRANSPORT_VSOCK,
    TRANSPORT_FILE, /* standard input and output */
};

struct address {
    struct sockaddr_storage storage;
    socklen_t length;
};

enum transport address_transport(const struct address *address);

/* The address of an endpoint that needs no name service: a numeric tcp host, unix, vsock, vsock-mux
 * (the VMM's socket itself). -ENOENT: the name of a host or a machine, to be resolved. -EINVAL: no
 * such address (fd, mux, guest, `*`). */
int address_of_endpoint(const struct endpoint *endpoint, struct address *ret);

/* Of a TCP or vsock address; others have none. */
void address_set_port(struct address *address, uint32_t port);

/* Prints as an endpoint does: tcp:192.0.2.1:80, unix:/path, vsock:3:1024; "unix:" for an unnamed
 * one. */
void address_format(const struct address *address, char text[static ENDPOINT_TEXT_BYTES]);

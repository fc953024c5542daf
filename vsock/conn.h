/* Connections as the ones who make them see them: dials and listeners. */
#pragma once

#include "vsock/handle.h"
#include "vsock/vsock.h"

/* A connection of a connected socket, which it owns from now on, also when it fails. type as of
 * socket(2). -ENOMEM. */
int vsock_conn_new(int fd, int domain, int type, const struct vsock_address *local,
                   const struct vsock_address *remote, struct vsock_conn **ret);

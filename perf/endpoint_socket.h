/* Endpoints of the load tester as sockets: the address to connect to, and a socket that listens.
 * Called before the load begins: may block.
 */
#pragma once

#include "config/address.h"

#define ENDPOINT_SOCKET_ERROR_BYTES 512

/* The address of a target endpoint; of a name the first one that accepts a connection, else the
 * first. Returns 0, or -EINVAL and a sentence in `error`. */
int endpoint_socket_address(const struct endpoint *endpoint, struct address *ret,
                            char error[static ENDPOINT_SOCKET_ERROR_BYTES]);

/* Binds and listens; `bound` tells the address with the port that the kernel chose. Returns the
 * descriptor, or negative errno and a sentence in `error`. */
int endpoint_socket_listen(const struct endpoint *endpoint, struct address *ret_bound,
                           char error[static ENDPOINT_SOCKET_ERROR_BYTES]);

/* Can it be connected to and listened on here? Else ENDPOINT_SOCKET_KINDS is what to say. */
bool endpoint_socket_serves(const struct endpoint *endpoint);
#define ENDPOINT_SOCKET_KINDS "give a tcp, unix, vsock or vsock-mux endpoint"

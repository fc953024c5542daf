/* Unix listeners: the file of the socket, whose it is, and when it is stale. */
#pragma once

#include "proxy/bind.h"

/* As bind_route_listen(), for a Unix path, an abstract name, or the PATH_PORT of a vsock-mux.
 * Returns 1. */
int bind_unix(const struct route *route, const struct endpoint *endpoint, struct bound *ret,
              char error[static BIND_ERROR_BYTES]);

/* Removes the file that bind_unix() made, unless another stands there now. */
void bound_remove_file(struct bound *bound);

/* Another user is its owner from now on; (uid_t)-1, (gid_t)-1: unchanged. Without a file: nothing.
 * 0 or a negative errno. */
int bound_give_file(const struct bound *bound, uid_t uid, gid_t gid);

/* Its mode and owner, where the route names them. 0; or negative errno, and a sentence in `error`.
 */
int bound_refresh_file(const struct bound *bound, const struct route *route,
                       char error[static BIND_ERROR_BYTES]);

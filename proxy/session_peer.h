/* Where a session comes from: who its connection is counted of. */
#pragma once

#include "proxy/session.h"

/* told: what a PROXY header told, which goes before what the kernel knows; NULL: there was none.
 * false: it is not known, as of a connection that was reset already. */
bool session_peer(const struct session *session, const struct proxy_header *told,
                  struct access_peer *ret);

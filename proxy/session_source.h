/* Who a session's initiator is, for its line in the log. Its socket does not tell any more when the
 * connection has ended, nor what a PROXY header said. So that is kept, for the sessions of routes
 * with `access-log`, by the initiator's descriptor: a session without it holds nothing. Of any
 * thread, each with its own sessions.
 */
#pragma once

#include "proxy/session.h"

struct session_source {
    char initiator[ENDPOINT_TEXT_BYTES]; /* who is connected */
    char told[ENDPOINT_TEXT_BYTES];      /* by a PROXY header; "": nothing */
};

/* When the target is connected, and what was said is still there. */
void session_source_keep(const struct session *session);

/* What is kept, which is then forgotten, else what can still be known. Of a session that ends. */
void session_source_take(const struct session *session, struct session_source *ret);

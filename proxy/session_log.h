/* What the log says of a session. */
#pragma once

#include "proxy/session.h"

/* Its target is down for that reason; NONE: up again. */
void session_log_target(const struct session *session, enum reason reason, int error);

/* One line for a session that ended in error, but for those that log_flood.h leaves out; where its
 * route has `access-log`, one for each. */
void session_log_end(const struct session *session);

/* What the log says of a session. */
#pragma once

#include "proxy/session.h"

/* One line for a session that ended in error; nothing for one that ended whole. */
void session_log_end(const struct session *session);

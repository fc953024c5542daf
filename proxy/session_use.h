/* Where a session is counted: of its route, and of the guests at its ends. */
#pragma once

#include "proxy/session.h"

/* It begins. REASON_NONE; or the limit that it exceeds, and it is to end for that reason. */
enum reason session_use_enter(struct session *session);

/* The same of its source, where that is told by a PROXY header; NULL: it is who connected. */
enum reason session_use_enter_source(struct session *session, const struct proxy_header *told);

/* It has ended, for session->reason. */
void session_use_leave(struct session *session);

/* There is room where these workers wait for it. */
void session_use_wake(const struct session *session, uint64_t workers);

/* So many more bytes of that lane were handed to its sink. */
void session_use_deliver(struct session *session, struct lane *lane, uint64_t count);

/* The target was reached, so long after it was asked. */
void session_use_connect(const struct session *session, uint64_t took_ns);

/* How long ago it began. */
uint64_t session_use_age_ns(const struct session *session);

/* For how long neither a byte nor an end-of-file was relayed; UINT64_MAX: it does not relay. */
uint64_t session_idle_ns(const struct session *session);

/* Between session.c and session_begin.c. */
#pragma once

#include "proxy/session.h"

struct session *session_of_timer(struct ring_timer *timer);

/* The one timer of its state. */
void session_set_timer(struct session *session, uint64_t after_ns, ring_timer_handler *handler);

/* Gives up what the session does before it relays; session_join() finds what is in flight still. */
void session_begin_stop(struct session *session);

/* What a session tells its two sides before it relays the first byte. */
#pragma once

#include "proxy/session.h"

/* Tells the target who the initiator is, where its route wants a PROXY header (send-proxy): with
 * the addresses that the initiator's own header told, else with those of its socket. Then the
 * initiator of a `mux:` listener what it waits for, OK PORT. Both connections are new, and so few
 * bytes have room in them. Returns REASON_NONE, or why the session is to end, with a negative
 * errno. The dial is still there. */
enum reason session_tell(const struct session *session, int *ret_error);

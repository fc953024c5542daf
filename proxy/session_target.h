/* Which target a session is for: chosen once, and again where connecting to it failed before a byte
 * was sent. It is counted of that target, and of the guest that it is in. */
#pragma once

#include "proxy/session.h"

/* The target that it is connected to, or was to be last; NULL: none was chosen yet. */
const struct route_target *session_target(const struct session *session);

/* The guest that it is in; NULL: none. */
struct guest_use *session_target_guest(const struct session *session);

/* The session is one of its route's only target, of whose guest it is counted with the route. */
void session_target_take_only(struct session *session);

/* Before it first chooses. */
struct balance_tries session_target_tries(const struct session *session);

/* Chooses of several; `told` by the initiator. REASON_NONE; GUEST_FULL: the guests of all
 * that are left have no room. */
enum reason session_target_choose(struct session *session, struct balance_tries *tries,
                                  const struct proxy_header *told);

/* Connecting to it failed. Chooses another, or the one whose guest is to be waited for. False:
 * there is none, and the session is to end for that reason. */
bool session_target_next(struct session *session, struct balance_tries *tries,
                         const struct proxy_header *told, enum reason reason, int error);

/* It is connected to it. */
void session_target_reached(struct session *session);

/* It is no more one of that target's, if it was. */
void session_target_leave(struct session *session);

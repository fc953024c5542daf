/* The sessions at the admin socket: GET /sessions, POST /sessions/{number}/end, POST /sessions/end.
 * Their owner is a struct admin_actions. */
#pragma once

#include "proxy/admin_route.h"
#include "proxy/inquiry.h"

#define ADMIN_SESSIONS_MAX     20000 /* that are listed at once */
#define ADMIN_SESSIONS_DEFAULT 1000

struct admin_actions;

int admin_sessions_list(void *owner, struct admin_request *request);
int admin_sessions_end_one(void *owner, struct admin_request *request);
int admin_sessions_end(void *owner, struct admin_request *request);

/* Asks all workers and waits for them. 0; or the status of an error that was answered: one of them
 * is silent. */
int admin_sessions_ask(struct admin_actions *actions, struct admin_request *request,
                       struct inquiry *inquiry);

/* Answers that there is no such route, with the name that may have been meant. */
int admin_refuse_route(struct admin_actions *actions, struct admin_request *request,
                       const char *name);

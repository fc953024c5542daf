/* Lanes: one direction of a session. The states are drawn in session.h. */
#pragma once

#include "proxy/session.h"

/* Begins to read the source. Both sides are connected. */
void lane_start(struct lane *lane);

/* The sink is gone in good order: a lane that holds nothing reads on only to drop what comes. One
 * that holds bytes learns it from its own send. */
void lane_sink_gone(struct lane *lane);

/* Gives back the buffer it holds, if any. Nothing of it is in flight. */
void lane_deinit(struct lane *lane);

struct session *lane_session(struct lane *lane);

/* Lanes: one direction of a session. The states are drawn in session.h. */
#pragma once

#include "proxy/session.h"

/* Begins to read the source. Both sides are connected. */
void lane_start(struct lane *lane);

/* The sink is gone in good order: what the lane holds and what still comes is dropped. A lane that
 * waits for the sink would wait for ever: a vsock socket whose other end is gone with bytes unread
 * never tells. One that sends learns it from its send. */
void lane_sink_gone(struct lane *lane);

/* Sends again what memory was lacking for. No effect on a lane that does not wait for that. */
void lane_retry(struct lane *lane);

/* Gives back the buffer it holds, if any. Nothing of it is in flight. */
void lane_deinit(struct lane *lane);

struct session *lane_session(struct lane *lane);

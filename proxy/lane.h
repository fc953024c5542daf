/* Lanes: one direction of a session. The states are drawn in session.h.
 *
 * A lane has one of three ways to move bytes:
 *
 *   small   receives through the ring into buffers that all lanes of a worker share, and sends
 *           through the ring. Nothing is held while idle. Once LANE_FEW_MIN receives in a row have
 *           not filled their buffer the receive goes on by itself (ring_receive_on), else each is
 *           asked for: the kernel is not to run ahead with much.
 *   splice  waits until the source is readable, then moves bytes through a borrowed pipe
 *   copy    the same through a borrowed buffer
 *
 * In `auto` a lane begins small. LANE_FULL_MIN receives in a row that filled their buffer make it
 * move in bulk: splice between TCP and Unix sockets, else copy. LANE_QUIET_MAX waits in a row that
 * brought less than a buffer each make it small again. It changes its way only while it holds
 * nothing, so nothing is reordered; a bulk lane borrows as it begins to move and gives back when it
 * holds nothing, and where nothing can be borrowed it receives one buffer as a small lane does.
 *
 * Lanes with a bandwidth (pace.h) move in bulk always, and where nothing forces splice they copy.
 *
 * What a lane holds is bounded: LANE_PIPE_BYTES or LANE_COPY_BYTES in bulk; small, LANE_BUFFERS_MAX
 * and what the kernel ran ahead before it was stopped. A slow reader slows its writer and nothing
 * else. A bulk lane that has moved LANE_TURN_BYTES in a turn of the ring takes up no more; then
 * the others have theirs.
 */
#pragma once

#include "proxy/session.h"

/* Of the receive buffers of a worker. */
#define LANE_BUFFER_BYTES (16 * 1024)

/* The largest pipe that anybody may have: a quarter of it costs half as much again. A buffer that
 * stays in the second-level cache. What has been begun when the budget of a turn is used up is
 * finished. */
#define LANE_PIPE_BYTES (1024 * 1024)
#define LANE_COPY_BYTES (256 * 1024)
#define LANE_TURN_BYTES (256 * 1024)

#define LANE_LIMITS                                                       \
    {                                                                     \
        .buffer_bytes = LANE_BUFFER_BYTES, .pipe_bytes = LANE_PIPE_BYTES, \
        .copy_bytes = LANE_COPY_BYTES, .turn_bytes = LANE_TURN_BYTES      \
    }

#define LANE_BUFFERS_MAX 4
/* A receive that goes on may hold so many when it is stopped. Address space for all of them, and
 * memory for what is held: a blocked lane is not to starve another one. */
#define LANE_RUN_AHEAD_MAX (LANE_BUFFERS_MAX + 32)

#define LANE_FULL_MIN  2
#define LANE_FEW_MIN   8
#define LANE_QUIET_MAX 4

/* Begins to read the source. Both sides are connected. The session is still there on return, as it
 * is from lane_retry(). */
void lane_start(struct lane *lane);

/* The sink is gone in good order: what the lane holds and what still comes is dropped. A lane that
 * waits for the sink would wait for ever: a vsock socket whose other end is gone with bytes unread
 * never tells. One that sends learns it from its send. */
void lane_sink_gone(struct lane *lane);

/* Tries again what memory or buffers were lacking for. No effect on a lane that does not wait for
 * that. */
void lane_retry(struct lane *lane);

/* Gives back what it holds. Nothing of it is in flight. */
void lane_deinit(struct lane *lane);

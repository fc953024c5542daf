/* What lane.c and lane_bulk.c share: the small way, and the two that move in bulk. */
#pragma once

#include "proxy/lane.h"

/* Up to 6.6, vsock allocates what one send carries in one piece, which fails when memory is
 * fragmented. */
#define LANE_VSOCK_SEND_BYTES_MAX (32 * 1024)

struct session *lane_session(struct lane *lane);
struct side *lane_source(struct lane *lane);
struct side *lane_sink(struct lane *lane);

/* Moves bytes this way from now on. */
void lane_take_way(struct lane *lane, enum route_lane way);

/* Of a lane that holds nothing and whose receive is not in flight: goes on in its way. The session
 * may be gone on return. */
void lane_go_on(struct lane *lane);

/* Receives one buffer through the ring, or as many as come. */
void lane_receive_one(struct lane *lane);
void lane_receive(struct lane *lane);

/* While it holds bytes or waits for tokens, and its receive does not go on, only a watch tells that
 * the source broke. */
void lane_watch_source(struct lane *lane);

/* What a receive or a send of any way came to, when it moved nothing. The session may be gone on
 * return. */
void lane_end_of_file(struct lane *lane);
void lane_receive_failed(struct lane *lane, int error);
void lane_send_failed(struct lane *lane, int error);

/* Splice and copy: waits for the source; and moves what there is. The session may be gone on
 * return of the latter. */
void lane_bulk_wait(struct lane *lane);
void lane_bulk_move(struct lane *lane);

/* Which way a lane that wants to move in bulk has. */
bool lane_bulk_wanted(struct lane *lane);
void lane_bulk_choose(struct lane *lane);
void lane_bulk_give_back(struct lane *lane);

/* What becomes of a connection that a worker has accepted: the worker with the fewest sessions
 * begins one for it; or it is kept until there is room, of the worker or where its route lets wait;
 * or it is refused.
 *
 * Few are kept: a listener stops accepting while there is no room, or while one of its own is kept.
 * Called by the worker's own thread.
 */
#pragma once

#include "proxy/worker.h"

/* Callbacks of listeners; the owner is the worker. */
listener_accepted arrivals_accepted;
listener_room arrivals_room;

/* One that another worker accepted. */
void arrivals_begin(struct worker *worker, const struct arrival *arrival);

/* Begins what was kept, as far as there is room; where the worker is ENDING, resets it. Then
 * listeners go on. */
void arrivals_go_on(struct worker *worker);

/* A session has ended. */
void arrivals_released(struct worker *worker);

/* What was kept of an opening is of another one. */
void arrivals_replace(struct worker *worker, const struct opening *opening,
                      struct opening *replacement);

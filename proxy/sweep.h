/* What sessions have a time for: how long one may last, be without a byte, be half-closed; and when
 * a guest is asked whether it is still there.
 *
 * One timer for all sessions of a worker: it sweeps over them when the earliest of these times has
 * come, and not much more often than a few dozen times in any of them. Each thing happens when its
 * time is over, never before, and by a fortieth of it, or 50 ms, too late at most. So a
 * session has a number for when it moved something, and no timer of its own.
 */
#pragma once

#include "proxy/session.h"

/* The session has handed something on. */
void sweep_put_off(struct session *session);

/* It began, relays or is half-closed from now on: a time may have become nearer. */
void sweep_attend(struct session *session);

/* Room for sessions: the limits of how many there are and how many begin in a second, of a route,
 * of the guests at its ends, and over all. Never more than a limit, over all workers.
 *
 * Who finds no room and waits leaves his mark where it was lacking: who makes room there is told
 * which workers to wake. Of any thread.
 */
#pragma once

#include "proxy/opening.h"
#include "proxy/reason.h"

#include <stddef.h>

/* Which limits are meant. */
enum {
    ROOM_OVER_ALL = 1 << 0, /* [global] max-rate */
    /* of the route, the guest that connects, and that of its target where it has only one */
    ROOM_OF_OPENING = 1 << 1,
};

/* Workers, by their number modulo 64. */
typedef uint64_t room_workers;

/* What an accepted connection waits for, where there is no room. */
unsigned room_waits_for(const struct opening *opening);

/* A session more, at `now_ns` of a monotonic clock. REASON_NONE; or the limit that it exceeds, none
 * is counted, *ret_guest is the guest whose limit it is (NULL: none's), and *ret_wake is to be
 * woken.
 */
enum reason room_enter(const struct opening *opening, unsigned limits, uint64_t now_ns,
                       struct guest_use **ret_guest, room_workers *ret_wake);

/* It has ended. Returns who is to be woken. */
room_workers room_leave(const struct opening *opening, unsigned limits);

/* It did not begin after all: counts for no rate either. */
room_workers room_give_back(const struct opening *opening, unsigned limits);

/* The same of one guest alone. Without one (NULL, both) there is always room. */
enum reason room_enter_guest(struct guest_use *use, const struct guest *guest, uint64_t now_ns);
room_workers room_leave_guest(struct guest_use *use);

/* How many more sessions may begin; SIZE_MAX: any number. */
size_t room_count(const struct opening *opening, unsigned limits, uint64_t now_ns);

/* The worker waits for room. Returns how much there is all the same; 0: it is woken when there may
 * be some, and *ret_next_ns is when time makes some (0: it does not). */
size_t room_await(const struct opening *opening, unsigned limits, unsigned worker, uint64_t now_ns,
                  uint64_t *ret_next_ns);

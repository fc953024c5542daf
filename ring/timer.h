/* Deadlines kept in user space: one kernel wait serves them all, arming and disarming cost no
 * system call.
 *
 * A pairing heap of embedded nodes: nothing is allocated. Times are nanoseconds of CLOCK_MONOTONIC.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ring_timer;

/* Called once when the deadline has passed; the timer is disarmed before, and may be armed again or
 * freed by the handler. */
typedef void ring_timer_handler(struct ring_timer *timer);

struct ring_timer {
    ring_timer_handler *handler;
    uint64_t deadline_ns;
    struct ring_timer *child;
    struct ring_timer *next;
    struct ring_timer **link; /* the pointer that points here; NULL: not armed */
};

struct ring_timers {
    struct ring_timer *root;
};

void ring_timers_arm(struct ring_timers *timers, struct ring_timer *timer, uint64_t deadline_ns,
                     ring_timer_handler *handler);

/* No effect on a timer that is not armed. */
void ring_timers_disarm(struct ring_timers *timers, struct ring_timer *timer);

bool ring_timer_armed(const struct ring_timer *timer);

/* The earliest deadline; UINT64_MAX where none is armed. */
uint64_t ring_timers_next(const struct ring_timers *timers);

/* Calls the handler of every timer whose deadline is at or before now_ns, earliest first. */
void ring_timers_expire(struct ring_timers *timers, uint64_t now_ns);

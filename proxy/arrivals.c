/* Room is taken in this order: of the worker, then where the route lets wait. */
#include "proxy/arrivals.h"

#include "proxy/log.h"
#include "proxy/room.h"
#include "proxy/workers.h"
#include "ring/socket.h"

#include <stdlib.h>

/* Where time makes room, nobody looks for it more often. */
#define WAIT_NS_MIN UINT64_C(1000000)

static void tell_refused(const struct arrival *arrival)
{
    log_of("ROUTE", arrival->opening->route->name, LOG_WARNING,
           "route %s: a connection was refused, and more may be: no room for another session",
           arrival->opening->route->name);
}

static void time_passed(struct ring_timer *timer)
{
    arrivals_go_on((void *)((char *)timer - offsetof(struct worker, room_timer)));
}

static void go_on_at(struct worker *worker, uint64_t at_ns)
{
    struct ring_timer *timer = &worker->room_timer;
    uint64_t soonest_ns = ring_now_ns(worker->ring) + WAIT_NS_MIN;

    if (at_ns < soonest_ns)
        at_ns = soonest_ns;
    if (ring_timer_armed(timer) && worker->room_ns <= at_ns)
        return;
    ring_timer_disarm(worker->ring, timer);
    worker->room_ns = at_ns;
    ring_timer_arm(worker->ring, timer, at_ns, time_passed);
}

/* How much room there is; 0: the worker hears of it when there may be some. */
static size_t await(struct worker *worker, const struct opening *opening)
{
    unsigned limits = room_waits_for(opening);
    uint64_t now_ns = ring_now_ns(worker->ring);
    uint64_t next_ns = 0;
    size_t count = room_count(opening, limits, now_ns);

    if (count == 0)
        count = room_await(opening, limits, worker->sessions.worker, now_ns, &next_ns);
    if (count == 0 && next_ns)
        go_on_at(worker, next_ns);
    return count;
}

static bool keeps_of(const struct worker *worker, const struct opening *opening)
{
    const struct kept *kept = worker->kept;

    while (kept && kept->arrival.opening != opening)
        kept = kept->next;
    return kept;
}

size_t arrivals_room(void *owner, const struct opening *opening)
{
    struct worker *worker = owner;
    size_t load = atomic_load(&worker->load);
    size_t own = load < worker->sessions_max ? worker->sessions_max - load : 0;

    if (own == 0 || opening_never_lets_wait(opening))
        return own;
    if (keeps_of(worker, opening))
        return 0;
    size_t count = await(worker, opening);
    return count < own ? count : own;
}

static enum reason enter(struct worker *worker, struct arrival *arrival)
{
    unsigned limits = room_waits_for(arrival->opening);
    struct guest_use *guest;
    room_workers woken;

    enum reason reason =
        room_enter(arrival->opening, limits, ring_now_ns(worker->ring), &guest, &woken);
    arrival->counted = reason == REASON_NONE && limits & ROOM_OF_OPENING;
    workers_wake(worker->workers, woken);
    return reason;
}

/* false: there is no room. */
static bool enter_or_await(struct worker *worker, struct arrival *arrival)
{
    do
        if (enter(worker, arrival) == REASON_NONE)
            return true;
    while (await(worker, arrival->opening) > 0);
    return false;
}

/* It has begun nowhere. */
static void leave(struct worker *worker, const struct arrival *arrival)
{
    workers_wake(
        worker->workers,
        room_give_back(arrival->opening, ROOM_OVER_ALL | (arrival->counted ? ROOM_OF_OPENING : 0)));
}

void arrivals_begin(struct worker *worker, const struct arrival *arrival)
{
    if (worker->state == WORKER_ENDING) {
        ring_socket_reset(arrival->fd);
        leave(worker, arrival);
        atomic_fetch_sub(&worker->load, 1);
        return;
    }
    if (sessions_start(&worker->sessions, arrival) == 0)
        return;
    leave(worker, arrival);
    atomic_fetch_sub(&worker->load, 1);
    tell_refused(arrival);
}

static void refuse(struct worker *worker, const struct arrival *arrival)
{
    ring_socket_reset(arrival->fd);
    if (!worker->refuses)
        tell_refused(arrival);
    worker->refuses = true;
}

static void keep(struct worker *worker, const struct arrival *arrival)
{
    struct kept *kept = opening_never_lets_wait(arrival->opening) ? NULL : malloc(sizeof(*kept));

    if (!kept) {
        refuse(worker, arrival);
        return;
    }
    *kept = (struct kept){.arrival = *arrival};
    opening_ref(arrival->opening);
    struct kept **link = &worker->kept;
    while (*link)
        link = &(*link)->next;
    *link = kept;
    worker->kept_count++;
}

/* Its load is the worker's. false: it found no room, and has none of the worker either. */
static bool begin_counted(struct worker *worker, struct worker *chosen, struct arrival *arrival)
{
    if (!enter_or_await(worker, arrival)) {
        atomic_fetch_sub(&chosen->load, 1);
        if (chosen != worker)
            mailbox_wake(&chosen->mailbox);
        return false;
    }
    if (chosen == worker) {
        arrivals_begin(worker, arrival);
        return true;
    }
    if (mailbox_post(&chosen->mailbox, arrival))
        return true;
    leave(worker, arrival);
    atomic_fetch_sub(&chosen->load, 1);
    return false;
}

void arrivals_accepted(void *owner, const struct arrival *accepted)
{
    struct worker *worker = owner;
    struct worker *chosen = workers_choose(worker->workers, worker);
    struct arrival arrival = *accepted;

    if (keeps_of(worker, arrival.opening)) {
        keep(worker, &arrival);
        return;
    }
    if (chosen != worker && worker_reserve(chosen) && begin_counted(worker, chosen, &arrival))
        return;
    if (worker_reserve(worker) && begin_counted(worker, worker, &arrival))
        return;
    arrival.counted = false;
    keep(worker, &arrival);
}

/* The next that is not to wait, no longer kept; NULL: none. Its load is counted, as its room is. */
static struct kept *take_kept(struct worker *worker)
{
    for (struct kept **link = &worker->kept; *link; link = &(*link)->next) {
        struct kept *kept = *link;
        if (!worker_reserve(worker))
            return NULL;
        if (worker->state == WORKER_ENDING || enter_or_await(worker, &kept->arrival)) {
            *link = kept->next;
            worker->kept_count--;
            return kept;
        }
        atomic_fetch_sub(&worker->load, 1);
    }
    return NULL;
}

void arrivals_go_on(struct worker *worker)
{
    struct kept *kept;

    while ((kept = take_kept(worker))) {
        arrivals_begin(worker, &kept->arrival);
        opening_unref(kept->arrival.opening);
        free(kept);
    }
    if (worker->state != WORKER_RUNNING)
        return;
    for (struct listener *listener = worker->listeners; listener; listener = listener->next)
        listener_resume(listener);
}

void arrivals_released(struct worker *worker)
{
    bool was_full = atomic_fetch_sub(&worker->load, 1) == worker->sessions_max;

    worker->refuses = false;
    if (was_full || worker->kept)
        arrivals_go_on(worker);
}

void arrivals_replace(struct worker *worker, const struct opening *opening,
                      struct opening *replacement)
{
    for (struct kept *kept = worker->kept; kept; kept = kept->next) {
        if (kept->arrival.opening != opening)
            continue;
        opening_unref(kept->arrival.opening);
        kept->arrival.opening = opening_ref(replacement);
    }
}

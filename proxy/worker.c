/* The life of a worker. */
#include "proxy/worker.h"

#include "proxy/arrivals.h"
#include "proxy/log.h"
#include "proxy/session_log.h"
#include "proxy/workers.h"
#include "ring/socket.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

static void resume_listeners(struct worker *worker)
{
    for (struct listener *listener = worker->listeners; listener; listener = listener->next)
        listener_resume(listener);
}

static void released(void *owner)
{
    arrivals_released(owner);
}

static void made_room(void *owner, uint64_t workers)
{
    struct worker *worker = owner;

    workers_wake(worker->workers, workers);
}

static void ended(void *owner, const struct session *session)
{
    session_log_end(session);
}

static void target(void *owner, const struct session *session, enum reason reason, int error)
{
    session_log_target(session, reason, error);
}

static const struct sessions_events events = {
    .ended = ended,
    .target = target,
    .released = released,
    .made_room = made_room,
};

bool worker_reserve(struct worker *worker)
{
    size_t load = atomic_load(&worker->load);

    while (load < worker->sessions_max)
        if (atomic_compare_exchange_weak(&worker->load, &load, load + 1))
            return true;
    return false;
}

static void obey(struct worker *worker, enum mailbox_order order)
{
    if (order == MAILBOX_ACCEPT && worker->state == WORKER_WAITING) {
        worker->state = WORKER_RUNNING;
        resume_listeners(worker);
    }
    if (order >= MAILBOX_DRAIN && worker->state <= WORKER_RUNNING)
        worker->state = WORKER_DRAINING;
    if (order == MAILBOX_END && worker->state == WORKER_DRAINING) {
        worker->state = WORKER_ENDING;
        arrivals_go_on(worker);
        sessions_stop_all(&worker->sessions, REASON_DRAIN_TIMEOUT);
    }
}

/* Takes what the change holds. */
static void listen_on(struct worker *worker, struct mailbox_change *change)
{
    struct listener *listener = calloc(1, sizeof(*listener));
    struct listener_options options = {
        .ring = worker->ring,
        .opening = change->opening,
        .bound = change->bound,
        .accepted = arrivals_accepted,
        .room = arrivals_room,
        .owner = worker,
    };

    if (!listener || worker->state > WORKER_RUNNING) {
        if (!listener)
            log_error("route %s: cannot listen: out of memory", change->opening->route->name);
        free(listener);
        mailbox_change_drop(change);
        return;
    }
    listener_init(listener, &options);
    listener->next = worker->listeners;
    worker->listeners = listener;
    checks_attend(&worker->checks, change->opening);
    if (worker->state == WORKER_RUNNING)
        listener_resume(listener);
}

/* The listeners of an opening are to go; NULL: all. */
static void close_listeners(struct worker *worker, const struct opening *opening)
{
    struct listener **link = &worker->listeners;

    while (*link) {
        struct listener *listener = *link;
        if (opening && listener->opening != opening) {
            link = &listener->next;
            continue;
        }
        *link = listener->next;
        checks_leave(&worker->checks, listener->opening);
        listener->next = worker->closing;
        worker->closing = listener;
    }
}

static void replace_opening(struct worker *worker, const struct mailbox_change *change)
{
    for (struct listener *listener = worker->listeners; listener; listener = listener->next) {
        if (listener->opening != change->opening)
            continue;
        checks_attend(&worker->checks, change->replacement);
        checks_leave(&worker->checks, listener->opening);
        opening_unref(listener->opening);
        listener->opening = opening_ref(change->replacement);
    }
    arrivals_replace(worker, change->opening, change->replacement);
    arrivals_go_on(worker);
}

/* Whether those that were to go have gone. */
static bool listeners_closed(struct worker *worker)
{
    struct listener **link = &worker->closing;

    while (*link) {
        struct listener *listener = *link;
        if (!listener_stop(listener)) {
            link = &listener->next;
            continue;
        }
        *link = listener->next;
        free(listener);
    }
    return !worker->closing;
}

static void change(struct worker *worker, struct mailbox_change *change)
{
    switch (change->kind) {
    case MAILBOX_OPEN: listen_on(worker, change); break;
    case MAILBOX_REPLACE:
        replace_opening(worker, change);
        mailbox_change_drop(change);
        break;
    case MAILBOX_CLOSE:
        close_listeners(worker, change->opening);
        mailbox_change_drop(change);
        break;
    case MAILBOX_END_GUEST:
        sessions_stop_guest(&worker->sessions, change->guest, REASON_GUEST_FROZEN);
        mailbox_change_drop(change);
        break;
    case MAILBOX_ASK: answering_take(&worker->answering, change->part); break;
    }
}

static void take_changes(struct worker *worker)
{
    size_t count;
    struct mailbox_change *changes = mailbox_take_changes(&worker->mailbox, &count);

    for (size_t i = 0; i < count; i++)
        change(worker, &changes[i]);
    free(changes);
}

static void mail_came(struct ring_op *op, int result, unsigned flags)
{
    struct worker *worker = (void *)((char *)op - offsetof(struct worker, mail));
    enum mailbox_order order;
    struct arrival arrival;

    if (result == -ECANCELED)
        return;
    while (mailbox_take(&worker->mailbox, &arrival, &order)) {
        arrivals_begin(worker, &arrival);
        opening_unref(arrival.opening);
    }
    if (mailbox_take_ask_closed(&worker->mailbox))
        worker->asked_closed = true;
    take_changes(worker);
    obey(worker, order);
    if (mailbox_take_wake(&worker->mailbox))
        arrivals_go_on(worker);
    if (mailbox_take_ping(&worker->mailbox))
        workers_alive(worker);
    ring_poll(worker->ring, &worker->mail, mail_came, worker->mailbox.event, POLLIN);
}

int worker_init(struct worker *worker, const struct worker_options *options)
{
    worker->workers = options->workers;
    worker->sessions_max = options->sessions_max;
    int error = ring_new(&worker->ring, &options->ring);
    worker->refused = error < 0;
    if (error < 0)
        return error;
    error = resolver_new(&worker->resolver, worker->ring);
    if (error < 0) {
        ring_free(worker->ring);
        worker->ring = NULL;
        return error;
    }
    sessions_init(&worker->sessions, worker->ring, worker->resolver, options->sessions_max, &events,
                  worker);
    worker->sessions.worker = options->index;
    answering_init(&worker->answering, &worker->sessions);
    if (options->index == 0)
        worker->checks = (struct checks){.ring = worker->ring, .resolver = worker->resolver};
    worker->sessions.pool.pipes_max = options->pipes_max;
    worker->sessions.numbers = workers_numbers(worker->workers);
    ring_poll(worker->ring, &worker->mail, mail_came, worker->mailbox.event, POLLIN);
    showing_update(worker);
    return 0;
}

static void cancelled(struct ring_op *op, int result, unsigned flags)
{
}

static bool mail_stopped(struct worker *worker)
{
    if (worker->mail.in_flight && !worker->cancel.in_flight)
        ring_cancel(worker->ring, &worker->cancel, cancelled, worker->mailbox.event);
    return !worker->mail.in_flight && !worker->cancel.in_flight;
}

/* Whether all is at rest; asks what is not yet to come to rest. Another worker may hand over a
 * connection for as long as it accepts: what comes once this one is ENDING is closed, at the latest
 * with the mailbox. */
static bool at_rest(struct worker *worker)
{
    if (worker->state > WORKER_RUNNING)
        close_listeners(worker, NULL);
    bool stopped = listeners_closed(worker);
    if (stopped && worker->asked_closed) {
        worker->asked_closed = false;
        workers_closed(worker);
    }
    if (worker->state <= WORKER_RUNNING)
        return false;
    if (stopped && !worker->deaf) {
        worker->deaf = true;
        workers_deaf(worker);
    }
    if (sessions_count(&worker->sessions) > 0 || worker->kept)
        return false;
    if (worker->state == WORKER_DRAINING && atomic_load(&worker->load) > 0)
        return false;
    worker->state = WORKER_ENDING;
    mailbox_close(&worker->mailbox);
    ring_timer_disarm(worker->ring, &worker->room_timer);
    bool resolver_stopped = resolver_stop(worker->resolver);
    return mail_stopped(worker) && resolver_stopped && stopped && checks_at_rest(&worker->checks);
}

int worker_run(struct worker *worker)
{
    while (!at_rest(worker)) {
        int error = ring_turn(worker->ring);
        if (error < 0)
            return error;
        showing_update(worker);
    }
    return 0;
}

void worker_deinit(struct worker *worker)
{
    answering_end(&worker->answering);
    sessions_deinit(&worker->sessions);
    resolver_free(worker->resolver);
    ring_free(worker->ring);
}

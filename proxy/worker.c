/* The life of a worker. */
#include "proxy/worker.h"

#include "proxy/log.h"
#include "proxy/session_log.h"
#include "proxy/tcp_options.h"
#include "proxy/workers.h"
#include "ring/socket.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

/* Listeners stop accepting when there is no room left; those that lack descriptors try again by
 * themselves. */
static void released(void *owner)
{
    struct worker *worker = owner;

    if (atomic_fetch_sub(&worker->load, 1) != worker->sessions_max)
        return;
    for (size_t i = 0; i < worker->listener_count; i++)
        listener_resume(&worker->listeners[i]);
}

static void ended(void *owner, const struct session *session)
{
    session_log_end(session);
}

static const struct sessions_events events = {.ended = ended, .released = released};

/* Its load has been counted. */
static void begin_session(struct worker *worker, const struct arrival *arrival)
{
    if (worker->state == WORKER_ENDING) {
        ring_socket_reset(arrival->fd);
        atomic_fetch_sub(&worker->load, 1);
        return;
    }
    if (sessions_start(&worker->sessions, arrival) == 0)
        return;
    atomic_fetch_sub(&worker->load, 1);
    log_line("route %s: a connection was refused: no room for another session",
             arrival->route->name);
}

bool worker_reserve(struct worker *worker)
{
    size_t load = atomic_load(&worker->load);

    while (load < worker->sessions_max)
        if (atomic_compare_exchange_weak(&worker->load, &load, load + 1))
            return true;
    return false;
}

static size_t room(void *owner)
{
    struct worker *worker = owner;
    size_t load = atomic_load(&worker->load);

    return load < worker->sessions_max ? worker->sessions_max - load : 0;
}

/* Each listener may have accepted one when the last room was taken: its slot is there. */
static void keep(struct worker *worker, const struct arrival *arrival)
{
    atomic_fetch_add(&worker->load, 1);
    begin_session(worker, arrival);
}

static void accepted(void *owner, const struct arrival *arrival)
{
    struct worker *worker = owner;
    struct worker *other = workers_choose(worker->workers, worker);

    if (other == worker || !worker_reserve(other)) {
        keep(worker, arrival);
    } else if (!mailbox_post(&other->mailbox, arrival)) {
        atomic_fetch_sub(&other->load, 1);
        keep(worker, arrival);
    }
}

static void obey(struct worker *worker, enum mailbox_order order)
{
    if (order == MAILBOX_ACCEPT && worker->state == WORKER_WAITING) {
        worker->state = WORKER_RUNNING;
        for (size_t i = 0; i < worker->listener_count; i++)
            listener_resume(&worker->listeners[i]);
    }
    if (order >= MAILBOX_DRAIN && worker->state <= WORKER_RUNNING)
        worker->state = WORKER_DRAINING;
    if (order == MAILBOX_END && worker->state == WORKER_DRAINING) {
        worker->state = WORKER_ENDING;
        sessions_stop_all(&worker->sessions, REASON_DRAIN_TIMEOUT);
    }
}

static void mail_came(struct ring_op *op, int result, unsigned flags)
{
    struct worker *worker = (void *)((char *)op - offsetof(struct worker, mail));
    enum mailbox_order order;
    struct arrival arrival;

    if (result == -ECANCELED)
        return;
    while (mailbox_take(&worker->mailbox, &arrival, &order))
        begin_session(worker, &arrival);
    obey(worker, order);
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
    worker->listeners = calloc(options->listener_max, sizeof(struct listener));
    error = worker->listeners ? resolver_new(&worker->resolver, worker->ring) : -ENOMEM;
    if (error < 0) {
        free(worker->listeners);
        ring_free(worker->ring);
        worker->ring = NULL;
        return error;
    }
    sessions_init(&worker->sessions, worker->ring, worker->resolver,
                  options->sessions_max + options->listener_max, &events, worker);
    worker->sessions.shares = workers_count(worker->workers);
    worker->sessions.pool.pipes_max = options->pipes_max;
    worker->sessions.numbers = workers_numbers(worker->workers);
    ring_poll(worker->ring, &worker->mail, mail_came, worker->mailbox.event, POLLIN);
    return 0;
}

void worker_listen(struct worker *worker, const struct route *route,
                   const struct route_listen *listen, const struct bound *bound)
{
    struct listener_options options = {
        .ring = worker->ring,
        .route = route,
        .listen = listen,
        .bound = *bound,
        .accepted = accepted,
        .room = room,
        .owner = worker,
    };
    listener_init(&worker->listeners[worker->listener_count++], &options);
}

static bool listeners_stopped(struct worker *worker)
{
    bool stopped = true;
    for (size_t i = 0; i < worker->listener_count; i++)
        stopped = listener_stop(&worker->listeners[i]) && stopped;
    return stopped;
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
    if (worker->state <= WORKER_RUNNING)
        return false;
    bool stopped = listeners_stopped(worker);
    if (stopped && !worker->deaf) {
        worker->deaf = true;
        workers_deaf(worker);
    }
    if (sessions_count(&worker->sessions) > 0)
        return false;
    if (worker->state == WORKER_DRAINING && atomic_load(&worker->load) > 0)
        return false;
    worker->state = WORKER_ENDING;
    mailbox_close(&worker->mailbox);
    bool resolver_stopped = resolver_stop(worker->resolver);
    return mail_stopped(worker) && resolver_stopped && stopped;
}

int worker_run(struct worker *worker)
{
    while (!at_rest(worker)) {
        int error = ring_turn(worker->ring);
        if (error < 0)
            return error;
    }
    return 0;
}

void worker_deinit(struct worker *worker)
{
    sessions_deinit(&worker->sessions);
    resolver_free(worker->resolver);
    ring_free(worker->ring);
    free(worker->listeners);
}

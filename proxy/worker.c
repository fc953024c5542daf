/* The life of a worker. */
#include "proxy/worker.h"

#include "proxy/log.h"
#include "proxy/session_log.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Listeners stop accepting when there is no room left; those that lack descriptors try again by
 * themselves. */
static void released(void *owner)
{
    struct worker *worker = owner;

    if (sessions_room(&worker->sessions) != 1)
        return;
    for (size_t i = 0; i < worker->listener_count; i++)
        listener_resume(&worker->listeners[i]);
}

static void ended(void *owner, const struct session *session)
{
    session_log_end(session);
}

static const struct sessions_events events = {.ended = ended, .released = released};

static void end_sessions(struct worker *worker)
{
    worker->state = WORKER_ENDING;
    ring_timer_disarm(worker->ring, &worker->drain);
    sessions_stop_all(&worker->sessions, REASON_DRAIN_TIMEOUT);
}

static void drain_over(struct ring_timer *timer)
{
    struct worker *worker = (void *)((char *)timer - offsetof(struct worker, drain));

    log_line("stopping: drain-timeout is over, %zu sessions are ended",
             sessions_count(&worker->sessions));
    end_sessions(worker);
}

static void stop(struct worker *worker)
{
    switch (worker->state) {
    case WORKER_RUNNING:
        worker->state = WORKER_DRAINING;
        log_line("stopping: no longer listening, %zu sessions may finish",
                 sessions_count(&worker->sessions));
        ring_timer_arm(worker->ring, &worker->drain,
                       ring_now_ns(worker->ring) + worker->drain_timeout_ns, drain_over);
        break;
    case WORKER_DRAINING:
        log_line("stopping at once: %zu sessions are ended", sessions_count(&worker->sessions));
        end_sessions(worker);
        break;
    case WORKER_ENDING: break;
    }
}

static void signalled(struct ring_op *op, int result, unsigned flags)
{
    struct worker *worker = (void *)((char *)op - offsetof(struct worker, signal));
    struct signalfd_siginfo info;

    if (result == -ECANCELED)
        return;
    while (read(worker->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
        stop(worker);
    ring_poll(worker->ring, &worker->signal, signalled, worker->signals, POLLIN);
}

int worker_init(struct worker *worker, const struct worker_options *options)
{
    *worker = (struct worker){
        .ring = options->ring,
        .drain_timeout_ns = options->drain_timeout_ns,
        .signals = options->signals,
        .listener_max = options->listener_max,
        .listeners = calloc(options->listener_max, sizeof(struct listener)),
    };
    int error = worker->listeners ? resolver_new(&worker->resolver, worker->ring) : -ENOMEM;
    if (error < 0) {
        free(worker->listeners);
        ring_free(worker->ring);
        close(worker->signals);
        return error;
    }
    sessions_init(&worker->sessions, worker->ring, worker->resolver,
                  options->sessions_max + options->listener_max, &events, worker);
    worker->sessions.spare = options->listener_max;
    ring_poll(worker->ring, &worker->signal, signalled, worker->signals, POLLIN);
    return 0;
}

void worker_listen(struct worker *worker, const struct route *route, uint32_t peer_cid,
                   const struct bound *bound)
{
    listener_start(&worker->listeners[worker->listener_count++], &worker->sessions, route, peer_cid,
                   bound);
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

static bool signals_stopped(struct worker *worker)
{
    if (worker->signal.in_flight && !worker->cancel.in_flight)
        ring_cancel(worker->ring, &worker->cancel, cancelled, worker->signals);
    return !worker->signal.in_flight && !worker->cancel.in_flight;
}

/* Whether all is at rest; asks what is not yet to come to rest. */
static bool at_rest(struct worker *worker)
{
    if (worker->state == WORKER_RUNNING)
        return false;
    bool stopped = listeners_stopped(worker);
    if (sessions_count(&worker->sessions) > 0)
        return false;
    if (worker->state == WORKER_DRAINING)
        end_sessions(worker);
    bool resolver_stopped = resolver_stop(worker->resolver);
    return signals_stopped(worker) && resolver_stopped && stopped;
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
    close(worker->signals);
}

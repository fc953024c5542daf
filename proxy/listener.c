/* Accepting. */
#include "proxy/listener.h"

#include "proxy/admission.h"
#include "proxy/log.h"
#include "proxy/tcp_options.h"
#include "proxy/turned_away.h"
#include "ring/socket.h"
#include "ring/verdict.h"

#include <string.h>

static void accepted(struct ring_op *op, int result, unsigned flags);

static struct ring *ring_of(const struct listener *listener)
{
    return listener->ring;
}

static bool has_room(const struct listener *listener)
{
    return listener->room(listener->owner, listener->opening) > 0;
}

static bool has_room_to_run_ahead(const struct listener *listener)
{
    return listener->room(listener->owner, listener->opening) >
           ring_completions_max(ring_of(listener));
}

static void arm(struct listener *listener)
{
    if (listener->stopping || listener->accept.in_flight || ring_timer_armed(&listener->pause) ||
        (!has_room(listener) && !opening_never_lets_wait(listener->opening)))
        return;
    listener->multishot = has_room_to_run_ahead(listener);
    ring_accept(ring_of(listener), &listener->accept, accepted, listener->bound.fd,
                listener->multishot);
}

static void cancel(struct listener *listener)
{
    if (listener->accept.in_flight)
        ring_stop(ring_of(listener), &listener->accept);
}

static void pause_over(struct ring_timer *timer)
{
    arm((void *)((char *)timer - offsetof(struct listener, pause)));
}

static void pause_accepting(struct listener *listener, int error)
{
    if (!listener->paused)
        log_of("ROUTE", listener->opening->route->name, LOG_WARNING,
               "route %s: accepting paused: %s; connections wait in the backlog",
               listener->opening->route->name, strerror(-error));
    listener->paused = true;
    ring_timer_arm(ring_of(listener), &listener->pause,
                   ring_now_ns(ring_of(listener)) + LISTENER_PAUSE_NS, pause_over);
}

static void tell_turned_away(struct ring_timer *timer)
{
    struct listener *listener = (void *)((char *)timer - offsetof(struct listener, telling));
    uint64_t next_ns = turned_away_tell(ring_now_ns(ring_of(listener)));

    if (next_ns)
        ring_timer_arm(ring_of(listener), timer, next_ns, tell_turned_away);
}

static void turn_away(struct listener *listener, int fd, const char *from)
{
    const char *route = listener->opening->route->name;
    struct route_use *use = listener->opening->use;
    uint64_t now_ns = ring_now_ns(ring_of(listener));
    uint64_t next_ns = *from ? turned_away_note(route, from, now_ns) : 0;

    if (use && *from)
        atomic_fetch_add(&use->turned_away, 1);
    if (next_ns && !ring_timer_armed(&listener->telling))
        ring_timer_arm(ring_of(listener), &listener->telling, next_ns, tell_turned_away);
    ring_socket_reset(fd);
}

static void welcome(struct listener *listener, int fd)
{
    char from[ADMISSION_TEXT_BYTES];

    if (listener->stopping) {
        ring_socket_reset(fd);
        return;
    }
    if (!admission_grants(listener->opening, listener->bound.transport, fd, from)) {
        turn_away(listener, fd, from);
        return;
    }
    if (listener->bound.inherited && listener->bound.transport == TRANSPORT_TCP)
        tcp_options_close_reset(fd);
    if (listener->paused)
        log_of("ROUTE", listener->opening->route->name, LOG_INFO, "route %s: accepting again",
               listener->opening->route->name);
    listener->paused = false;
    struct arrival arrival = {
        .opening = listener->opening,
        .fd = fd,
        .fd_write = fd,
        .transport = listener->bound.transport,
    };
    listener->accepted(listener->owner, &arrival);
}

static void accepted(struct ring_op *op, int result, unsigned flags)
{
    struct listener *listener = (void *)((char *)op - offsetof(struct listener, accept));

    switch (ring_accept_verdict(result)) {
    case RING_OK: welcome(listener, result); break;
    case RING_STOPPED:
    case RING_RETRY: break;
    default:
        if (!listener->stopping)
            pause_accepting(listener, result);
        break;
    }
    if (!(flags & RING_MORE))
        arm(listener);
    else if (!has_room_to_run_ahead(listener))
        cancel(listener);
}

void listener_init(struct listener *listener, const struct listener_options *options)
{
    *listener = (struct listener){
        .ring = options->ring,
        .opening = options->opening,
        .bound = options->bound,
        .accepted = options->accepted,
        .room = options->room,
        .owner = options->owner,
    };
}

void listener_resume(struct listener *listener)
{
    ring_timer_disarm(ring_of(listener), &listener->pause);
    arm(listener);
}

bool listener_stop(struct listener *listener)
{
    listener->stopping = true;
    ring_timer_disarm(ring_of(listener), &listener->pause);
    if (ring_timer_armed(&listener->telling))
        turned_away_forget(listener->opening->route->name);
    ring_timer_disarm(ring_of(listener), &listener->telling);
    cancel(listener);
    if (listener->accept.in_flight)
        return false;
    if (listener->bound.fd >= 0) {
        bound_close(&listener->bound);
        opening_unref(listener->opening);
    }
    return true;
}

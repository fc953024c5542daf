/* Looking for idle sessions: what is idle for too long ends, and what may have lost its guest asks.
 *
 * One timer for all: it sweeps over them a few times in the shortest of the times that their routes
 * name. So a session has a number for it, and no timer of its own.
 */
#include "proxy/session_use.h"

#include "ring/socket.h"

#include <linux/vm_sockets.h>

/* What is to be told after some time is looked at so often in it, and at most so often in all. */
#define LOOKS_PER_TIME 4
#define LOOKS_MAX      30000 /* twice as many where the sweeps do not divide its period */

/* A new buffer size is told to the other end at once, as a credit update (af_vsock.c,
 * vsock_update_buffer_size(); the size must differ). A kernel that knows nothing of the connection,
 * as a guest that was booted anew, answers with a reset. It only grows, as credit that was given is
 * not to be taken back. */
static void ask_peer(int fd)
{
    uint64_t bytes;

    if (ring_socket_get(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &bytes, sizeof(bytes)) < 0)
        return;
    bytes++;
    ring_socket_set(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, &bytes, sizeof(bytes));
    ring_socket_set(fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &bytes, sizeof(bytes));
}

static void shorten(uint64_t *ret_ns, uint64_t time_ns)
{
    if (time_ns > 0 && (*ret_ns == 0 || time_ns < *ret_ns))
        *ret_ns = time_ns;
}

/* How long it is from one look at a session of this route to the next; 0: there is none. */
static uint64_t period_ns(const struct route *route)
{
    uint64_t shortest_ns = 0;
    uint64_t least_ns = route->idle_timeout_ns / LOOKS_MAX;

    if (route->half_close_ns > route->idle_timeout_ns)
        least_ns = route->half_close_ns / LOOKS_MAX;
    shorten(&shortest_ns, route->idle_timeout_ns);
    shorten(&shortest_ns, route->half_close_ns);
    shorten(&shortest_ns, route->session_time_ns);
    shorten(&shortest_ns, route->guest_probe_ns);
    return shortest_ns / LOOKS_PER_TIME > least_ns ? shortest_ns / LOOKS_PER_TIME : least_ns;
}

static bool is_half_closed(const struct session *session)
{
    return session->lanes[0].state == LANE_ENDED || session->lanes[1].state == LANE_ENDED;
}

/* Of one that relays; REASON_NONE: it may go on. */
static enum reason find_end(const struct session *session, uint64_t quiet_ns)
{
    const struct route *route = session->opening->route;

    if (route->half_close_ns && is_half_closed(session) && quiet_ns >= route->half_close_ns)
        return REASON_HALF_CLOSE_TIMEOUT;
    if (route->idle_timeout_ns && quiet_ns >= route->idle_timeout_ns)
        return REASON_IDLE_TIMEOUT;
    return REASON_NONE;
}

static bool is_too_old(const struct session *session)
{
    uint64_t limit_ns = session->opening->route->session_time_ns;

    return limit_ns > 0 && session_use_age_ns(session) >= limit_ns;
}

uint64_t session_idle_ns(const struct session *session)
{
    uint64_t sweep_ns = session->sessions->sweep_ns;
    uint64_t every = sweep_ns ? period_ns(session->opening->route) / sweep_ns : 0;

    if (every == 0 || session->state != SESSION_RELAYING)
        return UINT64_MAX;
    return session->idle ? (session->idle - 1U) * every * sweep_ns : 0;
}

/* What drops bytes has its own end. */
static bool is_quiet(struct session *session)
{
    uint32_t delivered = session_delivered(session);
    bool drops = session->lanes[0].lost || session->lanes[1].lost;

    if (session->state != SESSION_RELAYING || drops || delivered != session->delivered) {
        session->delivered = delivered;
        session->idle = 0;
        return false;
    }
    /* Where it would overflow there is no idle-timeout, and the probes go on. */
    session->idle = session->idle < UINT16_MAX ? session->idle + 1 : 1;
    return true;
}

static void ask_guests(const struct session *session)
{
    for (unsigned i = 0; i < SIDE_COUNT; i++)
        if (session->sides[i].transport == TRANSPORT_VSOCK)
            ask_peer(session->sides[i].fd);
}

/* It may be gone on return. */
static void look_at(struct session *session)
{
    const struct sessions *sessions = session->sessions;
    const struct route *route = session->opening->route;
    uint64_t every = period_ns(route) / sessions->sweep_ns;

    if (every == 0 || sessions->sweeps % every != 0)
        return;
    if (is_too_old(session)) {
        session_stop(session, REASON_SESSION_TIME, 0);
        return;
    }
    if (!is_quiet(session))
        return;
    /* The first look came at any time after the last byte. */
    uint64_t unit_ns = every * sessions->sweep_ns;
    uint64_t quiet_ns = (session->idle - 1U) * unit_ns;
    uint64_t probe_ns = route->guest_probe_ns;
    enum reason end = find_end(session, quiet_ns);
    if (end != REASON_NONE)
        session_stop(session, end, 0);
    else if (probe_ns && quiet_ns >= probe_ns && quiet_ns % probe_ns < unit_ns)
        ask_guests(session);
}

static void sweep(struct ring_timer *timer)
{
    struct sessions *sessions = (void *)((char *)timer - offsetof(struct sessions, sweep));
    struct session *next;

    sessions->sweeps++;
    for (struct session *session = sessions->first; session; session = next) {
        next = session->next;
        look_at(session);
    }
    ring_timer_arm(sessions->ring, &sessions->sweep,
                   ring_now_ns(sessions->ring) + sessions->sweep_ns, sweep);
}

/* Looks that were counted at another pace say nothing of the time. */
static void forget_looks(struct sessions *sessions)
{
    for (struct session *session = sessions->first; session; session = session->next)
        session->idle = 0;
}

void sessions_attend(struct sessions *sessions, const struct route *route)
{
    uint64_t sweep_ns = period_ns(route);

    if (sweep_ns == 0 || (sessions->sweep_ns && sessions->sweep_ns <= sweep_ns))
        return;
    forget_looks(sessions);
    sessions->sweep_ns = sweep_ns;
    ring_timer_arm(sessions->ring, &sessions->sweep, ring_now_ns(sessions->ring) + sweep_ns, sweep);
}

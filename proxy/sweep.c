#include "proxy/sweep.h"

#include "proxy/pace.h"
#include "proxy/session_use.h"
#include "ring/socket.h"

#include <linux/vm_sockets.h>

#define SLACK_PARTS  40
#define SLACK_NS_MIN UINT64_C(50000000)
#define MOMENT_NS    UINT64_C(1000000) /* the clock of a turn is behind what the turn does */

void sweep_put_off(struct session *session)
{
    session->moved_ns = ring_now_ns(session->sessions->ring);
}

/* At that time: how long it had been without a byte. */
static uint64_t quiet_ns(const struct session *session, uint64_t at_ns)
{
    return at_ns > session->moved_ns ? at_ns - session->moved_ns : 0;
}

uint64_t session_idle_ns(const struct session *session)
{
    uint64_t now_ns = ring_now_ns(session->sessions->ring);
    return session->state == SESSION_RELAYING ? quiet_ns(session, now_ns) : UINT64_MAX;
}

static bool is_over(uint64_t limit_ns, uint64_t age_ns)
{
    return limit_ns > 0 && age_ns >= limit_ns + MOMENT_NS;
}

static bool is_half_closed(const struct session *session)
{
    return session->lanes[0].state == LANE_ENDED || session->lanes[1].state == LANE_ENDED;
}

static bool has_vsock(const struct session *session)
{
    return session->sides[SIDE_INITIATOR].transport == TRANSPORT_VSOCK ||
           session->sides[SIDE_TARGET].transport == TRANSPORT_VSOCK;
}

/* The next sweep is to come soon enough for what is over at `limit_ns`. */
static void claim(uint64_t *next_ns, uint64_t limit_ns, uint64_t age_ns)
{
    if (limit_ns == 0)
        return;
    uint64_t due_ns = limit_ns + MOMENT_NS;
    uint64_t wait_ns = due_ns > age_ns ? due_ns - age_ns : 0;
    uint64_t slack_ns = limit_ns / SLACK_PARTS;
    if (slack_ns < SLACK_NS_MIN)
        slack_ns = SLACK_NS_MIN;
    if (wait_ns < slack_ns)
        wait_ns = slack_ns;
    if (wait_ns < *next_ns)
        *next_ns = wait_ns;
}

static void claim_all(uint64_t *next_ns, const struct session *session, uint64_t at_ns)
{
    const struct route *route = session->opening->route;
    uint64_t quiet = quiet_ns(session, at_ns);

    claim(next_ns, route->session_time_ns, session_use_age_ns(session));
    if (session->state != SESSION_RELAYING)
        return;
    claim(next_ns, route->idle_timeout_ns, quiet);
    if (route->half_close_ns && is_half_closed(session))
        claim(next_ns, route->half_close_ns, quiet);
    if (route->guest_probe_ns && has_vsock(session)) {
        uint64_t past_ns = quiet > MOMENT_NS ? quiet - MOMENT_NS : 0;
        claim(next_ns, route->guest_probe_ns, past_ns % route->guest_probe_ns + MOMENT_NS);
    }
}

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

static void ask_guests(const struct session *session)
{
    for (unsigned i = 0; i < SIDE_COUNT; i++)
        if (session->sides[i].transport == TRANSPORT_VSOCK)
            ask_peer(session->sides[i].fd);
}

static uint64_t probes(const struct session *session, uint64_t at_ns)
{
    uint64_t quiet = quiet_ns(session, at_ns);
    return quiet < MOMENT_NS ? 0 : (quiet - MOMENT_NS) / session->opening->route->guest_probe_ns;
}

/* Since the last sweep it became time to ask its guests. */
static bool is_to_ask(const struct session *session, uint64_t at_ns)
{
    return session->opening->route->guest_probe_ns && has_vsock(session) &&
           probes(session, at_ns) > probes(session, session->sessions->swept_ns);
}

/* What drops bytes has its own end; and who waits for tokens would move some. */
static bool may_be_quiet(const struct session *session)
{
    return session->lanes[0].lost || session->lanes[1].lost || pace_waits(session);
}

/* REASON_NONE: it may go on. */
static enum reason find_end(const struct session *session, uint64_t at_ns)
{
    const struct route *route = session->opening->route;
    uint64_t quiet = quiet_ns(session, at_ns);

    if (is_over(route->session_time_ns, session_use_age_ns(session)))
        return REASON_SESSION_TIME;
    if (session->state != SESSION_RELAYING)
        return REASON_NONE;
    if (is_over(route->half_close_ns, quiet) && is_half_closed(session))
        return REASON_HALF_CLOSE_TIMEOUT;
    if (is_over(route->idle_timeout_ns, quiet))
        return REASON_IDLE_TIMEOUT;
    return REASON_NONE;
}

static void arm(struct sessions *sessions, uint64_t after_ns);

static void sweep(struct ring_timer *timer)
{
    struct sessions *sessions = (void *)((char *)timer - offsetof(struct sessions, sweep));
    uint64_t at_ns = ring_now_ns(sessions->ring);
    uint64_t next_ns = UINT64_MAX;
    struct session *next;

    for (struct session *session = sessions->first; session; session = next) {
        next = session->next;
        enum reason end = find_end(session, at_ns);
        if (end != REASON_NONE && end != REASON_SESSION_TIME && may_be_quiet(session)) {
            sweep_put_off(session);
        } else if (end != REASON_NONE) {
            session_stop(session, end, 0);
            continue;
        }
        if (session->state == SESSION_RELAYING && is_to_ask(session, at_ns))
            ask_guests(session);
        claim_all(&next_ns, session, at_ns);
    }
    sessions->swept_ns = at_ns;
    if (next_ns < UINT64_MAX)
        arm(sessions, next_ns);
}

static void arm(struct sessions *sessions, uint64_t after_ns)
{
    ring_timer_arm(sessions->ring, &sessions->sweep, ring_now_ns(sessions->ring) + after_ns, sweep);
}

void sweep_attend(struct session *session)
{
    struct sessions *sessions = session->sessions;
    uint64_t at_ns = ring_now_ns(sessions->ring);
    uint64_t next_ns = UINT64_MAX;
    bool armed = ring_timer_armed(&sessions->sweep);

    claim_all(&next_ns, session, at_ns);
    if (next_ns == UINT64_MAX)
        return;
    if (!armed)
        sessions->swept_ns = at_ns;
    if (!armed || sessions->sweep.deadline_ns > at_ns + next_ns)
        arm(sessions, next_ns);
}

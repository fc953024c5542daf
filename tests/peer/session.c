/* One end of a planned session.
 *
 *   header --> streams (held, if the plan says so) --> half-close --> the other's end-of-file -->
 * OK
 *
 * An end that comes earlier is judged in session_broken().
 */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ECHO_BYTES ((size_t)64 * 1024)
#define UNLIMITED  UINT64_MAX

static uint8_t received[STREAM_CHUNK_BYTES];

__attribute__((format(printf, 3, 4))) static void session_ends(struct session *session,
                                                               enum session_end end,
                                                               const char *format, ...)
{
    va_list arguments;

    if (session->end != SESSION_OPEN)
        return;
    session->end = end;
    va_start(arguments, format);
    vsnprintf(session->text, sizeof(session->text), format, arguments);
    va_end(arguments);
}

static bool plan_there(const struct session *session)
{
    return session->plan_bytes == sizeof(session->plan);
}

/* Is it this end (or the other one) that the plan lets break off? */
static bool breaks(const struct session *session, enum session_role role)
{
    switch (session->plan.ending) {
    case ENDING_INITIATOR_RESET:
    case ENDING_INITIATOR_ABORT: return role == ROLE_INITIATOR;
    case ENDING_TARGET_RESET:
    case ENDING_TARGET_ABORT: return role == ROLE_TARGET;
    default: return false;
    }
}

static bool breaks_by_reset(const struct session *session)
{
    return session->plan.ending == ENDING_INITIATOR_RESET ||
           session->plan.ending == ENDING_TARGET_RESET;
}

static bool reads(const struct session *session)
{
    unsigned unread = session->role == ROLE_TARGET ? PLAN_UP_UNREAD : PLAN_DOWN_UNREAD;

    return (session->role == ROLE_TARGET && !plan_there(session)) ||
           !(session->plan.flags & unread);
}

/* Every byte of the other end's stream is here. */
static bool in_complete(const struct session *session)
{
    return session->in.offset == session->in.total;
}

static bool held(const struct session *session)
{
    switch (session->plan.half_close) {
    case HALF_CLOSE_INITIATOR: return session->role == ROLE_TARGET && !session->in_ended;
    case HALF_CLOSE_TARGET: return session->role == ROLE_INITIATOR && !session->in_ended;
    case HALF_CLOSE_NONE: return session->role == ROLE_TARGET && !in_complete(session);
    default: return false;
    }
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* How far the own stream may go for now. */
static uint64_t out_limit(const struct session *session)
{
    uint64_t limit = session->out.total;

    if (session->plan.kind == PLAN_ECHO)
        return session->round_end;
    if (session->role == ROLE_INITIATOR && session->plan.flags & PLAN_TOGETHER && !session->going)
        return 0;
    if (breaks(session, session->role))
        limit = smaller(limit, session->plan.break_at);
    if (held(session))
        limit = smaller(limit, session->plan.hold_at);
    return limit;
}

/* The target's last word is due, or under way. */
static bool word_due(const struct session *session)
{
    return session->role == ROLE_TARGET && session->plan.half_close == HALF_CLOSE_NONE &&
           session->plan.kind == PLAN_STREAM && session->out.offset == session->out.total &&
           in_complete(session) && session->word_bytes < sizeof(session->word);
}

static bool wants_out(const struct session *session)
{
    if (!plan_there(session))
        return session->role == ROLE_INITIATOR;
    if (session->out_ended)
        return false;
    return session->echo_length > 0 || session->out.offset < out_limit(session) ||
           word_due(session);
}

static bool wants_in(const struct session *session)
{
    return !session->in_ended && session->echo_length == 0 && reads(session);
}

static void session_wait(struct session *session)
{
    uint32_t in = wants_in(session) ? EPOLLIN : 0, out = wants_out(session) ? EPOLLOUT : 0;

    if (session->watch_out.fd < 0) {
        watch_set(&session->watch_in, in | out);
        return;
    }
    if (session->in_ended)
        watch_remove(&session->watch_in);
    else
        watch_set(&session->watch_in, in);
    if (session->out_ended)
        watch_remove(&session->watch_out);
    else
        watch_set(&session->watch_out, out);
}

/* The other end is gone: error, or end-of-file before the end of its stream (0). */
static void session_broken(struct session *session, int error)
{
    const char *why = error == 0 ? "end-of-file" : strerror(error);
    enum session_role other = session->role == ROLE_TARGET ? ROLE_INITIATOR : ROLE_TARGET;

    if (!plan_there(session) && session->role == ROLE_TARGET) {
        session_ends(session, SESSION_HEADLESS, "%zu bytes of its plan: %s", session->plan_bytes,
                     why);
    } else if (session->plan.flags & (PLAN_UP_UNREAD | PLAN_DOWN_UNREAD)) {
        session_ends(session, SESSION_BROKEN, "%s", why);
    } else if (breaks(session, other)) {
        if (error == 0 && breaks_by_reset(session) && session->plan.flags & PLAN_ALL_TCP)
            session_ends(session, SESSION_FAILED,
                         "a reset arrived as a clean end-of-file, after %llu of %llu bytes",
                         (unsigned long long)session->in.offset,
                         (unsigned long long)session->in.total);
        else
            session_ends(session, SESSION_BROKEN, "%s", why);
    } else if (session->role == ROLE_TARGET && session->plan.half_close == HALF_CLOSE_NONE &&
               (session->plan.kind == PLAN_ECHO ? session->echo_length == 0
                                                : session->word_bytes == sizeof(session->word))) {
        session_ends(session, SESSION_OK, "%s", why);
    } else {
        session_ends(
            session, SESSION_FAILED, "ended early: received %llu of %llu, sent %llu of %llu: %s",
            (unsigned long long)session->in.offset, (unsigned long long)session->in.total,
            (unsigned long long)session->out.offset, (unsigned long long)session->out.total, why);
    }
}

static void plan_begin(struct session *session)
{
    const struct plan *plan = &session->plan;
    bool initiator = session->role == ROLE_INITIATOR;
    uint64_t up_seed = stream_random(plan->seed, 0), down_seed = stream_random(plan->seed, 1);

    if (plan->magic != PLAN_MAGIC) {
        session_ends(session, SESSION_FAILED, "what came is no plan");
        return;
    }
    if (plan->kind == PLAN_ECHO)
        down_seed = up_seed;
    stream_init(&session->out, initiator ? up_seed : down_seed, initiator ? plan->up : plan->down);
    stream_init(&session->in, initiator ? down_seed : up_seed, initiator ? plan->down : plan->up);
}

/* Without half-close: the initiator's good end. */
static void advance_whole(struct session *session)
{
    uint64_t hash;

    if (session->role != ROLE_INITIATOR || !in_complete(session))
        return;
    if (session->plan.kind == PLAN_ECHO) {
        session_ends(session, SESSION_OK, "all came back");
    } else if (session->word_bytes == sizeof(session->word)) {
        hash = stream_hash(&session->out);
        if (session->word == hash)
            session_ends(session, SESSION_OK, "the target has it all");
        else
            session_ends(session, SESSION_FAILED, "the target has hash %016llx, sent was %016llx",
                         (unsigned long long)session->word, (unsigned long long)hash);
    }
}

/* Moves on what needs no readiness: half-close, breaking off, the good end. */
static void session_advance(struct session *session)
{
    const struct plan *plan = &session->plan;

    if (session->end != SESSION_OPEN || !plan_there(session))
        return;
    if (breaks(session, session->role) && session->out.offset >= plan->break_at) {
        session_ends(session, SESSION_BROKEN, "broke off");
        session_close(session, breaks_by_reset(session));
        return;
    }
    if (plan->half_close == HALF_CLOSE_NONE) {
        advance_whole(session);
        return;
    }
    if (!session->out_ended && session->out.offset == session->out.total && !held(session) &&
        session->echo_length == 0) {
        session->out_ended = true;
        if (session->watch_out.fd >= 0) {
            watch_remove(&session->watch_out);
            close(session->watch_out.fd);
            session->watch_out.fd = -1;
            session->watch_out.events = 0;
        } else if (shutdown(session->watch_in.fd, SHUT_WR) < 0 && errno != ENOTCONN) {
            /* ENOTCONN: it was reset, as the next read tells. */
            session_broken(session, errno);
        }
    }
    if (session->out_ended && session->in_ended)
        session_ends(session, SESSION_OK, "both ended");
}

static void take_stream(struct session *session, const uint8_t *bytes, size_t length)
{
    size_t part = smaller(length, session->in.total - session->in.offset), at;

    if (!stream_equal(&session->in, bytes, part, &at)) {
        size_t one = 1;
        uint64_t offset = session->in.offset + at;

        session_ends(session, SESSION_FAILED, "offset %llu: expected %02x, got %02x",
                     (unsigned long long)offset, *stream_bytes(session->in.seed, offset, &one),
                     bytes[at]);
        return;
    }
    stream_pass(&session->in, bytes, part);
    bytes += part;
    length -= part;
    if (length == 0)
        return;
    if (session->role == ROLE_INITIATOR && session->plan.half_close == HALF_CLOSE_NONE &&
        length <= sizeof(session->word) - session->word_bytes) {
        memcpy((uint8_t *)&session->word + session->word_bytes, bytes, length);
        session->word_bytes += length;
        return;
    }
    session_ends(session, SESSION_FAILED, "%zu bytes more than the planned %llu", length,
                 (unsigned long long)session->in.total);
}

static void take_echo(struct session *session, const uint8_t *bytes, size_t length)
{
    session->echo = realloc(session->echo, ECHO_BYTES);
    if (session->echo == NULL)
        abort();
    memcpy(session->echo, bytes, length);
    session->echo_offset = 0;
    session->echo_length = length;
    stream_pass(&session->in, bytes, length);
}

static void session_receive(struct session *session)
{
    bool plan = session->role == ROLE_TARGET && !plan_there(session);
    bool echo = session->role == ROLE_TARGET && session->plan.kind == PLAN_ECHO;
    uint8_t *into = plan ? (uint8_t *)&session->plan + session->plan_bytes : received;
    ssize_t count = read(session->watch_in.fd, into,
                         plan   ? sizeof(session->plan) - session->plan_bytes
                         : echo ? ECHO_BYTES
                                : sizeof(received));

    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        session->in_ended = count == 0;
        if (count < 0 || plan || (!in_complete(session) && !echo) ||
            session->plan.half_close == HALF_CLOSE_NONE)
            session_broken(session, count < 0 ? errno : 0);
        else if (echo)
            session->out.total = session->in.total = session->in.offset;
        return;
    }
    session->touched = now();
    if (plan) {
        session->plan_bytes += count;
        if (plan_there(session))
            plan_begin(session);
    } else if (echo) {
        take_echo(session, received, count);
    } else {
        take_stream(session, received, count);
    }
}

/* Returns what write took; 0 when it must be tried again, or is over. */
static size_t session_write(struct session *session, const void *bytes, size_t length)
{
    int fd = session->watch_out.fd >= 0 ? session->watch_out.fd : session->watch_in.fd;
    ssize_t count = write(fd, bytes, length);

    if (count >= 0) {
        session->touched = now();
        return count;
    }
    if (errno != EAGAIN && errno != EINTR)
        session_broken(session, errno);
    return 0;
}

static void session_send(struct session *session)
{
    const uint8_t *bytes;
    size_t length;

    if (!plan_there(session)) {
        session->plan_bytes +=
            session_write(session, (uint8_t *)&session->plan + session->plan_bytes,
                          sizeof(session->plan) - session->plan_bytes);
    } else if (session->echo_length > 0) {
        bytes = session->echo + session->echo_offset;
        length = session_write(session, bytes, session->echo_length);
        stream_pass(&session->out, bytes, length);
        session->echo_offset += length;
        session->echo_length -= length;
        if (session->echo_length == 0) {
            free(session->echo);
            session->echo = NULL;
        }
    } else if (word_due(session)) {
        session->word = stream_hash(&session->in);
        session->word_bytes +=
            session_write(session, (uint8_t *)&session->word + session->word_bytes,
                          sizeof(session->word) - session->word_bytes);
    } else {
        length = smaller(STREAM_CHUNK_BYTES, out_limit(session) - session->out.offset);
        bytes = stream_bytes(session->out.seed, session->out.offset, &length);
        length = session_write(session, bytes, length);
        stream_pass(&session->out, bytes, length);
    }
}

static void session_step(struct session *session, bool in, bool out, bool hang_up)
{
    int error = 0;
    socklen_t length = sizeof(error);

    if (session->end != SESSION_OPEN)
        return;
    if (hang_up && !wants_in(session) && !wants_out(session)) {
        getsockopt(session->watch_in.fd, SOL_SOCKET, SO_ERROR, &error, &length);
        session_broken(session, error);
    }
    if ((in || hang_up) && wants_in(session))
        session_receive(session);
    if (session->end == SESSION_OPEN && (out || hang_up) && wants_out(session))
        session_send(session);
    session_advance(session);
    if (session->end == SESSION_OPEN)
        session_wait(session);
    session->changed(session);
}

#define OF_WATCH(pointer, member) \
    ((struct session *)((char *)(pointer)-offsetof(struct session, member)))

static void in_ready(struct watch *watch, uint32_t events)
{
    session_step(OF_WATCH(watch, watch_in), events & EPOLLIN, events & EPOLLOUT,
                 events & (EPOLLHUP | EPOLLERR));
}

static void out_ready(struct watch *watch, uint32_t events)
{
    session_step(OF_WATCH(watch, watch_out), false, events & EPOLLOUT,
                 events & (EPOLLHUP | EPOLLERR));
}

void session_start(struct session *session, enum session_role role, int fd_in, int fd_out,
                   const struct plan *plan, void (*changed)(struct session *session))
{
    *session = (struct session){
        .watch_in = {.fd = fd_in, .ready = in_ready},
        .watch_out = {.fd = fd_out == fd_in ? -1 : fd_out, .ready = out_ready},
        .role = role,
        .touched = now(),
        .changed = changed,
    };
    fcntl(fd_in, F_SETFL, fcntl(fd_in, F_GETFL) | O_NONBLOCK);
    fcntl(fd_out, F_SETFL, fcntl(fd_out, F_GETFL) | O_NONBLOCK);
    if (plan != NULL) {
        session->plan = *plan;
        plan_begin(session);
    }
    session_wait(session);
}

void session_round(struct session *session, uint64_t bytes, bool last)
{
    session->round_started = now();
    session->round_end += bytes;
    if (last)
        session->out.total = session->in.total = session->round_end;
    session_wait(session);
}

bool session_round_done(const struct session *session)
{
    return plan_there(session) && session->in.offset == session->round_end;
}

void session_go(struct session *session)
{
    session->going = true;
    session_wait(session);
}

void session_close(struct session *session, bool reset)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};

    if (session->watch_in.fd < 0)
        return;
    if (reset)
        setsockopt(session->watch_in.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    watch_remove(&session->watch_in);
    watch_remove(&session->watch_out);
    close(session->watch_in.fd);
    if (session->watch_out.fd >= 0)
        close(session->watch_out.fd);
    session->watch_in.fd = session->watch_out.fd = -1;
    free(session->echo);
    session->echo = NULL;
}

void session_print(const struct session *session, const char *what)
{
    printf("session %u %s: in=%llu:%016llx out=%llu:%016llx at=%.6f %s\n", session->plan.session,
           what, (unsigned long long)session->in.offset,
           (unsigned long long)stream_hash(&session->in), (unsigned long long)session->out.offset,
           (unsigned long long)stream_hash(&session->out), now(), session->text);
}

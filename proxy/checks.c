/* The life of a check. */
#include "proxy/checks.h"

#include "proxy/dial.h"
#include "proxy/log.h"
#include "proxy/tcp_options.h"
#include "ring/socket.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHY_BYTES 256

struct check {
    struct checks *checks;
    struct check *next;
    struct check **link;
    struct target_use *use;  /* a reference */
    struct opening *opening; /* of the attempt: a reference */
    struct opening *latest;  /* of the next one: a reference */
    unsigned listened;       /* openings that lead to its target */
    bool stopped;
    unsigned good; /* in a row, while it is down */
    unsigned bad;  /* in a row */
    uint64_t started_ns;
    struct dial dial;
    bool dials;
    int fd; /* of who is heard; -1: nobody */
    enum transport transport;
    bool silent; /* check-timeout is over */
    struct ring_timer timer;
    struct ring_op hear;
    struct ring_op cancel;
    size_t heard;
};

static const struct route_check *settings(const struct check *check)
{
    return &check->opening->route->check;
}

static const struct opening_target *target_of(const struct check *check, size_t *ret_index)
{
    size_t i = 0;

    while (check->opening->targets[i].use != check->use)
        i++;
    *ret_index = i;
    return &check->opening->targets[i];
}

static void release(struct check *check)
{
    if (check->dials || check->hear.in_flight || check->cancel.in_flight)
        return;
    *check->link = check->next;
    if (check->next)
        check->next->link = check->link;
    if (check->fd >= 0)
        ring_socket_reset(check->fd);
    opening_unref(check->opening);
    opening_unref(check->latest);
    target_use_put(check->use);
    free(check);
}

static void begin(struct ring_timer *timer);

static void begin_later(struct check *check)
{
    struct ring *ring = check->checks->ring;
    uint64_t at_ns = check->started_ns + settings(check)->interval_ns;
    uint64_t now_ns = ring_now_ns(ring);

    ring_timer_arm(ring, &check->timer, at_ns > now_ns ? at_ns : now_ns, begin);
}

static void good(struct check *check)
{
    check->bad = 0;
    if (target_use_is_up(check->use))
        check->good = 0;
    else if (++check->good >= settings(check)->rise && target_use_checked(check->use, true))
        log_of_target(check->opening->route->name, check->use->name, true,
                      "route %s: target %s is up again", check->opening->route->name,
                      check->use->name);
    begin_later(check);
}

static void bad(struct check *check, const char *why)
{
    check->good = 0;
    if (check->bad < settings(check)->fall)
        check->bad++;
    if (check->bad >= settings(check)->fall && target_use_checked(check->use, false))
        log_of_target(check->opening->route->name, check->use->name, false,
                      "route %s: target %s is down: its check: %s", check->opening->route->name,
                      check->use->name, why);
    begin_later(check);
}

static void hang_up(struct check *check, bool whole)
{
    if (whole && check->transport == TRANSPORT_TCP)
        tcp_options_close_whole(check->fd);
    if (whole)
        ring_socket_close(check->fd);
    else
        ring_socket_reset(check->fd);
    check->fd = -1;
}

static void heard(struct check *check, const char *why)
{
    ring_timer_disarm(check->checks->ring, &check->timer);
    hang_up(check, !why);
    if (why)
        bad(check, why);
    else
        good(check);
}

static void hear(struct check *check);

/* Byte for byte: the first that is another decides. */
static void listen_to(struct check *check)
{
    const struct check_text *expect = &settings(check)->expect;
    char answer[CHECK_TEXT_BYTES_MAX];
    ssize_t count = ring_socket_receive_now(check->fd, answer, expect->length - check->heard, 0);

    if (count == -EAGAIN || count == -EINTR) {
        hear(check);
    } else if (count <= 0) {
        heard(check, count ? strerror((int)-count) : "it closed before it had answered");
    } else if (memcmp(answer, expect->bytes + check->heard, (size_t)count) != 0) {
        heard(check, "it answers otherwise than 'check-expect'");
    } else {
        check->heard += (size_t)count;
        if (check->heard < expect->length)
            hear(check);
        else
            heard(check, NULL);
    }
}

static void readable(struct ring_op *op, int result, unsigned flags)
{
    struct check *check = (void *)((char *)op - offsetof(struct check, hear));

    if (check->stopped)
        release(check);
    else if (!check->silent)
        listen_to(check);
    else if (!check->cancel.in_flight)
        heard(check, "it did not answer within check-timeout");
}

static void hear(struct check *check)
{
    ring_poll(check->checks->ring, &check->hear, readable, check->fd, POLLIN);
}

static void cancelled(struct ring_op *op, int result, unsigned flags)
{
    struct check *check = (void *)((char *)op - offsetof(struct check, cancel));

    if (check->stopped)
        release(check);
    else if (!check->hear.in_flight)
        heard(check, "it did not answer within check-timeout");
}

static void expired(struct ring_timer *timer)
{
    struct check *check = (void *)((char *)timer - offsetof(struct check, timer));

    check->silent = true;
    ring_cancel(check->checks->ring, &check->cancel, cancelled, check->fd);
}

/* What is sent first: a header that tells nobody where the target waits for one, and the route's
 * own words. There is room for it in a fresh socket. 0 or a negative errno. */
static int speak(const struct check *check)
{
    static const struct proxy_header nobody;
    const struct route *route = check->opening->route;
    char bytes[PROXY_HEADER_BYTES_MAX + CHECK_TEXT_BYTES_MAX];
    size_t length = 0;

    if (route->send_proxy == ROUTE_SEND_PROXY_V1)
        length = proxy_header_format_v1(&nobody, bytes);
    else if (route->send_proxy == ROUTE_SEND_PROXY_V2)
        length = proxy_header_format_v2(&nobody, route->name, bytes);
    if (route->check.send.length > 0)
        memcpy(bytes + length, route->check.send.bytes, route->check.send.length);
    length += route->check.send.length;
    ssize_t sent = length ? ring_socket_send_now(check->fd, bytes, length) : 0;
    if (sent < 0)
        return (int)sent;
    return (size_t)sent == length ? 0 : -EAGAIN;
}

static void talk(struct check *check)
{
    struct ring *ring = check->checks->ring;
    int error = speak(check);

    if (error < 0) {
        heard(check, strerror(-error));
        return;
    }
    if (settings(check)->expect.length == 0) {
        heard(check, NULL);
        return;
    }
    check->heard = 0;
    check->silent = false;
    ring_timer_arm(ring, &check->timer, check->started_ns + settings(check)->timeout_ns, expired);
    hear(check);
}

static void dialed(struct dial *dial, int fd, enum transport transport, enum reason reason,
                   int error)
{
    struct check *check = dial->options.owner;
    char why[WHY_BYTES];

    check->dials = false;
    check->fd = fd;
    check->transport = transport;
    if (check->stopped) {
        release(check);
    } else if (reason == REASON_NONE) {
        talk(check);
    } else if (reason == REASON_NO_DESCRIPTORS || reason == REASON_NO_MEMORY) {
        begin_later(check); /* that says nothing of the target */
    } else {
        snprintf(why, sizeof(why), "%s: %s (%s)", reason_token(reason), reason_text(reason),
                 reason_detail(reason, error));
        bad(check, why);
    }
}

/* Nothing is asked of a frozen guest. */
static void begin(struct ring_timer *timer)
{
    struct check *check = (void *)((char *)timer - offsetof(struct check, timer));
    struct checks *checks = check->checks;
    size_t index;

    opening_ref(check->latest);
    opening_unref(check->opening);
    check->opening = check->latest;
    check->started_ns = ring_now_ns(checks->ring);
    const struct opening_target *target = target_of(check, &index);
    if (target->guest && atomic_load(&target->guest->frozen)) {
        begin_later(check);
        return;
    }
    const struct route_target *of_route = &check->opening->route->targets[index];
    struct dial_options options = {
        .target = &of_route->resolved,
        .port = of_route->written.port,
        .timeout_ns = settings(check)->timeout_ns,
        .owner = check,
    };
    check->dials = true;
    dial_start(&check->dial, checks->ring, checks->resolver, &options, dialed);
}

static void start(struct checks *checks, struct opening *opening, struct target_use *use)
{
    struct check *check = calloc(1, sizeof(*check));

    if (!check) {
        log_line("route %s: target %s is not checked: out of memory", opening->route->name,
                 use->name);
        return;
    }
    *check = (struct check){
        .checks = checks,
        .next = checks->first,
        .link = &checks->first,
        .use = target_use_get(use->route, use->name),
        .opening = opening_ref(opening),
        .latest = opening_ref(opening),
        .listened = 1,
        .fd = -1,
    };
    if (check->next)
        check->next->link = &check->next;
    checks->first = check;
    use->check = check;
    ring_timer_arm(checks->ring, &check->timer, ring_now_ns(checks->ring), begin);
}

static void stop(struct check *check)
{
    struct ring *ring = check->checks->ring;

    check->use->check = NULL;
    target_use_checked(check->use, true); /* nothing is known of it any more */
    check->stopped = true;
    ring_timer_disarm(ring, &check->timer);
    if (check->dials)
        check->dials = !dial_stop(&check->dial);
    if (check->hear.in_flight && !check->cancel.in_flight)
        ring_cancel(ring, &check->cancel, cancelled, check->fd);
    release(check);
}

static bool is_checked(const struct checks *checks, const struct opening *opening)
{
    return checks->ring && opening->route->check.connects;
}

void checks_attend(struct checks *checks, struct opening *opening)
{
    for (size_t i = 0; i < opening->route->target_count && is_checked(checks, opening); i++) {
        struct target_use *use = opening->targets[i].use;
        struct check *check = use->check;
        if (!check) {
            start(checks, opening, use);
            continue;
        }
        check->listened++;
        opening_unref(check->latest);
        check->latest = opening_ref(opening);
    }
}

void checks_leave(struct checks *checks, struct opening *opening)
{
    for (size_t i = 0; i < opening->route->target_count && is_checked(checks, opening); i++) {
        struct check *check = opening->targets[i].use->check;
        if (check && --check->listened == 0)
            stop(check);
    }
}

bool checks_at_rest(const struct checks *checks)
{
    return !checks->first;
}

/* The initiator's sessions. One crowd a process. */
#include "crowd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES_MAX 10

static struct crowd *the_crowd;

static void session_changed(struct session *session)
{
    struct crowd *crowd = the_crowd;

    if (session->end != SESSION_OPEN && session->watch_in.fd != -2) {
        crowd->ended++;
        crowd->tally[session->end]++;
        if (session->end == SESSION_FAILED && crowd->tally[SESSION_FAILED] <= LINES_MAX)
            session_print(session, "FAIL");
        else if (crowd->options->verbose)
            session_print(session, session->end == SESSION_OK ? "ok" : "broken");
        session_close(session, false);
        session->watch_in.fd = -2; /* counted */
    }
    if (crowd->changed != NULL)
        crowd->changed(session);
}

void crowd_init(struct crowd *crowd, const struct place *place, const struct options *options,
                uint64_t count,
                void (*plan)(const struct options *options, uint64_t number, struct plan *ret),
                void (*changed)(struct session *session))
{
    *crowd = (struct crowd){
        .place = place,
        .options = options,
        .plan = plan,
        .changed = changed,
        .sessions = calloc(count, sizeof(*crowd->sessions)),
        .count = count,
        .deadline = now() + options->timeout,
    };
    if (crowd->sessions == NULL)
        abort();
    the_crowd = crowd;
}

void crowd_start(struct crowd *crowd)
{
    while (crowd->started < crowd->count &&
           crowd->started - crowd->ended < crowd->options->concurrency) {
        struct session *session = &crowd->sessions[crowd->started];
        struct plan plan = {
            .magic = PLAN_MAGIC,
            .session = crowd->started,
            .seed = stream_random(crowd->options->seed, crowd->started),
            .hold_at = UINT64_MAX,
            .break_at = UINT64_MAX,
        };
        int fd_in, fd_out;

        crowd->plan(crowd->options, crowd->started, &plan);
        crowd->started++;
        if (!place_connect(crowd->place, crowd->deadline - now(), &fd_in, &fd_out)) {
            printf("session %u FAIL: not connected at=%.6f\n", plan.session, now());
            session->end = SESSION_FAILED;
            session->watch_in.fd = -2;
            crowd->ended++;
            crowd->tally[SESSION_FAILED]++;
            continue;
        }
        session_start(session, ROLE_INITIATOR, fd_in, fd_out, &plan, session_changed);
    }
}

bool crowd_round(struct crowd *crowd, double seconds)
{
    unsigned lines = 0;

    pump_round(seconds);
    if (now() < crowd->deadline)
        return true;
    for (uint64_t i = 0; i < crowd->started; i++) {
        const struct session *session = &crowd->sessions[i];

        if (session->end != SESSION_OPEN)
            continue;
        crowd->tally[SESSION_FAILED]++;
        if (lines++ >= LINES_MAX)
            continue;
        printf(
            "session %u FAIL: stuck for %.1f s: in=%llu of %llu%s, out=%llu of %llu%s, ending %u, "
            "half-close %u\n",
            session->plan.session, now() - session->touched, (unsigned long long)session->in.offset,
            (unsigned long long)session->in.total, session->in_ended ? " (ended)" : "",
            (unsigned long long)session->out.offset, (unsigned long long)session->out.total,
            session->out_ended ? " (ended)" : "", session->plan.ending, session->plan.half_close);
    }
    return false;
}

int crowd_verdict(const struct crowd *crowd)
{
    uint64_t in = 0, out = 0;
    bool failed = crowd->tally[SESSION_FAILED] > 0 || crowd->ended < crowd->count;

    for (uint64_t i = 0; i < crowd->started; i++) {
        in += crowd->sessions[i].in.offset;
        out += crowd->sessions[i].out.offset;
    }
    printf(
        "%s sessions=%llu ended=%llu ok=%llu broken=%llu failed=%llu in=%llu out=%llu seed=%llu\n",
        failed ? "FAIL" : "ok", (unsigned long long)crowd->count, (unsigned long long)crowd->ended,
        (unsigned long long)crowd->tally[SESSION_OK],
        (unsigned long long)crowd->tally[SESSION_BROKEN],
        (unsigned long long)crowd->tally[SESSION_FAILED], (unsigned long long)in,
        (unsigned long long)out, (unsigned long long)crowd->options->seed);
    return failed;
}

int crowd_run(struct crowd *crowd)
{
    while (crowd->ended < crowd->count) {
        crowd_start(crowd);
        if (!crowd_round(crowd, 0.1))
            break;
    }
    return crowd_verdict(crowd);
}

static bool line_came;

static void stdin_ready(struct watch *watch, uint32_t events)
{
    char bytes[64];

    line_came = read(watch->fd, bytes, sizeof(bytes)) >= 0;
    watch_remove(watch);
}

void crowd_hold(struct crowd *crowd)
{
    struct watch input = {.fd = STDIN_FILENO, .ready = stdin_ready};

    line_came = false;
    watch_set(&input, EPOLLIN);
    while (!line_came && crowd_round(crowd, 0.1))
        ;
}

/* The initiator's modes: which plans, and when. */
#include "crowd.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t half_close_of(const struct options *options, uint64_t random)
{
    static const char *const names[] = {"both", "initiator", "target", "none"};

    if (strcmp(options->half_close, "random") == 0)
        return random % HALF_CLOSE_NONE;
    for (uint32_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strcmp(options->half_close, names[i]) == 0)
            return i;
    fprintf(stderr, "peer: --half-close random|both|initiator|target|none\n");
    exit(64);
}

static void plan_exchange(const struct options *options, uint64_t number, struct plan *plan)
{
    plan->kind = PLAN_STREAM;
    plan->up = plan->down = options->bytes;
    plan->half_close = half_close_of(options, HALF_CLOSE_BOTH);
    if (plan->half_close == HALF_CLOSE_NONE)
        plan->hold_at = plan->down; /* both at once */
}

int mode_exchange(const struct place *place, const struct options *options)
{
    struct options one = *options;
    struct crowd crowd;
    double started = now();
    int status;

    one.verbose = true;
    if (strcmp(one.half_close, "random") == 0)
        one.half_close = "both";
    crowd_init(&crowd, place, &one, options->sessions, plan_exchange, NULL);
    status = crowd_run(&crowd);
    printf("exchange seconds=%.3f\n", now() - started);
    return status;
}

/* Small and large ones alike: the exponent is what is even. */
static uint64_t random_size(uint64_t max, uint64_t random)
{
    double share = (random >> 11) * 0x1p-53;

    return random % 16 == 0 ? 0 : (uint64_t)exp2(share * log2(max + 1)) - (share == 0);
}

static void plan_random(const struct options *options, uint64_t number, struct plan *plan)
{
    uint64_t longest;

    plan->kind = PLAN_STREAM;
    plan->up = random_size(options->bytes, stream_random(plan->seed, 10));
    plan->down = random_size(options->bytes, stream_random(plan->seed, 11));
    plan->half_close = half_close_of(options, stream_random(plan->seed, 12));
    longest = plan->half_close == HALF_CLOSE_TARGET ? plan->up : plan->down;
    plan->hold_at = stream_random(plan->seed, 13) % (longest + 1);
}

/* At least a byte each way: an established session cannot end before the initiator sends. */
static void plan_together(const struct options *options, uint64_t number, struct plan *plan)
{
    plan_random(options, number, plan);
    plan->flags = PLAN_TOGETHER;
    plan->half_close = HALF_CLOSE_NONE;
    plan->up++;
    plan->down++;
    plan->hold_at++;
}

/* What the target sent has come. */
static bool all_established(const struct crowd *crowd)
{
    for (uint64_t i = 0; i < crowd->started; i++)
        if (crowd->sessions[i].end == SESSION_OPEN && crowd->sessions[i].in.offset == 0)
            return false;
    return true;
}

static int sessions_together(const struct place *place, const struct options *options)
{
    struct options all = *options;
    struct crowd crowd;
    double started = now();

    all.concurrency = options->sessions;
    crowd_init(&crowd, place, &all, options->sessions, plan_together, NULL);
    crowd_start(&crowd);
    while (!all_established(&crowd))
        if (!crowd_round(&crowd, 0.1))
            return crowd_verdict(&crowd);
    printf("together sessions=%llu seconds=%.3f\n",
           (unsigned long long)(crowd.started - crowd.ended), now() - started);
    if (options->hold)
        crowd_hold(&crowd);
    for (uint64_t i = 0; i < crowd.started; i++)
        if (crowd.sessions[i].end == SESSION_OPEN)
            session_go(&crowd.sessions[i]);
    return crowd_run(&crowd);
}

int mode_sessions(const struct place *place, const struct options *options)
{
    struct crowd crowd;

    if (options->together)
        return sessions_together(place, options);
    crowd_init(&crowd, place, options, options->sessions, plan_random, NULL);
    return crowd_run(&crowd);
}

static void plan_request(const struct options *options, uint64_t number, struct plan *plan)
{
    plan->kind = PLAN_STREAM;
    plan->up = 100;
    plan->down = options->bytes;
    plan->half_close =
        strcmp(options->half_close, "none") == 0 ? HALF_CLOSE_NONE : HALF_CLOSE_INITIATOR;
    plan->hold_at = 0;
}

int mode_request_answer(const struct place *place, const struct options *options)
{
    struct options one = *options;
    struct crowd crowd;

    one.verbose = true;
    crowd_init(&crowd, place, &one, options->sessions, plan_request, NULL);
    return crowd_run(&crowd);
}

static void plan_churn(const struct options *options, uint64_t number, struct plan *plan)
{
    static const struct {
        const char *how;
        unsigned first, count;
    } ways[] = {
        {"clean", ENDING_CLEAN, 1},
        {"reset", ENDING_INITIATOR_RESET, 2},
        {"abort", ENDING_INITIATOR_ABORT, 2},
        {"mixed", ENDING_CLEAN, 5},
    };
    uint64_t breaker;

    plan_random(options, number, plan);
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
        if (strcmp(options->how, ways[i].how) == 0)
            plan->ending = ways[i].first + stream_random(plan->seed, 20) % ways[i].count;
    if (plan->ending == ENDING_CLEAN)
        return;
    plan->half_close = HALF_CLOSE_BOTH;
    plan->flags = options->all_tcp ? PLAN_ALL_TCP : 0;
    plan->up++;
    plan->down++;
    breaker = plan->ending == ENDING_INITIATOR_RESET || plan->ending == ENDING_INITIATOR_ABORT
                  ? plan->up
                  : plan->down;
    plan->break_at = stream_random(plan->seed, 21) % breaker;
}

int mode_churn(const struct place *place, const struct options *options)
{
    struct crowd crowd;

    crowd_init(&crowd, place, options, options->sessions, plan_churn, NULL);
    return crowd_run(&crowd);
}

static void plan_echo(const struct options *options, uint64_t number, struct plan *plan)
{
    plan->kind = PLAN_ECHO;
    plan->up = plan->down = UINT64_MAX;
    plan->half_close = strcmp(options->half_close, "none") == 0 ? HALF_CLOSE_NONE : HALF_CLOSE_BOTH;
}

static bool all_rounds_done(const struct crowd *crowd)
{
    for (uint64_t i = 0; i < crowd->started; i++)
        if (crowd->sessions[i].end == SESSION_OPEN && !session_round_done(&crowd->sessions[i]))
            return false;
    return true;
}

/* Every session does one round, all at once. */
static bool round_of_all(struct crowd *crowd, uint64_t bytes, bool last)
{
    for (uint64_t i = 0; i < crowd->started; i++)
        if (crowd->sessions[i].end == SESSION_OPEN)
            session_round(&crowd->sessions[i], bytes, last);
    while (!all_rounds_done(crowd))
        if (!crowd_round(crowd, 0.1))
            return false;
    return true;
}

int mode_idle(const struct place *place, const struct options *options)
{
    struct options all = *options;
    struct crowd crowd;
    double started = now();

    all.concurrency = options->sessions;
    crowd_init(&crowd, place, &all, options->sessions, plan_echo, NULL);
    crowd_start(&crowd);
    if (!round_of_all(&crowd, 64, false))
        return crowd_verdict(&crowd);
    printf("holding sessions=%llu seconds=%.3f\n",
           (unsigned long long)(crowd.started - crowd.ended), now() - started);
    if (options->hold)
        crowd_hold(&crowd);
    started = now();
    if (!round_of_all(&crowd, options->bytes, true))
        return crowd_verdict(&crowd);
    printf("active seconds=%.3f\n", now() - started);
    return crowd_run(&crowd);
}

static struct {
    float *values;
    size_t count, room;
} latencies;

static void note_latency(double seconds)
{
    if (latencies.count == latencies.room) {
        latencies.room = latencies.room * 2 + 1024;
        latencies.values = realloc(latencies.values, latencies.room * sizeof(*latencies.values));
        if (latencies.values == NULL)
            abort();
    }
    latencies.values[latencies.count++] = seconds;
}

static int compare_floats(const void *a, const void *b)
{
    float left = *(const float *)a, right = *(const float *)b;

    return (left > right) - (left < right);
}

static double percentile(double share)
{
    return latencies.count > 0 ? latencies.values[(size_t)(share * (latencies.count - 1))] : 0;
}

static struct {
    const struct options *options;
    double until;
    volatile sig_atomic_t told_to_stop;
} echo;

static void echo_on_signal(int signal)
{
    echo.told_to_stop = signal;
}

static bool echo_is_over(void)
{
    return echo.told_to_stop || now() >= echo.until;
}

/* Notes the round, and starts the next unless there is a pause between. */
static void echo_changed(struct session *session)
{
    if (session->end != SESSION_OPEN || session->round_started == 0 || !session_round_done(session))
        return;
    note_latency(now() - session->round_started);
    session->round_started = 0;
    if (session->out.total != UINT64_MAX)
        return; /* that was the last one */
    if (echo_is_over())
        session_round(session, echo.options->bytes, true);
    else if (echo.options->every == 0)
        session_round(session, echo.options->bytes, false);
}

int mode_echo(const struct place *place, const struct options *options)
{
    struct options all = *options;
    struct crowd crowd;
    double next;
    int status;

    signal(SIGTERM, echo_on_signal);
    echo.options = options;
    echo.until = now() + options->seconds;
    all.sessions = all.concurrency;
    crowd_init(&crowd, place, &all, all.sessions, plan_echo, echo_changed);
    crowd_start(&crowd);
    next = now();
    while (crowd.ended < crowd.count) {
        if (now() >= next) {
            for (uint64_t i = 0; i < crowd.started; i++)
                if (crowd.sessions[i].end == SESSION_OPEN && crowd.sessions[i].round_started == 0 &&
                    crowd.sessions[i].out.total == UINT64_MAX)
                    session_round(&crowd.sessions[i], options->bytes, echo_is_over());
            next += options->every > 0 ? options->every : 0.1;
        }
        if (!crowd_round(&crowd, next - now()))
            break;
    }
    status = crowd_verdict(&crowd);
    qsort(latencies.values, latencies.count, sizeof(*latencies.values), compare_floats);
    printf("echo rounds=%zu p50_us=%.1f p99_us=%.1f max_us=%.1f\n", latencies.count,
           percentile(0.5) * 1e6, percentile(0.99) * 1e6, percentile(1) * 1e6);
    return status;
}

static void plan_flood(const struct options *options, uint64_t number, struct plan *plan)
{
    plan->kind = PLAN_STREAM;
    plan->half_close = HALF_CLOSE_NONE;
    if (options->down) {
        plan->down = plan->hold_at = options->bytes;
        plan->flags = PLAN_DOWN_UNREAD;
    } else {
        plan->up = options->bytes;
        plan->flags = PLAN_UP_UNREAD;
    }
}

int mode_flood(const struct place *place, const struct options *options)
{
    struct options all = *options;
    struct crowd crowd;
    uint64_t accepted = 0;
    double touched = now(), until = touched + options->timeout;

    all.concurrency = options->sessions;
    crowd_init(&crowd, place, &all, options->sessions, plan_flood, NULL);
    crowd_start(&crowd);
    /* Until nothing has moved for a while, in no session. */
    while (now() < until && now() < touched + options->seconds && crowd.ended < crowd.count) {
        crowd_round(&crowd, 0.1);
        for (uint64_t i = 0; i < crowd.started; i++)
            touched = fmax(touched, crowd.sessions[i].touched);
    }
    for (uint64_t i = 0; i < crowd.started; i++)
        accepted += crowd.sessions[i].out.offset;
    printf("flooded accepted=%llu still_seconds=%.3f open=%llu\n", (unsigned long long)accepted,
           now() - touched, (unsigned long long)(crowd.started - crowd.ended));
    if (options->hold)
        crowd_hold(&crowd);
    for (uint64_t i = 0; i < crowd.started; i++)
        session_close(&crowd.sessions[i], true);
    return crowd.tally[SESSION_FAILED] > 0;
}

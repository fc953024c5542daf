/* The ring as a whole: its queues full and overflowing, its timers, what it refuses. */
#include "ring/feature.h"
#include "tests/ring/loop.h"
#include "tests/ring/sockets.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct loop loop;

static void raise_descriptors(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

Test(ring, has_four_completions_for_each_submission)
{
    for (unsigned entries = 1; entries <= 64; entries *= 4) {
        loop_init(&loop, entries, 1);
        cr_assert_eq(ring_completions_max(loop.ring), 4 * entries);
        loop_deinit(&loop);
    }
    loop_init(&loop, 0, 0);
    cr_assert_eq(ring_completions_max(loop.ring), 4096);
    loop_deinit(&loop);
}

Test(ring, is_on_the_engine_that_was_asked_for)
{
    const char *asked = getenv("VSLUICE_RING");

    loop_init(&loop, 4, 1);
    const char *name = ring_engine_name(loop.ring);
    cr_assert_eq(strncmp(asked, name, strlen(name)), 0, "%s", name);
    cr_assert_eq(ring_engine_refusal(loop.ring), 0);
    cr_assert_null(ring_wish_mistake());
    loop_deinit(&loop);
}

/* Each switch turns off its feature, and nothing else. */
Test(ring, features_can_be_switched_off)
{
    int states[RING_FEATURES];

    unsetenv("VSLUICE_RING");
    for (enum ring_feature feature = 0; feature < RING_FEATURES; feature++)
        states[feature] = ring_feature_state(feature);
    for (enum ring_feature off = 0; off < RING_FEATURES; off++) {
        char wish[80];
        snprintf(wish, sizeof(wish), "io_uring,no-%s", ring_feature_name(off));
        setenv("VSLUICE_RING", wish, 1);
        cr_assert_null(ring_wish_mistake());
        for (enum ring_feature feature = 0; feature < RING_FEATURES; feature++) {
            bool needs = feature == RING_MULTISHOT_RECEIVE && off == RING_BUFFER_RINGS;
            bool is_off = feature == off || (needs && states[feature] == 0);
            cr_assert_eq(ring_feature_state(feature), is_off ? -ECANCELED : states[feature]);
        }
    }
    setenv("VSLUICE_RING", "minimal", 1);
    for (enum ring_feature feature = 0; feature < RING_FEATURES; feature++)
        cr_assert_eq(ring_feature_state(feature), -ECANCELED);
}

/* This kernel has them, or says in one of the known ways why not: no trial hangs or lies. */
Test(ring, features_are_there_or_refused)
{
    unsetenv("VSLUICE_RING");
    for (enum ring_feature feature = 0; feature < RING_FEATURES; feature++) {
        int state = ring_feature_state(feature);
        cr_assert(state != -ETIME && state != -EBADMSG && state != -EBADF, "%s: %s",
                  ring_feature_name(feature), strerror(-state));
    }
}

static const char *mistake(const char *wish)
{
    struct ring_options options = {0};
    struct ring *ring;

    setenv("VSLUICE_RING", wish, 1);
    cr_assert_eq(ring_new(&ring, &options), -EBADRQC, "%s", wish);
    return ring_wish_mistake();
}

Test(ring, tells_words_that_are_unknown)
{
    static const char known[] = "epoll, io_uring, minimal, no-multishot-accept, "
                                "no-multishot-receive, no-buffer-rings, no-defer-taskrun, "
                                "no-restrictions";
    static const char *const wishes[] = {"epol", "io_uring,epol,no-x", "minimal,epol"};
    char text[320];

    snprintf(text, sizeof(text), "VSLUICE_RING: epol: unknown: %s", known);
    for (unsigned i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++)
        cr_assert_str_eq(mistake(wishes[i]), text);
    snprintf(text, sizeof(text), "VSLUICE_RING: no-buffer-ring: unknown: %s", known);
    cr_assert_str_eq(mistake("no-buffer-ring"), text);
    cr_assert_not_null(mistake("no-"));
    cr_assert_not_null(mistake("io_uring "));
    cr_assert_str_eq(mistake("epoll,io_uring"), "VSLUICE_RING: epoll or io_uring, not both");
    for (unsigned i = 0; i < 2; i++) {
        setenv("VSLUICE_RING", i ? ",,minimal,," : "", 1);
        cr_assert_null(ring_wish_mistake());
    }
}

Test(ring, free_takes_null)
{
    ring_free(NULL);
}

Test(ring, free_refuses_what_is_in_flight, .signal = SIGABRT)
{
    struct probe probe = {.loop = &loop};
    int pair[2];

    sockets_pair(SOCKETS_UNIX, pair);
    loop_init(&loop, 4, 1);
    ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
    ring_free(loop.ring);
}

Test(ring, refuses_to_arm_what_is_in_flight, .signal = SIGABRT)
{
    struct probe probe = {.loop = &loop};
    int pair[2];

    sockets_pair(SOCKETS_UNIX, pair);
    loop_init(&loop, 4, 1);
    ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
    ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
}

static unsigned received;

/* Receives until it got bytes. */
static void receive_until(struct ring_op *op, int result, unsigned flags)
{
    int fd = op->fd;

    probe_told(op, result, flags);
    if (result == -ENOBUFS)
        ring_receive(loop.ring, op, receive_until, fd);
    else
        received++;
}

/* One submission queue less one, that, one more, and many times it. */
Test(ring, takes_more_submissions_than_fit)
{
    enum { ENTRIES = 4, PAIRS = 256 };
    static const unsigned counts[] = {ENTRIES - 1, ENTRIES, ENTRIES + 1, PAIRS};
    static struct probe probes[PAIRS];
    static int pairs[PAIRS][2];

    raise_descriptors();
    loop_init(&loop, ENTRIES, PAIRS);
    for (unsigned i = 0; i < PAIRS; i++)
        sockets_pair(SOCKETS_UNIX, pairs[i]);
    for (unsigned round = 0; round < 4; round++) {
        unsigned count = counts[round];
        received = 0;
        for (unsigned i = 0; i < count; i++) {
            probes[i] = (struct probe){.loop = &loop};
            ring_receive(loop.ring, &probes[i].op, receive_until, pairs[i][0]);
        }
        cr_assert_eq(ring_in_flight(loop.ring), count);
        for (unsigned i = count; i-- > 0;) {
            unsigned word = i * 7 + round;
            sockets_write(pairs[i][1], &word, sizeof(word));
        }
        loop_until(&loop, &received, count);
        cr_assert_eq(received, count);
        for (unsigned i = 0; i < count; i++) {
            unsigned word = i * 7 + round;
            cr_assert_eq(probes[i].result, (int)sizeof(word), "%u: %d", i, probes[i].result);
            cr_assert_arr_eq(probes[i].data, (char *)&word, sizeof(word));
        }
        cr_assert_eq(ring_in_flight(loop.ring), 0);
    }
    loop_deinit(&loop);
}

static unsigned ended;

static void count_ended(struct ring_op *op, int result, unsigned flags)
{
    probe_told(op, result, flags);
    ended += !(flags & RING_MORE);
}

/* The kernel keeps what does not fit into its completion queue; each is told once. */
Test(ring, loses_nothing_when_completions_overflow)
{
    enum { POLLS = 5000 };
    struct probe *probes = calloc(POLLS, sizeof(*probes));
    int pair[2];

    cr_assert_not_null(probes);
    sockets_pair(SOCKETS_UNIX, pair);
    loop_init(&loop, 2, 1);
    cr_assert_eq(ring_completions_max(loop.ring), 8);
    for (unsigned i = 0; i < POLLS; i++) {
        probes[i].loop = &loop;
        ring_poll(loop.ring, &probes[i].op, count_ended, pair[0], POLLOUT);
    }
    loop_until(&loop, &ended, POLLS);
    for (unsigned i = 0; i < POLLS; i++) {
        cr_assert_eq(probes[i].completions, 1, "poll %u: %u", i, probes[i].completions);
        cr_assert_eq(probes[i].result, POLLOUT);
    }
    cr_assert_eq(ring_in_flight(loop.ring), 0);
    cr_assert_leq(loop_for(&loop, 30), 2);
    loop_deinit(&loop);
    sockets_close_pair(pair);
    free(probes);
}

/* The same, where all become ready in one instant, long after they were submitted. */
Test(ring, loses_nothing_when_all_become_ready_at_once)
{
    enum { POLLS = 3000 };
    struct probe *probes = calloc(POLLS, sizeof(*probes));
    int pair[2];

    cr_assert_not_null(probes);
    sockets_pair(SOCKETS_UNIX, pair);
    loop_init(&loop, 2, 1);
    for (unsigned i = 0; i < POLLS; i++) {
        probes[i].loop = &loop;
        ring_poll(loop.ring, &probes[i].op, count_ended, pair[0], POLLIN);
    }
    loop_for(&loop, 10);
    cr_assert_eq(ended, 0);
    sockets_write(pair[1], "x", 1);
    loop_until(&loop, &ended, POLLS);
    for (unsigned i = 0; i < POLLS; i++) {
        cr_assert_eq(probes[i].completions, 1);
        cr_assert_eq(probes[i].result, POLLIN);
    }
    loop_deinit(&loop);
    sockets_close_pair(pair);
    free(probes);
}

struct alarm {
    struct ring_timer timer;
    uint64_t deadline_ns;
};

static uint64_t last_ns;
static unsigned alarms;

static void note_alarm(struct ring_timer *timer)
{
    struct alarm *alarm = (struct alarm *)timer;
    uint64_t now_ns = ring_now_ns(loop.ring);

    cr_assert_leq(last_ns, alarm->deadline_ns, "a later deadline came first");
    cr_assert_leq(alarm->deadline_ns, now_ns, "%llu ns too early",
                  (unsigned long long)(alarm->deadline_ns - now_ns));
    /* As late as a busy machine may be. */
    cr_assert_lt(now_ns - alarm->deadline_ns, 1000000000, "%llu ns late",
                 (unsigned long long)(now_ns - alarm->deadline_ns));
    last_ns = alarm->deadline_ns;
    alarms++;
}

Test(ring, calls_timers_in_order_and_in_time)
{
    enum { ALARMS = 100 };
    static struct alarm all[ALARMS];

    loop_init(&loop, 4, 1);
    uint64_t start_ns = ring_now_ns(loop.ring);
    for (unsigned i = 0; i < ALARMS; i++) {
        all[i].deadline_ns = start_ns + 20000000 + i * 37 % ALARMS * UINT64_C(500000);
        ring_timer_arm(loop.ring, &all[i].timer, all[i].deadline_ns, note_alarm);
    }
    ring_timer_disarm(loop.ring, &all[0].timer);
    loop_until(&loop, &alarms, ALARMS - 1);
    cr_assert_leq(loop_for(&loop, 30), 1);
    cr_assert_eq(alarms, ALARMS - 1);
    loop_deinit(&loop);
}

Test(ring, does_not_wait_for_a_deadline_of_the_past)
{
    struct alarm past = {.deadline_ns = 0};

    loop_init(&loop, 4, 1);
    past.deadline_ns = ring_now_ns(loop.ring);
    ring_timer_arm(loop.ring, &past.timer, past.deadline_ns, note_alarm);
    cr_assert_eq(loop_until(&loop, &alarms, 1), 1);
    loop_deinit(&loop);
}

static struct probe armed_late;
static int late_fd;

static void arm_late(struct ring_timer *timer)
{
    ring_poll(loop.ring, &armed_late.op, probe_told, late_fd, POLLOUT);
}

/* What a timer arms is submitted by the next turn. */
Test(ring, takes_operations_from_timers)
{
    struct ring_timer timer = {0};
    int pair[2];

    sockets_pair(SOCKETS_UNIX, pair);
    late_fd = pair[0];
    loop_init(&loop, 4, 1);
    armed_late.loop = &loop;
    ring_timer_arm(loop.ring, &timer, ring_now_ns(loop.ring), arm_late);
    cr_assert_eq(loop_until(&loop, &armed_late.terminals, 1), 2);
    cr_assert_eq(armed_late.result, POLLOUT);
    loop_deinit(&loop);
    sockets_close_pair(pair);
}

static unsigned rounds_left;

/* Arms itself again, from its own handler, which its terminal completion allows. */
static void arm_again(struct ring_op *op, int result, unsigned flags)
{
    int fd = op->fd;

    probe_told(op, result, flags);
    if (--rounds_left > 0)
        ring_poll(loop.ring, op, arm_again, fd, POLLOUT);
}

Test(ring, an_operation_may_be_armed_by_its_own_handler)
{
    struct probe probe = {.loop = &loop};
    int pair[2];

    rounds_left = 1000;
    sockets_pair(SOCKETS_UNIX, pair);
    loop_init(&loop, 1, 1);
    ring_poll(loop.ring, &probe.op, arm_again, pair[0], POLLOUT);
    loop_until(&loop, &probe.terminals, 1000);
    cr_assert_eq(probe.terminals, 1000);
    cr_assert_eq(ring_in_flight(loop.ring), 0);
    loop_deinit(&loop);
    sockets_close_pair(pair);
}

static unsigned freed;

static void free_self(struct ring_op *op, int result, unsigned flags)
{
    cr_assert(!(flags & RING_MORE));
    freed++;
    free(op);
}

Test(ring, an_operation_may_be_freed_by_its_own_handler)
{
    int pair[2];

    sockets_pair(SOCKETS_UNIX, pair);
    loop_init(&loop, 4, 1);
    for (unsigned i = 0; i < 50; i++) {
        struct ring_op *op = calloc(1, sizeof(*op));
        ring_poll(loop.ring, op, free_self, pair[0], POLLOUT);
    }
    loop_until(&loop, &freed, 50);
    loop_deinit(&loop);
    sockets_close_pair(pair);
}

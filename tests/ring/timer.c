/* The pairing heap of deadlines against a sorted list, at random: arming, arming anew, disarming
 * and expiring, with handlers that do all of it themselves and free their own timer.
 *
 * VSLUICE_SEED=N runs that seed alone.
 */
#include "ring/timer.h"
#include "tests/fake/random.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define SEEDS  4000
#define STEPS  200
#define TIMERS 24

struct subject {
    struct ring_timer timer;
    unsigned number;
};

/* The model: the armed timers by deadline. */
struct entry {
    uint64_t deadline_ns;
    unsigned number;
};

static struct {
    uint64_t seed;
    struct random random;
    struct ring_timers timers;
    struct subject *subjects[TIMERS];
    struct entry list[TIMERS];
    unsigned count;
    uint64_t now_ns;
    bool expiring;
    unsigned arms_left; /* in handlers: not for ever at or before now */
} run;

#define must(condition) \
    cr_assert(condition, "seed %llu: %s", (unsigned long long)run.seed, #condition)

static unsigned list_find(unsigned number)
{
    unsigned at = 0;
    while (at < run.count && run.list[at].number != number)
        at++;
    return at;
}

static void list_remove(unsigned number)
{
    unsigned at = list_find(number);
    if (at == run.count)
        return;
    run.count--;
    for (; at < run.count; at++)
        run.list[at] = run.list[at + 1];
}

static void list_insert(unsigned number, uint64_t deadline_ns)
{
    unsigned at = run.count++;
    for (; at > 0 && run.list[at - 1].deadline_ns > deadline_ns; at--)
        run.list[at] = run.list[at - 1];
    run.list[at] = (struct entry){deadline_ns, number};
}

static void expired(struct ring_timer *timer);

static void arm_any(uint64_t deadline_ns)
{
    unsigned number = (unsigned)random_below(&run.random, TIMERS);
    list_remove(number);
    list_insert(number, deadline_ns);
    ring_timers_arm(&run.timers, &run.subjects[number]->timer, deadline_ns, expired);
}

static void disarm_any(void)
{
    unsigned number = (unsigned)random_below(&run.random, TIMERS);
    list_remove(number);
    ring_timers_disarm(&run.timers, &run.subjects[number]->timer);
}

static struct subject *subject_new(unsigned number)
{
    struct subject *subject = calloc(1, sizeof(*subject));
    cr_assert_not_null(subject);
    subject->number = number;
    return subject;
}

static void expired(struct ring_timer *timer)
{
    unsigned number = ((struct subject *)timer)->number;

    must(run.expiring);
    must(!ring_timer_armed(timer));
    must(list_find(number) < run.count);
    must(timer->deadline_ns == run.list[list_find(number)].deadline_ns);
    must(timer->deadline_ns == run.list[0].deadline_ns);
    must(timer->deadline_ns <= run.now_ns);
    list_remove(number);
    must(ring_timers_next(&run.timers) == (run.count ? run.list[0].deadline_ns : UINT64_MAX));

    if (random_permille(&run.random, 200)) {
        run.subjects[number] = subject_new(number);
        free(timer);
    }
    for (unsigned i = (unsigned)random_below(&run.random, 3); i > 0; i--) {
        if (random_permille(&run.random, 400)) {
            disarm_any();
        } else if (run.arms_left > 0) {
            run.arms_left--;
            arm_any(run.now_ns - random_below(&run.random, 3) + random_below(&run.random, 20));
        }
    }
}

static void check(void)
{
    must(ring_timers_next(&run.timers) == (run.count ? run.list[0].deadline_ns : UINT64_MAX));
    for (unsigned i = 0; i < TIMERS; i++) {
        bool armed = list_find(i) < run.count;
        must(ring_timer_armed(&run.subjects[i]->timer) == armed);
    }
}

static void run_seed(uint64_t seed)
{
    run.seed = seed;
    run.random = (struct random){seed};
    run.timers = (struct ring_timers){0};
    run.count = 0;
    run.now_ns = 1000;
    for (unsigned i = 0; i < TIMERS; i++)
        run.subjects[i] = subject_new(i);
    /* Few different deadlines make many equal ones. */
    uint64_t spread = random_size(&run.random, 1000);

    for (unsigned step = 0; step < STEPS; step++) {
        uint64_t kind = random_below(&run.random, 10);
        if (kind < 6) {
            arm_any(run.now_ns + random_below(&run.random, spread));
        } else if (kind < 8) {
            disarm_any();
        } else {
            run.now_ns += random_below(&run.random, spread / 4 + 2);
            run.expiring = true;
            run.arms_left = 50;
            ring_timers_expire(&run.timers, run.now_ns);
            run.expiring = false;
            must(run.count == 0 || run.list[0].deadline_ns > run.now_ns);
        }
        check();
    }
    for (unsigned i = 0; i < TIMERS; i++) {
        ring_timers_disarm(&run.timers, &run.subjects[i]->timer);
        free(run.subjects[i]);
    }
    must(ring_timers_next(&run.timers) == UINT64_MAX);
}

Test(timer, does_as_a_sorted_list_does)
{
    const char *asked = getenv("VSLUICE_SEED");

    if (asked)
        run_seed(strtoull(asked, NULL, 0));
    for (uint64_t seed = 1; !asked && seed <= SEEDS; seed++)
        run_seed(seed);
}

static uint64_t order[1000];
static unsigned order_count;

static void note_order(struct ring_timer *timer)
{
    order[order_count++] = timer->deadline_ns;
}

/* Also the shapes that are worst for the heap: ascending, descending, all equal. */
Test(timer, calls_the_earliest_first)
{
    static struct ring_timer timers[1000];

    for (unsigned shape = 0; shape < 3; shape++) {
        struct ring_timers heap = {0};
        order_count = 0;
        for (unsigned i = 0; i < 1000; i++) {
            uint64_t deadlines[] = {i, 1000 - i, 7};
            ring_timers_arm(&heap, &timers[i], deadlines[shape], note_order);
        }
        ring_timers_expire(&heap, 1000);
        cr_assert_eq(order_count, 1000);
        for (unsigned i = 1; i < 1000; i++)
            cr_assert_leq(order[i - 1], order[i], "shape %u", shape);
    }
}

Test(timer, is_due_at_its_deadline_and_not_before)
{
    struct ring_timers heap = {0};
    struct ring_timer timer = {0};

    ring_timers_arm(&heap, &timer, 100, note_order);
    ring_timers_expire(&heap, 99);
    cr_assert_eq(order_count, 0);
    cr_assert(ring_timer_armed(&timer));
    ring_timers_expire(&heap, 100);
    cr_assert_eq(order_count, 1);
    ring_timers_expire(&heap, 1000);
    cr_assert_eq(order_count, 1);
}

Test(timer, arming_again_moves_it)
{
    struct ring_timers heap = {0};
    struct ring_timer timer = {0};

    ring_timers_arm(&heap, &timer, 100, note_order);
    ring_timers_arm(&heap, &timer, 200, note_order);
    ring_timers_expire(&heap, 150);
    cr_assert_eq(order_count, 0);
    ring_timers_arm(&heap, &timer, 50, note_order);
    cr_assert_eq(ring_timers_next(&heap), 50);
    ring_timers_expire(&heap, 150);
    cr_assert_eq(order_count, 1);
    cr_assert_eq(ring_timers_next(&heap), UINT64_MAX);
}

static struct ring_timers shared;
static struct ring_timer second, third;

static void arm_10_later(struct ring_timer *timer)
{
    note_order(timer);
    ring_timers_arm(&shared, timer, timer->deadline_ns + 10, arm_10_later);
}

/* Also for a deadline that has passed: it is called again, in the same call. */
Test(timer, a_handler_may_arm_its_own)
{
    struct ring_timer timer = {0};

    ring_timers_arm(&shared, &timer, 10, arm_10_later);
    ring_timers_expire(&shared, 45);
    cr_assert_eq(order_count, 4);
    cr_assert_eq(ring_timers_next(&shared), 50);
}

static void stop_the_others(struct ring_timer *timer)
{
    note_order(timer);
    ring_timers_disarm(&shared, &second);
    ring_timers_arm(&shared, &third, 100, note_order);
}

Test(timer, a_handler_may_stop_others_that_are_due)
{
    struct ring_timer timer = {0};

    ring_timers_arm(&shared, &third, 30, note_order);
    ring_timers_arm(&shared, &second, 20, note_order);
    ring_timers_arm(&shared, &timer, 10, stop_the_others);
    ring_timers_expire(&shared, 50);
    cr_assert_eq(order_count, 1);
    ring_timers_expire(&shared, 100);
    cr_assert_eq(order_count, 2);
    cr_assert_eq(order[1], 100);
}

Test(timer, disarming_what_is_not_armed_does_nothing)
{
    struct ring_timers heap = {0};
    struct ring_timer armed = {0};
    struct ring_timer idle = {0};

    ring_timers_disarm(&heap, &idle);
    ring_timers_arm(&heap, &armed, UINT64_MAX - 1, note_order);
    ring_timers_disarm(&heap, &idle);
    cr_assert_eq(ring_timers_next(&heap), UINT64_MAX - 1);
    ring_timers_disarm(&heap, &armed);
    ring_timers_disarm(&heap, &armed);
    cr_assert_eq(ring_timers_next(&heap), UINT64_MAX);
}

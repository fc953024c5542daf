/* Signs of life of the real workers. One hangs where another thread keeps its mailbox locked. */
#include "proxy/workers.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define COUNT      3
#define PATIENT_MS 10000
#define A_WHILE_MS 200
#define STEP_MS    500
#define STEPS_MAX  5

/* Each worker, as its thread begins to turn it (the linker's --wrap). */
static struct worker *turning[COUNT];
static atomic_uint turning_count;
static atomic_bool held; /* none is to turn yet */

int __real_worker_run(struct worker *worker);
int __wrap_worker_run(struct worker *worker);

int __wrap_worker_run(struct worker *worker)
{
    turning[atomic_fetch_add(&turning_count, 1)] = worker;
    while (atomic_load(&held))
        usleep(1000);
    return __real_worker_run(worker);
}

static struct workers *workers;

static void start(void)
{
    struct workers_options options = {.count = COUNT, .descriptors = {.sessions = 30, .pipes = 1}};
    bool refused;

    cr_assert_eq(workers_start(&workers, &options, &refused), 0);
    workers_command(workers, MAILBOX_ACCEPT);
}

static void end(void)
{
    struct sessions_totals totals;
    int error;

    workers_command(workers, MAILBOX_DRAIN);
    workers_command(workers, MAILBOX_END);
    while (workers_running(workers, &error) > 0) {
        struct pollfd event = {.fd = workers_event(workers), .events = POLLIN};
        eventfd_t ends;
        cr_assert_eq(poll(&event, 1, PATIENT_MS), 1);
        eventfd_read(event.fd, &ends);
    }
    cr_assert_eq(error, 0);
    workers_ping(workers);
    cr_assert(workers_answered(workers), "nobody waits for those that have ended");
    workers_free(workers, &totals);
}

TestSuite(workers, .init = start, .fini = end);

static bool told(int wait_ms)
{
    struct pollfd event = {.fd = workers_event(workers), .events = POLLIN};
    eventfd_t tells;

    if (poll(&event, 1, wait_ms) != 1)
        return false;
    eventfd_read(event.fd, &tells);
    return true;
}

static void all_answer(void)
{
    workers_ping(workers);
    cr_assert(told(PATIENT_MS));
    cr_assert(workers_answered(workers));
}

Test(workers, all_answer_each_time)
{
    for (int i = 0; i < 100; i++)
        all_answer();
    cr_assert_not(told(0), "once is enough");
}

Test(workers, one_that_hangs_leaves_it_untold_until_it_turns_again)
{
    all_answer();
    for (int i = 0; i < COUNT; i++) {
        pthread_mutex_lock(&turning[i]->mailbox.mutex);
        workers_ping(workers);
        cr_assert_not(told(A_WHILE_MS), "worker %d hangs", i);
        cr_assert_not(workers_answered(workers));
        pthread_mutex_unlock(&turning[i]->mailbox.mutex);
        cr_assert(told(PATIENT_MS));
        cr_assert(workers_answered(workers));
    }
}

#define MS UINT64_C(1000000)

static struct inquiry *ask(enum inquiry_kind kind, size_t views_max)
{
    struct inquiry_options options = {
        .kind = kind, .reason = REASON_ENDED_BY_OPERATOR, .views_max = views_max};
    struct inquiry *inquiry = inquiry_new(&options, COUNT, NULL, NULL);

    cr_assert_not_null(inquiry);
    workers_ask(workers, inquiry);
    return inquiry;
}

Test(workers, all_answer_inquiries_in_their_order)
{
    struct inquiry *inquiries[20];
    unsigned silent;

    for (int i = 0; i < 20; i++)
        inquiries[i] = ask(i % 2 ? INQUIRY_LIST : INQUIRY_END, i % 3 ? 100 : 0);
    cr_assert(inquiry_wait(inquiries[19], PATIENT_MS * MS, &silent));
    for (int i = 0; i < 20; i++) {
        cr_assert(inquiry_wait(inquiries[i], 0, &silent), "a later one was answered before");
        for (unsigned j = 0; j < COUNT; j++)
            cr_assert_eq(inquiries[i]->parts[j].matching, 0);
        inquiry_unref(inquiries[i]);
    }
}

static void hold(void)
{
    atomic_store(&held, true);
    start();
}

TestSuite(workers_held, .init = hold, .fini = end);

/* Who asks goes on, and the answer that comes late harms nobody. */
Test(workers_held, one_that_hangs_is_named)
{
    unsigned silent = COUNT;
    struct inquiry *waits = ask(INQUIRY_LIST, 100);
    struct inquiry *leaves = ask(INQUIRY_END, 0);

    cr_assert_not(inquiry_wait(waits, A_WHILE_MS * MS, &silent));
    cr_assert_eq(silent, 0);
    inquiry_unref(leaves);
    atomic_store(&held, false);
    cr_assert(inquiry_wait(waits, PATIENT_MS * MS, &silent));
    inquiry_unref(waits);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* All show turns, and do nothing. */
static void *show_turns(void *owner)
{
    atomic_bool *over = owner;

    while (atomic_load(&turning_count) < COUNT)
        usleep(1000);
    for (uint64_t turns = 1; !atomic_load(over); turns++) {
        for (int i = 0; i < COUNT; i++)
            atomic_store(&turning[i]->showing.at[SHOWING_TURNS], turns);
        usleep(10000);
    }
    return NULL;
}

static void expect_silence(struct inquiry *inquiry, bool turns, unsigned steps)
{
    uint64_t started_ns = now_ns();
    unsigned silent = COUNT;
    bool turning_still = !turns;

    cr_assert_not(
        workers_await_answers(workers, inquiry, STEP_MS * MS, STEPS_MAX, &silent, &turning_still));
    cr_assert_eq(silent, 0);
    cr_assert_eq(turning_still, turns);
    uint64_t took_ms = (now_ns() - started_ns) / MS;
    cr_assert(took_ms >= steps * STEP_MS && took_ms < PATIENT_MS, "%ju ms", (uintmax_t)took_ms);
    cr_assert(turns || took_ms < STEPS_MAX * STEP_MS, "it was waited for: %ju ms",
              (uintmax_t)took_ms);
}

/* One that turns has longer than one that stands. */
Test(workers_held, one_that_is_busy_is_waited_for)
{
    struct inquiry *inquiry = ask(INQUIRY_LIST, 100);
    atomic_bool over = false;
    pthread_t thread;
    unsigned silent;
    bool turns;

    expect_silence(inquiry, false, 2);
    cr_assert_eq(pthread_create(&thread, NULL, show_turns, &over), 0);
    expect_silence(inquiry, true, STEPS_MAX);
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    atomic_store(&held, false);
    cr_assert(workers_await_answers(workers, inquiry, PATIENT_MS * MS, 1, &silent, &turns));
    inquiry_unref(inquiry);
}

/* One that ends answers what it was asked. */
Test(workers_held, those_that_end_answer)
{
    unsigned silent;
    struct inquiry *inquiry = ask(INQUIRY_LIST, 100);

    workers_command(workers, MAILBOX_DRAIN);
    workers_command(workers, MAILBOX_END);
    atomic_store(&held, false);
    cr_assert(inquiry_wait(inquiry, PATIENT_MS * MS, &silent));
    inquiry_unref(inquiry);
}

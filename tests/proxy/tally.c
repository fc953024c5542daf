/* What is counted of sessions: bytes by worker, ends, and times at their bounds. */
#include "proxy/tally.h"

#include <criterion/criterion.h>
#include <pthread.h>

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

Test(tally, times_stand_at_the_first_bound_that_they_keep)
{
    struct times times;

    times_init(&times, &times_of_sessions);
    times_add(&times, 0);
    times_add(&times, MS);
    times_add(&times, MS + 1);
    times_add(&times, 10000 * S);
    times_add(&times, 10001 * S);
    cr_assert_eq(times.counts[0], 2);
    cr_assert_eq(times.counts[1], 1);
    cr_assert_eq(times.counts[times_of_sessions.count - 1], 1);
    cr_assert_eq(times.counts[times_of_sessions.count], 1);
    cr_assert_eq(times.sum_ns, 2 * MS + 1 + 20001 * S);
}

static void check_bounds(const struct times_bounds *bounds)
{
    cr_assert_leq(bounds->count, (unsigned)TIMES_BOUNDS_MAX);
    for (unsigned i = 1; i < bounds->count; i++)
        cr_assert_lt(bounds->ns[i - 1], bounds->ns[i]);
    cr_assert_gt(bounds->ns[0], 0);
}

Test(tally, bounds_rise)
{
    check_bounds(&times_of_waits);
    check_bounds(&times_of_sessions);
}

Test(tally, an_end_is_counted_with_its_reason_and_time)
{
    struct tally tally;

    cr_assert(tally_init(&tally, 1));
    tally_add_end(&tally, REASON_DONE, 2 * MS);
    tally_add_end(&tally, REASON_DONE, MS);
    tally_add_end(&tally, REASON_TARGET_RESET, 0);
    cr_assert_eq(tally.ended[REASON_DONE], 2);
    cr_assert_eq(tally.ended[REASON_TARGET_RESET], 1);
    cr_assert_eq(tally.lasting.counts[0], 2);
    cr_assert_eq(tally.lasting.sum_ns, 3 * MS);
    tally_deinit(&tally);
}

#define WORKERS 4
#define ROUNDS  100000

static struct tally shared;
static atomic_bool over;

static void *work(void *argument)
{
    unsigned worker = (unsigned)(uintptr_t)argument;

    for (unsigned i = 0; i < ROUNDS; i++) {
        tally_add_bytes(&shared, worker, TALLY_THERE, 3);
        tally_add_bytes(&shared, worker, TALLY_BACK, UINT32_MAX);
    }
    return NULL;
}

static void *watch(void *argument)
{
    uint64_t *ret_fell = argument;
    uint64_t latest = 0;

    while (!atomic_load(&over)) {
        uint64_t now = tally_bytes(&shared, TALLY_THERE);
        *ret_fell += now < latest;
        latest = now;
    }
    return NULL;
}

Test(tally, bytes_of_all_workers_are_summed_and_never_fall)
{
    pthread_t threads[WORKERS];
    pthread_t watcher;
    uint64_t fell = 0;

    cr_assert(tally_init(&shared, WORKERS));
    cr_assert_eq((uintptr_t)&shared.bytes[1] % TALLY_LINE_BYTES, 0);
    cr_assert_eq(sizeof(shared.bytes[0]), TALLY_LINE_BYTES);
    pthread_create(&watcher, NULL, watch, &fell);
    for (uintptr_t i = 0; i < WORKERS; i++)
        pthread_create(&threads[i], NULL, work, (void *)i);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&over, true);
    pthread_join(watcher, NULL);
    cr_assert_eq(fell, 0);
    cr_assert_eq(tally_bytes(&shared, TALLY_THERE), 3ULL * WORKERS * ROUNDS);
    cr_assert_eq(tally_bytes(&shared, TALLY_BACK), (uint64_t)UINT32_MAX * WORKERS * ROUNDS);
    tally_deinit(&shared);
}

/* First in, first out, whatever the growth, up to the bound. */
#include "perf/queue.h"

#include <criterion/criterion.h>

Test(perf_queue, first_in_first_out)
{
    struct queue queue = {0};

    for (uint64_t i = 0; i < 1000; i++)
        cr_assert(queue_push(&queue, i));
    cr_expect_eq(queue.count, 1000);
    for (uint64_t i = 0; i < 1000; i++)
        cr_assert_eq(queue_pop(&queue), i);
    cr_expect_eq(queue.count, 0);
    queue_deinit(&queue);
}

/* Grows while it is wrapped around, at every place of its first element. */
Test(perf_queue, grows_where_it_is_wrapped)
{
    for (uint64_t offset = 0; offset < 40; offset++) {
        struct queue queue = {0};
        uint64_t in = 0, out = 0;

        for (; in < offset; in++) {
            cr_assert(queue_push(&queue, in));
            cr_assert_eq(queue_pop(&queue), out++);
        }
        for (unsigned i = 0; i < 100; i++)
            cr_assert(queue_push(&queue, in++));
        while (queue.count > 0)
            cr_assert_eq(queue_pop(&queue), out++);
        cr_expect_eq(in, out);
        queue_deinit(&queue);
    }
}

Test(perf_queue, stays_small_where_little_waits)
{
    struct queue queue = {0};

    for (uint64_t i = 0; i < 100000; i++) {
        cr_assert(queue_push(&queue, i));
        cr_assert(queue_push(&queue, i));
        queue_pop(&queue);
        queue_pop(&queue);
    }
    cr_expect_leq(queue.room, 16);
    queue_deinit(&queue);
}

/* One less than the bound, the bound, one more; and it goes on after. */
Test(perf_queue, bound)
{
    struct queue queue = {0};

    for (uint64_t i = 0; i < QUEUE_MAX; i++)
        cr_assert(queue_push(&queue, i));
    cr_expect_not(queue_push(&queue, 1));
    cr_expect_eq(queue.count, QUEUE_MAX);
    cr_expect_eq(queue_pop(&queue), 0);
    cr_expect(queue_push(&queue, QUEUE_MAX));
    cr_expect_not(queue_push(&queue, 1));
    for (uint64_t i = 1; i <= QUEUE_MAX; i++)
        cr_assert_eq(queue_pop(&queue), i);
    queue_deinit(&queue);
}

Test(perf_queue, empty_again_after_deinit)
{
    struct queue queue = {0};

    queue_push(&queue, 1);
    queue_deinit(&queue);
    cr_expect_eq(queue.count, 0);
    cr_expect(queue_push(&queue, 2));
    cr_expect_eq(queue_pop(&queue), 2);
    queue_deinit(&queue);
}

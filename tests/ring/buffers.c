/* The receive buffers: grown while they are held, limited, and given back to the kernel. */
#include "ring/buffers.h"
#include "tests/ring/loop.h"
#include "tests/ring/sockets.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#define HELD_MAX (RING_BUFFERS_IDLE + 300)

static struct loop loop;
static struct probe probe;
static int pair[2];
static unsigned held[HELD_MAX];

static void start(unsigned buffers_max)
{
    loop_init(&loop, 8, buffers_max);
    probe = (struct probe){.loop = &loop, .hold = true};
    sockets_pair(SOCKETS_UNIX, pair);
}

static void finish(void)
{
    loop_deinit(&loop);
    sockets_close_pair(pair);
}

/* One word in, by a buffer that stays held; -ENOBUFS means to try again, once. */
static int receive_word(unsigned word)
{
    sockets_write(pair[1], &word, sizeof(word));
    ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
    int result = probe_end(&probe);
    if (result == -ENOBUFS) {
        ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
        result = probe_end(&probe);
    }
    return result;
}

/* Holds so many, each with a word of its own. */
static void hold(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        cr_assert_eq(receive_word(i * 31), (int)sizeof(i), "buffer %u: %d", i, probe.result);
        held[i] = probe.buffer;
        cr_assert_eq(ring_buffers_held(loop.ring), i + 1);
    }
}

/* No two of them are the same memory. */
static void expect_words(unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned word;
        memcpy(&word, ring_buffer(loop.ring, held[i]), sizeof(word));
        cr_assert_eq(word, i * 31, "buffer %u", i);
    }
}

static void return_all(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        ring_buffer_return(loop.ring, held[i]);
    cr_assert_eq(ring_buffers_held(loop.ring), 0);
}

/* So long that what nobody needed meanwhile is known. */
static void pass_reviews(void)
{
    for (unsigned i = 0; i < 3; i++)
        loop_for(&loop, BUFFERS_REVIEW_NS / 1000000 + 10);
}

/* How many of those that were held last have memory. */
static unsigned resident(unsigned count)
{
    unsigned found = 0;

    for (unsigned i = 0; i < count; i++) {
        unsigned char page;
        cr_assert_eq(mincore(ring_buffer(loop.ring, held[i]), 4096, &page), 0);
        found += page & 1;
    }
    return found;
}

Test(buffers, more_are_added_while_they_are_held)
{
    start(HELD_MAX);
    hold(HELD_MAX);
    expect_words(HELD_MAX);
    return_all(HELD_MAX);
    hold(HELD_MAX);
    expect_words(HELD_MAX);
    return_all(HELD_MAX);
    finish();
}

/* One at a time: none more than at first are ever needed, and -ENOBUFS is never seen. */
Test(buffers, few_circulate)
{
    static bool seen[HELD_MAX];
    unsigned different = 0;

    start(HELD_MAX);
    probe.hold = false;
    for (unsigned i = 0; i < 10 * RING_BUFFERS_IDLE; i++) {
        sockets_write(pair[1], "x", 1);
        ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
        cr_assert_eq(probe_end(&probe), 1);
        different += !seen[probe.buffer];
        seen[probe.buffer] = true;
    }
    cr_assert_leq(different, RING_BUFFERS_IDLE);
    finish();
}

Test(buffers, none_free_is_told_once_and_then_there_is_one)
{
    start(HELD_MAX);
    hold(RING_BUFFERS_IDLE);
    sockets_write(pair[1], "x", 1);
    ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
    cr_assert_eq(probe_end(&probe), -ENOBUFS);
    ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
    cr_assert_eq(probe_end(&probe), 1);
    ring_buffer_return(loop.ring, probe.buffer);
    return_all(RING_BUFFERS_IDLE);
    finish();
}

/* What one receive after the other returns is kept without memory, until as many circulate as at
 * first. */
Test(buffers, memory_goes_back_to_the_kernel)
{
    start(HELD_MAX);
    hold(HELD_MAX);
    cr_assert_eq(resident(HELD_MAX), HELD_MAX);
    return_all(HELD_MAX);
    pass_reviews();
    for (unsigned i = 0; i < 2 * HELD_MAX; i++) {
        sockets_write(pair[1], "x", 1);
        ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
        cr_assert_eq(probe_end(&probe), 1, "%u: too many were kept: %d", i, probe.result);
        ring_buffer_return(loop.ring, probe.buffer);
    }
    unsigned left = resident(HELD_MAX);
    cr_assert_leq(left, RING_BUFFERS_IDLE, "%u are left", left);

    hold(HELD_MAX);
    expect_words(HELD_MAX);
    return_all(HELD_MAX);
    finish();
}

/* What is in use is not faulted in all the time: neither what is held over a review, nor what is
 * held for moments between one review and the next. */
Test(buffers, what_is_in_use_keeps_its_memory)
{
    start(HELD_MAX);
    hold(HELD_MAX);
    pass_reviews();
    return_all(HELD_MAX);
    cr_assert_eq(resident(HELD_MAX), HELD_MAX);
    for (unsigned round = 0; round < 6; round++) {
        loop_for(&loop, BUFFERS_REVIEW_NS / 1000000 * 6 / 10);
        hold(HELD_MAX);
        return_all(HELD_MAX);
        cr_assert_eq(resident(HELD_MAX), HELD_MAX, "round %u: %u", round, resident(HELD_MAX));
    }
    finish();
}

/* One, around what circulates at first, and what is no power of two. */
Test(buffers, at_the_limit_the_handler_is_told)
{
    static const unsigned limits[] = {
        1, 2, 3, RING_BUFFERS_IDLE - 1, RING_BUFFERS_IDLE, RING_BUFFERS_IDLE + 1, 100,
    };

    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        unsigned limit = limits[i];
        start(limit);
        hold(limit);
        cr_assert_eq(receive_word(4711), -ENOMEM, "limit %u: %d", limit, probe.result);
        expect_words(limit);
        ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
        cr_assert_eq(probe_end(&probe), -ENOMEM, "limit %u", limit);
        cr_assert_eq(ring_buffers_held(loop.ring), limit);

        ring_buffer_return(loop.ring, held[0]);
        ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
        cr_assert_eq(probe_end(&probe), (int)sizeof(unsigned), "limit %u", limit);
        held[0] = probe.buffer;
        return_all(limit);
        finish();
    }
}

/* A buffer is taken when there are bytes: more may wait than there are buffers. */
Test(buffers, waiting_takes_none)
{
    enum { WAITING = 50 };
    static struct probe waiting[WAITING];
    int pairs[WAITING][2];

    start(1);
    for (unsigned i = 0; i < WAITING; i++) {
        waiting[i] = (struct probe){.loop = &loop};
        sockets_pair(i % 2 ? SOCKETS_TCP : SOCKETS_UNIX, pairs[i]);
        ring_receive(loop.ring, &waiting[i].op, probe_told, pairs[i][0]);
    }
    loop_for(&loop, 10);
    for (unsigned i = 0; i < WAITING; i++) {
        cr_assert_eq(waiting[i].completions, 0, "%d", waiting[i].result);
        sockets_write(pairs[i][1], &i, sizeof(i));
        cr_assert_eq(probe_end(&waiting[i]), (int)sizeof(i));
        cr_assert_arr_eq(waiting[i].data, (char *)&i, sizeof(i));
        sockets_close_pair(pairs[i]);
    }
    finish();
}

Test(buffers, a_buffer_is_returned_once, .signal = SIGABRT)
{
    start(4);
    hold(1);
    ring_buffer_return(loop.ring, held[0]);
    ring_buffer_return(loop.ring, held[0]);
}

Test(buffers, a_held_buffer_keeps_the_ring, .signal = SIGABRT)
{
    start(4);
    hold(1);
    ring_free(loop.ring);
}

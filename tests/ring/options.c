/* What a ring can be asked for. */
#include "tests/ring/loop.h"
#include "tests/ring/sockets.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MS UINT64_C(1000000)

static struct loop loop;
static struct probe probe;

/* Bytes for one buffer and 100 more. */
static void fill_two_buffers(size_t bytes)
{
    char *word = malloc(bytes + 100);
    unsigned buffers[2];
    int pair[2];

    loop_init_with(&loop, &(struct ring_options){.buffers_max = 4, .buffer_bytes = bytes});
    probe = (struct probe){.loop = &loop, .hold = true};
    sockets_pair(SOCKETS_UNIX, pair);
    memset(word, 'a', bytes);
    memset(word + bytes, 'b', 100);
    sockets_write(pair[1], word, bytes + 100);
    for (unsigned n = 0; n < 2; n++) {
        ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
        cr_assert_eq(probe_end(&probe), n ? 100 : (int)bytes);
        buffers[n] = probe.buffer;
    }
    cr_assert_arr_eq(ring_buffer(loop.ring, buffers[0]), word, bytes);
    cr_assert_arr_eq(ring_buffer(loop.ring, buffers[1]), word + bytes, 100);
    ring_buffer_return(loop.ring, buffers[0]);
    ring_buffer_return(loop.ring, buffers[1]);
    loop_deinit(&loop);
    sockets_close_pair(pair);
    free(word);
}

Test(options, buffer_bytes)
{
    fill_two_buffers(4096);
    fill_two_buffers(16 * 1024);
    fill_two_buffers(128 * 1024);
}

static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000 * MS + (uint64_t)now.tv_nsec;
}

/* Turns for 60 ms; what was slept through takes no processor time. */
static unsigned turns_for_60_ms(uint64_t spin_ns, uint64_t *ret_cpu_ns)
{
    loop_init_with(&loop, &(struct ring_options){.buffers_max = 1, .spin_ns = spin_ns});
    uint64_t before_ns = cpu_ns();
    unsigned turns = loop_for(&loop, 60);
    *ret_cpu_ns = cpu_ns() - before_ns;
    loop_deinit(&loop);
    return turns;
}

Test(options, spin_ns)
{
    uint64_t cpu;

    cr_assert_leq(turns_for_60_ms(0, &cpu), 2);
    cr_assert_lt(cpu, 20 * MS);
    /* Only the last millisecond. */
    turns_for_60_ms(MS, &cpu);
    cr_assert_lt(cpu, 20 * MS, "it spun for %llu us", (unsigned long long)cpu / 1000);
    unsigned turns = turns_for_60_ms(1000 * MS, &cpu);
    cr_assert_gt(turns, 50, "%u turns", turns);
}

/* Events come while it spins. */
Test(options, spinning_takes_events)
{
    int pair[2];

    loop_init_with(&loop, &(struct ring_options){.buffers_max = 4, .spin_ns = 60000 * MS});
    probe = (struct probe){.loop = &loop};
    sockets_pair(SOCKETS_UNIX, pair);
    for (unsigned i = 0; i < 100; i++) {
        ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
        loop_for(&loop, 0);
        sockets_write(pair[1], "x", 1);
        cr_assert_eq(probe_end(&probe), 1);
    }
    loop_deinit(&loop);
    sockets_close_pair(pair);
}

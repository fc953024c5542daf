/* The fake as a whole: its making, its randomness and virtual time, its words, and the checks at
 * the end. */
#include "tests/fake/internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct fake *fake_current;

void *fake_allocate(size_t bytes)
{
    void *memory = calloc(1, bytes ? bytes : 1);
    if (!memory) {
        fputs("fake ring: out of memory\n", stderr);
        abort();
    }
    return memory;
}

static void say(const struct fake *fake, const char *prefix, const char *format, va_list arguments)
{
    fprintf(stderr, "%s%12.6f ms: ", prefix, (double)fake->now_ns / 1e6);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
}

void fake_fail(struct fake *fake, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(fake, "fake ring: FAILED at ", format, arguments);
    va_end(arguments);
    fprintf(stderr, "fake ring: seed %llu\n", (unsigned long long)fake->seed);
    abort();
}

void fake_note(struct fake *fake, const char *format, ...)
{
    if (!fake->trace)
        return;
    va_list arguments;
    va_start(arguments, format);
    say(fake, "", format, arguments);
    va_end(arguments);
}

struct fake *fake_new(const struct fake_options *options)
{
    struct fake *fake = fake_allocate(sizeof(*fake));
    unsigned max = options->buffers_max;

    fake->seed = options->seed;
    fake->random.state = options->seed;
    fake->faults = options->faults;
    fake->trace = options->trace;
    fake->now_ns = 1000000000;
    fake->ring = (struct ring){
        .fake = fake,
        .now_ns = fake->now_ns,
        .buffer_bytes = options->buffer_bytes,
        .buffers_max = max && max < RING_BUFFERS_LIMIT ? max : RING_BUFFERS_LIMIT,
        .flights_last = &fake->ring.flights,
        .completions_last = &fake->ring.completions,
    };
    fake->ring.buffers_circulating = max && max < RING_BUFFERS_IDLE ? max : RING_BUFFERS_IDLE;
    fake->ring.buffers = fake_allocate(fake->ring.buffers_max * sizeof(struct held));
    if (fake_current)
        fake_fail(fake_current, "two fakes at a time");
    fake_current = fake;
    return fake;
}

static void check_nothing_left(struct fake *fake)
{
    struct ring *ring = &fake->ring;

    if (ring->in_flight)
        fake_fail(fake, "%u operations are still in flight, the first is on descriptor %d",
                  ring->in_flight, ring->flights->copy.fd);
    if (ring->buffers_held)
        fake_fail(fake, "%u buffers were not returned", ring->buffers_held);
    if (ring_timers_next(&ring->timers) != UINT64_MAX)
        fake_fail(fake, "a timer is still armed");
    if (fake->pipes_open)
        fake_fail(fake, "%u pipes were not deinitialized", fake->pipes_open);
    for (unsigned i = 0; i < fake->descriptor_count; i++)
        if (fake->descriptors[i]->open)
            fake_fail(fake, "descriptor %d was not closed", fake->descriptors[i]->fd);
}

void fake_free(struct fake *fake)
{
    check_nothing_left(fake);
    ends_free(fake);
    targets_free(fake);
    descriptors_free(fake);
    pipes_free(fake);
    net_free(fake);
    free(fake->ring.buffers);
    free(fake);
    fake_current = NULL;
}

struct ring *fake_ring(struct fake *fake)
{
    return &fake->ring;
}

uint64_t fake_now_ns(const struct fake *fake)
{
    return fake->now_ns;
}

uint64_t fake_random(struct fake *fake)
{
    return random_next(&fake->random);
}

unsigned fake_injected(const struct fake *fake)
{
    return fake->injected;
}

unsigned fake_turns(const struct fake *fake)
{
    return fake->ring.turns;
}

unsigned fake_receives(const struct fake *fake)
{
    return fake->ring.receives;
}

unsigned fake_descriptors(const struct fake *fake)
{
    return fake->descriptors_open;
}

unsigned fake_pipes(const struct fake *fake)
{
    return fake->pipes_open;
}

unsigned fake_pipes_spilt(const struct fake *fake)
{
    return fake->pipes_spilt;
}

void fake_peer_process(struct fake *fake, int pid)
{
    fake->peer_process = pid;
}

void fake_set_faults(struct fake *fake, const struct fake_faults *faults)
{
    fake->faults = *faults;
}

void fake_event(struct fake *fake, struct ring_timer *timer, uint64_t after_ns,
                ring_timer_handler *handler)
{
    ring_timers_arm(&fake->events, timer, fake->now_ns + after_ns, handler);
}

uint64_t fake_delay_ns(struct fake *fake)
{
    if (!fake->faults.delay_ns_max || random_permille(&fake->random, 400))
        return 0;
    return random_size(&fake->random, fake->faults.delay_ns_max);
}

bool fake_fault(struct fake *fake, unsigned permille)
{
    return random_permille(&fake->random, permille);
}

bool fake_fault_ends(struct fake *fake, unsigned permille, const char *name)
{
    if (!random_permille(&fake->random, permille))
        return false;
    fake->injected++;
    fake_note(fake, "injected: %s", name);
    return true;
}

bool fake_run(struct fake *fake, bool (*done)(void *context), void *context, uint64_t until_ns)
{
    while (!done(context)) {
        if (fake->now_ns >= until_ns)
            return false;
        if (ring_turn(&fake->ring) < 0)
            fake_fail(fake, "the ring broke");
    }
    return true;
}

/* The ring of a test, and its probes. */
#include "tests/ring/loop.h"

#include <criterion/criterion.h>
#include <string.h>

#define QUIET_MS 30

static bool turning;

void loop_init_with(struct loop *loop, const struct ring_options *options)
{
    *loop = (struct loop){0};
    int error = ring_new(&loop->ring, options);
    cr_assert_eq(error, 0, "ring_new: %s", strerror(-error));
}

void loop_init(struct loop *loop, unsigned entries, unsigned buffers_max)
{
    loop_init_with(loop, &(struct ring_options){.entries = entries, .buffers_max = buffers_max});
}

void loop_deinit(struct loop *loop)
{
    cr_assert_eq(ring_in_flight(loop->ring), 0);
    cr_assert_eq(ring_buffers_held(loop->ring), 0);
    ring_free(loop->ring);
}

void loop_turn(struct loop *loop)
{
    turning = true;
    int error = ring_turn(loop->ring);
    turning = false;
    cr_assert_eq(error, 0, "ring_turn: %s", strerror(-error));
}

static void expire(struct ring_timer *timer)
{
    struct loop *loop = (struct loop *)((char *)timer - offsetof(struct loop, timer));
    loop->expired = true;
}

static void set_time(struct loop *loop, unsigned ms)
{
    loop->expired = false;
    ring_timer_arm(loop->ring, &loop->timer, ring_now_ns(loop->ring) + ms * UINT64_C(1000000),
                   expire);
}

unsigned loop_until(struct loop *loop, const unsigned *count, unsigned at_least)
{
    unsigned turns = 0;

    set_time(loop, LOOP_PATIENCE_MS);
    for (; *count < at_least; turns++) {
        cr_assert(!loop->expired, "only %u of %u completions came", *count, at_least);
        loop_turn(loop);
    }
    ring_timer_disarm(loop->ring, &loop->timer);
    return turns;
}

unsigned loop_for(struct loop *loop, unsigned ms)
{
    unsigned turns = 0;

    /* ring_now_ns() is of the last turn, which may be long ago. */
    set_time(loop, 0);
    loop_turn(loop);
    set_time(loop, ms);
    for (; !loop->expired; turns++)
        loop_turn(loop);
    return turns;
}

void probe_told(struct ring_op *op, int result, unsigned flags)
{
    struct probe *probe = (struct probe *)op;
    bool more = flags & RING_MORE;

    cr_assert(turning, "a handler ran outside of ring_turn()");
    cr_assert_eq(op->in_flight, more);
    probe->completions++;
    probe->terminals += !more;
    probe->result = result;
    if (result > 0) {
        probe->events |= result;
        probe->bytes += (size_t)result;
    }
    if (!(flags & RING_BUFFER))
        return;
    cr_assert_gt(result, 0, "a buffer came without bytes");
    probe->buffer = ring_flags_buffer(flags);
    size_t length = result < PROBE_BYTES ? (size_t)result : PROBE_BYTES;
    memcpy(probe->data, ring_buffer(probe->loop->ring, probe->buffer), length);
    if (!probe->hold)
        ring_buffer_return(probe->loop->ring, probe->buffer);
}

int probe_end(struct probe *probe)
{
    unsigned terminals = probe->terminals;

    loop_until(probe->loop, &probe->terminals, terminals + 1);
    cr_assert_eq(probe->terminals, terminals + 1);
    cr_assert(!probe->op.in_flight);
    return probe->result;
}

int probe_cancel(struct probe *probe)
{
    struct probe cancel = {.loop = probe->loop};
    unsigned terminals = probe->terminals;

    ring_cancel(probe->loop->ring, &cancel.op, probe_told, probe->op.fd);
    loop_until(probe->loop, &cancel.terminals, 1);
    loop_until(probe->loop, &probe->terminals, terminals + 1);
    return probe->result;
}

void probe_expect_quiet(struct probe *probe)
{
    unsigned completions = probe->completions;
    unsigned in_flight = ring_in_flight(probe->loop->ring);

    loop_for(probe->loop, QUIET_MS);
    cr_assert_eq(probe->completions, completions, "told %d", probe->result);
    cr_assert_eq(ring_in_flight(probe->loop->ring), in_flight);
}

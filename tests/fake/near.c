/* One connection and its operation. */
#include "tests/fake/near.h"

#include <poll.h>

const struct fake_faults near_faults = {
    .short_receive = 200,
    .short_send = 200,
    .send_again = 100,
    .receive_again = 100,
    .interrupted = 50,
    .no_buffers = 50,
    .late_cancel = 500,
    .gave_up = 50,
    .pieces = 300,
    .slow = 200,
    .delay_ns_max = MS,
};

void near_told(struct ring_op *op, int result, unsigned flags)
{
    struct near *near = (void *)((char *)op - offsetof(struct near, op));

    near->over = !(flags & RING_MORE);
    near->result = result;
    if (flags & RING_BUFFER)
        ring_buffer_return(near->ring, ring_flags_buffer(flags));
}

static void tick(struct ring_timer *timer)
{
}

void near_pass(struct near *near, uint64_t ns)
{
    struct ring_timer timer = {0};
    uint64_t until_ns = fake_now_ns(near->fake) + ns;

    ring_timer_arm(near->ring, &timer, until_ns, tick);
    while (fake_now_ns(near->fake) < until_ns)
        ring_turn(near->ring);
    ring_timer_disarm(near->ring, &timer);
}

void near_init_with(struct near *near, const struct fake_options *options, enum fake_kind kind,
                    const struct fake_script *script)
{
    *near = (struct near){.fake = fake_new(options)};
    near->ring = fake_ring(near->fake);
    near->far = fake_accepted(near->fake, kind, script, &near->fd, &near->fd_write);
    near_pass(near, 10 * MS);
}

void near_init(struct near *near, enum fake_kind kind, uint64_t bytes)
{
    struct fake_script script = {
        .bytes = bytes,
        .stream = 1,
        .after_bytes = FAKE_LEAVE_NOT,
        .stay = true,
        .room_from = 4000,
        .room_to = 4000,
    };
    near_init_with(near, &(struct fake_options){.seed = 3}, kind, &script);
}

void near_deinit(struct near *near)
{
    ring_socket_close(near->fd);
    if (near->fd_write != near->fd)
        ring_socket_close(near->fd_write);
    fake_free(near->fake);
}

void near_leave(struct near *near, enum fake_leave leave)
{
    fake_end_leave(near->far, leave);
    near_pass(near, 10 * MS);
}

int near_wait(struct near *near)
{
    near->over = false;
    while (!near->over)
        ring_turn(near->ring);
    return near->result;
}

int near_receive(struct near *near)
{
    if (near->fd != near->fd_write)
        ring_read(near->ring, &near->op, near_told, near->fd);
    else
        ring_receive(near->ring, &near->op, near_told, near->fd);
    return near_wait(near);
}

int near_send(struct near *near, size_t length)
{
    static char bytes[100000];

    ring_send(near->ring, &near->op, near_told, near->fd, bytes, length);
    return near_wait(near);
}

int near_events(struct near *near, unsigned asked)
{
    ring_poll(near->ring, &near->op, near_told, near->fd, asked | POLLIN);
    return near_wait(near);
}

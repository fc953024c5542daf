/* Pipes in memory, from one socket to another. */
#include "ring/pipe.h"

#include "tests/fake/near.h"
#include "tests/fake/random.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>

#define SEEDS 300
#define BYTES 40000
#define PAGE  4096

static const struct fake_faults all_faults = {
    .short_receive = 200,
    .short_send = 200,
    .send_again = 100,
    .receive_again = 100,
    .interrupted = 50,
    .pieces = 300,
    .small_pipes = 500,
    .no_pipes = 300,
    .slow = 200,
    .delay_ns_max = MS,
};

/* What is seen on the way over all seeds. */
struct seen {
    unsigned no_pipe;
    unsigned
        fill_short; /* less than there was room and were bytes for is short; here: than asked */
    unsigned fill_again;
    unsigned drain_short;
    unsigned drain_again;
    size_t held_max;
};

/* Through one pipe from a far end to another, as a lane would. */
static void relay(uint64_t seed, struct seen *seen)
{
    struct fake_options options = {.seed = seed, .faults = all_faults};
    struct fake_script from = {.bytes = BYTES, .stream = 1, .after_bytes = FAKE_HALF_CLOSE};
    struct fake_script to = {.expected = 1, .stay = true, .read_pause_ns_max = MS};
    struct ring_pipe pipe;
    struct near near;
    int sink, sink_write;

    from.stay = true;
    near_init_with(&near, &options, (enum fake_kind)(seed % 3), &from);
    struct fake_end *end =
        fake_accepted(near.fake, (enum fake_kind)(seed / 3 % 3), &to, &sink, &sink_write);
    while (ring_pipe_init(&pipe, 4 * PAGE) < 0)
        seen->no_pipe++;
    cr_assert_eq(fake_pipes(near.fake), 1);
    for (ssize_t count = 1; count != 0 || pipe.bytes;) {
        size_t most = random_size(&(struct random){.state = fake_random(near.fake)}, 4 * PAGE);
        size_t before = pipe.bytes;
        count = ring_pipe_fill(&pipe, near.fd, most);
        cr_assert(count >= 0 || count == -EAGAIN || count == -EINTR, "%zd", count);
        cr_assert_eq(pipe.bytes, before + (size_t)(count > 0 ? count : 0));
        seen->fill_short += count > 0 && (size_t)count < most;
        seen->fill_again += count == -EAGAIN;
        seen->held_max = pipe.bytes > seen->held_max ? pipe.bytes : seen->held_max;
        if (pipe.bytes == 0) {
            if (count == -EAGAIN)
                near_events(&near, POLLIN);
            continue;
        }
        before = pipe.bytes;
        ssize_t drained = ring_pipe_drain(&pipe, sink);
        cr_assert(drained > 0 || drained == -EAGAIN || drained == -EINTR, "%zd", drained);
        cr_assert_eq(pipe.bytes, before - (size_t)(drained > 0 ? drained : 0));
        seen->drain_short += drained > 0 && pipe.bytes;
        seen->drain_again += drained == -EAGAIN;
        if (drained == -EAGAIN)
            near_pass(&near, MS / 10);
    }
    ring_pipe_deinit(&pipe);
    cr_assert_eq(fake_pipes(near.fake), 0);
    cr_assert_eq(fake_injected(near.fake), 0);
    near_pass(&near, 1000 * MS);
    cr_assert_eq(fake_end_record(end)->read, BYTES);
    ring_socket_close(sink);
    near_deinit(&near);
}

Test(fake_pipe, bytes_come_through_whole)
{
    struct seen seen = {0};

    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        relay(seed, &seen);
    cr_assert_gt(seen.no_pipe, SEEDS / 10);
    cr_assert_gt(seen.fill_short, SEEDS);
    cr_assert_gt(seen.fill_again, SEEDS);
    cr_assert_gt(seen.drain_short, SEEDS);
    cr_assert_gt(seen.drain_again, SEEDS);
    cr_assert_gt(seen.held_max, 4 * PAGE); /* of large pieces */
}

/* Sixteen slots, each with a few bytes in it: the socket has more, and the pipe takes no more. */
Test(fake_pipe, small_pieces_fill_it)
{
    struct fake_options options = {.seed = 1, .faults = {.pieces = 1000}};
    struct fake_script script = {.bytes = 10000, .stream = 1, .stay = true};
    struct ring_pipe pipe;
    struct near near;
    ssize_t count;

    near_init_with(&near, &options, FAKE_TCP, &script);
    cr_assert_eq(ring_pipe_init(&pipe, 16 * PAGE), 0);
    while ((count = ring_pipe_fill(&pipe, near.fd, 16 * PAGE)) > 0)
        ;
    cr_assert_eq(count, -EAGAIN);
    cr_assert(pipe.bytes >= 16 && pipe.bytes <= 16 * 64, "%zu", pipe.bytes);
    cr_assert(near_events(&near, 0) & POLLIN);
    ring_pipe_deinit(&pipe);
    cr_assert_eq(fake_pipes_spilt(near.fake), 1);
    near_deinit(&near);
}

/* A full pipe is full before the socket is looked at. */
Test(fake_pipe, full_at_the_end)
{
    struct ring_pipe pipe;
    struct near near;

    near_init(&near, FAKE_UNIX, 1);
    cr_assert_eq(ring_pipe_init(&pipe, PAGE), 0);
    cr_assert_eq(ring_pipe_fill(&pipe, near.fd, 10), 1);
    near_leave(&near, FAKE_HALF_CLOSE);
    cr_assert_eq(ring_pipe_fill(&pipe, near.fd, 10), -EAGAIN);
    cr_assert_eq(ring_pipe_drain(&pipe, near.fd), 1);
    cr_assert_eq(ring_pipe_fill(&pipe, near.fd, 10), 0);
    ring_pipe_deinit(&pipe);
    cr_assert_eq(fake_pipes_spilt(near.fake), 0);
    near_deinit(&near);
}

Test(fake_pipe, an_empty_socket_and_a_full_one)
{
    struct ring_pipe pipe;
    struct near near;
    ssize_t count;

    near_init(&near, FAKE_UNIX, 0);
    cr_assert_eq(ring_pipe_init(&pipe, PAGE), 0);
    cr_assert_eq(ring_pipe_fill(&pipe, near.fd, 10), -EAGAIN);
    ring_pipe_deinit(&pipe);
    near_deinit(&near);

    near_init(&near, FAKE_UNIX, 1);
    fake_end_pause(near.far, true);
    while ((count = near_send(&near, 100000)) > 0)
        ;
    cr_assert_eq(count, -EAGAIN);
    cr_assert_eq(ring_pipe_init(&pipe, PAGE), 0);
    cr_assert_eq(ring_pipe_fill(&pipe, near.fd, 10), 1);
    cr_assert_eq(ring_pipe_drain(&pipe, near.fd), -EAGAIN);
    cr_assert_eq(pipe.bytes, 1);
    ring_pipe_deinit(&pipe);
    near_deinit(&near);
}

Test(fake_pipe, errors_of_the_socket)
{
    struct ring_pipe pipe;
    struct near near;

    near_init(&near, FAKE_TCP, 100);
    cr_assert_eq(ring_pipe_init(&pipe, 16 * PAGE), 0);
    near_leave(&near, FAKE_RESET);
    cr_assert_eq(ring_pipe_fill(&pipe, near.fd, 1000), 100);
    cr_assert_eq(ring_pipe_fill(&pipe, near.fd, 1000), -ECONNRESET);
    cr_assert_eq(ring_pipe_fill(&pipe, near.fd, 1000), 0);
    cr_assert_eq(ring_pipe_drain(&pipe, near.fd), -EPIPE);
    cr_assert_eq(pipe.bytes, 100);
    ring_pipe_deinit(&pipe);
    near_deinit(&near);
}

Test(fake_pipe, what_memory_and_descriptors_lack)
{
    struct fake_options options = {.seed = 1};
    struct fake_script script = {.bytes = 10, .stream = 1, .stay = true};
    struct ring_pipe pipe, none;
    struct near near;

    near_init_with(&near, &options, FAKE_TCP, &script);
    cr_assert_eq(ring_pipe_init(&pipe, PAGE), 0);
    fake_set_faults(near.fake, &(struct fake_faults){.no_pipes = 1000});
    cr_assert_eq(ring_pipe_init(&none, PAGE), -EMFILE);
    cr_assert_eq(fake_pipes(near.fake), 1);
    cr_assert_eq(fake_injected(near.fake), 0);
    fake_set_faults(near.fake, &(struct fake_faults){.no_memory = 1000});
    cr_assert_eq(ring_pipe_fill(&pipe, near.fd, 10), -ENOMEM);
    cr_assert_eq(fake_injected(near.fake), 1);
    fake_set_faults(near.fake, &(struct fake_faults){0});
    cr_assert_eq(ring_pipe_fill(&pipe, near.fd, 10), 10);
    fake_set_faults(near.fake, &(struct fake_faults){.no_memory = 1000});
    ssize_t drained = ring_pipe_drain(&pipe, near.fd);
    cr_assert(drained == -ENOMEM || drained == -ENOBUFS);
    cr_assert_eq(fake_injected(near.fake), 2);
    ring_pipe_deinit(&pipe);
    near_deinit(&near);
}

/* How much one filling puts into a pipe of 64 pages, where more is there, and one drain takes out
 * again. */
static void once(uint64_t seed, const struct fake_faults *faults, size_t *ret_in, size_t *ret_out)
{
    struct fake_options options = {.seed = seed};
    struct fake_script script = {.bytes = 100 * PAGE,
                                 .stream = 1,
                                 .stay = true,
                                 .room_from = 100 * PAGE,
                                 .room_to = 100 * PAGE};
    struct ring_pipe pipe;
    struct near near;

    near_init_with(&near, &options, FAKE_UNIX, &script);
    fake_set_faults(near.fake, faults);
    cr_assert_eq(ring_pipe_init(&pipe, 64 * PAGE), 0);
    *ret_in = (size_t)ring_pipe_fill(&pipe, near.fd, 90 * PAGE);
    *ret_out = (size_t)ring_pipe_drain(&pipe, near.fd);
    ring_pipe_deinit(&pipe);
    near_deinit(&near);
}

Test(fake_pipe, as_much_as_it_is_asked_to_hold)
{
    unsigned small = 0, received = 0, sent = 0;
    size_t in, out;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        once(seed, &(struct fake_faults){0}, &in, &out);
        cr_assert_eq(in, 64 * PAGE);
        cr_assert_eq(out, 64 * PAGE);
        once(seed, &(struct fake_faults){.small_pipes = 1000}, &in, &out);
        cr_assert_eq(out, in);
        small += in < 64 * PAGE;
        once(seed, &(struct fake_faults){.short_receive = 1000}, &in, &out);
        cr_assert_eq(out, in);
        received += in < 64 * PAGE;
        once(seed, &(struct fake_faults){.short_send = 1000}, &in, &out);
        cr_assert_eq(in, 64 * PAGE);
        sent += out < in;
    }
    cr_assert_gt(small, 10);
    cr_assert_gt(received, 10);
    cr_assert_eq(sent, 20);
}

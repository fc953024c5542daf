/* Receives that go on, stops, and yields. */
#include "tests/fake/near.h"
#include "tests/fake/random.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <sys/un.h>

#define SEEDS      300
#define BYTES      20000
#define TOLD_MAX   4096
#define PIECES_MAX 32

/* All that is told of one receive which goes on. Buffers are returned at the end of the turn, or
 * late. */
struct reader {
    struct near near;
    struct ring_op op;
    uint64_t bytes;
    unsigned buffers[TOLD_MAX];
    unsigned buffer_count;
    unsigned told; /* in this turn */
    unsigned told_max;
    unsigned gave_up;
    unsigned no_buffers; /* with bytes before it in the same turn */
    bool in_flight;
    bool stopped;
    bool told_after_stop; /* bytes */
    int result;           /* the last */
};

static void check_bytes(struct reader *reader, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cr_assert_eq((unsigned char)bytes[i], random_stream_byte(1, reader->bytes + i));
    reader->bytes += count;
}

static void told(struct ring_op *op, int result, unsigned flags)
{
    struct reader *reader = (void *)((char *)op - offsetof(struct reader, op));

    cr_assert(reader->in_flight, "told after its end");
    cr_assert_eq(op->in_flight, !!(flags & RING_MORE));
    cr_assert_eq(result > 0, !!(flags & RING_BUFFER));
    reader->in_flight = flags & RING_MORE;
    reader->result = result;
    if (result == -ENOBUFS && reader->told)
        reader->no_buffers++;
    if (result <= 0) {
        cr_assert_eq(flags, 0);
        return;
    }
    check_bytes(reader, ring_buffer(reader->near.ring, ring_flags_buffer(flags)), (size_t)result);
    reader->buffers[reader->buffer_count++] = ring_flags_buffer(flags);
    reader->told++;
    if (reader->told > reader->told_max)
        reader->told_max = reader->told;
    reader->gave_up += !(flags & RING_MORE);
    reader->told_after_stop |= reader->stopped;
}

static void give_back(struct reader *reader)
{
    while (reader->buffer_count)
        ring_buffer_return(reader->near.ring, reader->buffers[--reader->buffer_count]);
}

static void turn(struct reader *reader)
{
    reader->told = 0;
    ring_turn(reader->near.ring);
}

static void receive_on(struct reader *reader)
{
    reader->in_flight = true;
    reader->stopped = false;
    ring_receive_on(reader->near.ring, &reader->op, told, reader->near.fd);
}

static void reader_init(struct reader *reader, const struct fake_options *options,
                        enum fake_kind kind, enum fake_leave leave)
{
    struct fake_script script = {
        .bytes = BYTES,
        .stream = 1,
        .write_pause_ns_max = MS / 10,
        .after_bytes = leave,
        .stay = true,
    };
    *reader = (struct reader){0};
    near_init_with(&reader->near, options, kind, &script);
}

Test(fake_receive, goes_on_to_the_end)
{
    unsigned gave_up = 0, no_buffers = 0, told_max = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct fake_options options = {.seed = seed, .faults = near_faults, .buffers_max = 40};
        static struct reader reader;
        reader_init(&reader, &options, (enum fake_kind)(seed % 3), FAKE_HALF_CLOSE);
        receive_on(&reader);
        for (;;) {
            turn(&reader);
            if (fake_random(reader.near.fake) % 2)
                give_back(&reader);
            if (reader.in_flight)
                continue;
            if (reader.result == 0)
                break;
            cr_assert(reader.result > 0 || reader.result == -ENOBUFS || reader.result == -ENOMEM ||
                          reader.result == -EINTR,
                      "%d", reader.result);
            give_back(&reader);
            receive_on(&reader);
        }
        give_back(&reader);
        cr_assert_eq(reader.bytes, BYTES);
        gave_up += reader.gave_up;
        no_buffers += reader.no_buffers;
        told_max = reader.told_max > told_max ? reader.told_max : told_max;
        near_deinit(&reader.near);
    }
    cr_assert_gt(gave_up, SEEDS / 10);
    cr_assert_gt(no_buffers, SEEDS / 10, "%u", no_buffers);
    cr_assert_geq(told_max, PIECES_MAX / 2, "%u", told_max);
}

/* Without any fault, too: one attempt fills buffer after buffer. */
Test(fake_receive, runs_ahead_of_its_handler)
{
    unsigned told_max = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct fake_options options = {.seed = seed, .buffer_bytes = 300};
        static struct reader reader;
        reader_init(&reader, &options, FAKE_UNIX, FAKE_LEAVE_NOT);
        receive_on(&reader);
        turn(&reader);
        cr_assert(reader.told >= 1 && reader.told <= PIECES_MAX, "%u", reader.told);
        told_max = reader.told > told_max ? reader.told : told_max;
        while (reader.bytes < BYTES) {
            give_back(&reader);
            turn(&reader);
        }
        cr_assert(reader.in_flight);
        ring_stop(reader.near.ring, &reader.op);
        while (reader.in_flight)
            turn(&reader);
        cr_assert_eq(reader.result, -ECANCELED);
        give_back(&reader);
        near_deinit(&reader.near);
    }
    cr_assert_eq(told_max, PIECES_MAX);
}

/* Reads the rest without an operation. */
static void read_rest(struct reader *reader)
{
    char bytes[1000];

    while (reader->bytes < BYTES) {
        ssize_t count = ring_socket_receive_now(reader->near.fd, bytes, sizeof(bytes), 0);
        cr_assert(count > 0 || count == -EAGAIN || count == -EINTR, "%zd", count);
        if (count > 0)
            check_bytes(reader, bytes, (size_t)count);
        else if (count == -EAGAIN)
            near_events(&reader->near, POLLIN);
    }
}

static void ask_to_end(struct reader *reader, bool cancel)
{
    struct ring *ring = reader->near.ring;

    reader->stopped = true;
    if (cancel && !reader->near.op.in_flight) {
        reader->near.over = false;
        ring_cancel(ring, &reader->near.op, near_told, reader->near.fd);
    } else if (!cancel) {
        ring_stop(ring, &reader->op);
    }
}

static void end_in_the_middle(bool cancel)
{
    unsigned late = 0, at_once = 0, cancelled = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct fake_options options = {.seed = seed, .faults = near_faults};
        static struct reader reader;
        reader_init(&reader, &options, (enum fake_kind)(seed % 3), FAKE_LEAVE_NOT);
        for (unsigned ends = 0; ends < 3 && reader.bytes < BYTES / 2;) {
            if (!reader.in_flight)
                receive_on(&reader);
            near_pass(&reader.near, fake_random(reader.near.fake) % MS);
            while (reader.in_flight) {
                ask_to_end(&reader, cancel);
                turn(&reader);
                give_back(&reader);
            }
            if (reader.near.op.in_flight)
                near_wait(&reader.near);
            give_back(&reader);
            if (!reader.stopped)
                continue;
            ends++;
            cancelled += reader.result == -ECANCELED;
            late += reader.told_after_stop;
            at_once += !reader.told_after_stop;
            reader.told_after_stop = false;
        }
        read_rest(&reader);
        near_deinit(&reader.near);
    }
    cr_assert_gt(cancelled, SEEDS / 10);
    cr_assert_gt(late, SEEDS / 10);
    cr_assert_gt(at_once, SEEDS / 10);
}

Test(fake_receive, stopped_in_the_middle)
{
    end_in_the_middle(false);
}

Test(fake_receive, cancelled_in_the_middle)
{
    end_in_the_middle(true);
}

/* What a stop that is in time has left there stays there. */
Test(fake_receive, a_stop_leaves_the_bytes_that_come_later)
{
    static struct reader reader;
    struct near *near = &reader.near;
    char byte;

    reader = (struct reader){0};
    near_init(near, FAKE_TCP, 0);
    receive_on(&reader);
    near_pass(near, MS);
    ring_stop(near->ring, &reader.op);
    ring_stop(near->ring, &reader.op);
    while (reader.in_flight)
        turn(&reader);
    cr_assert_eq(reader.result, -ECANCELED);
    cr_assert_eq(ring_socket_receive_now(near->fd, &byte, 1, 0), -EAGAIN);
    near_deinit(near);
}

static void stops_itself(struct ring_op *op, int result, unsigned flags)
{
    struct near *near = (void *)((char *)op - offsetof(struct near, op));

    if (flags & RING_MORE)
        ring_stop(near->ring, op);
    near_told(op, result, flags);
}

Test(fake_receive, stopped_by_its_handler)
{
    struct near near;
    near_init(&near, FAKE_TCP, 10);

    ring_receive_on(near.ring, &near.op, stops_itself, near.fd);
    cr_assert_eq(near_wait(&near), -ECANCELED);
    near_deinit(&near);
}

/* A stop that comes late finds the end; one in time does not always. */
static int stopped_at_the_end(uint64_t seed, unsigned late_cancel)
{
    struct fake_options options = {.seed = seed, .faults.delay_ns_max = MS};
    struct fake_script script = {.after_bytes = FAKE_HALF_CLOSE, .stay = true};
    struct near near;

    options.faults.late_cancel = late_cancel;
    near_init_with(&near, &options, FAKE_TCP, &script);
    ring_receive_on(near.ring, &near.op, near_told, near.fd);
    ring_stop(near.ring, &near.op);
    near_wait(&near);
    near_deinit(&near);
    return near.result;
}

Test(fake_receive, stopped_at_the_end)
{
    unsigned cancelled = 0;

    for (uint64_t seed = 1; seed <= 50; seed++) {
        cr_assert_eq(stopped_at_the_end(seed, 1000), 0);
        cancelled += stopped_at_the_end(seed, 0) == -ECANCELED;
    }
    cr_assert(cancelled > 0 && cancelled < 50, "%u", cancelled);
}

/* How many buffers a receive that goes on fills at once where one would hold all, and with which
 * result it ends. */
static unsigned at_once(uint64_t seed, const struct fake_faults *faults, int *ret_result)
{
    struct fake_options options = {.seed = seed};
    static struct reader reader;

    reader_init(&reader, &options, FAKE_UNIX, FAKE_LEAVE_NOT);
    fake_set_faults(reader.near.fake, faults);
    receive_on(&reader);
    turn(&reader);
    unsigned count = reader.told;
    fake_set_faults(reader.near.fake, &(struct fake_faults){0});
    while (reader.in_flight) {
        ring_stop(reader.near.ring, &reader.op);
        turn(&reader);
    }
    give_back(&reader);
    near_deinit(&reader.near);
    *ret_result = reader.result;
    return count;
}

Test(fake_receive, faults_of_one_that_goes_on)
{
    unsigned pieces_max = 0;
    int result;

    for (uint64_t seed = 1; seed <= 50; seed++) {
        cr_assert_leq(at_once(seed, &(struct fake_faults){0}, &result), 2);
        cr_assert_eq(result, -ECANCELED);
        unsigned pieces = at_once(seed, &(struct fake_faults){.pieces = 1000}, &result);
        pieces_max = pieces > pieces_max ? pieces : pieces_max;
        cr_assert_eq(at_once(seed, &(struct fake_faults){.gave_up = 1000}, &result), 1);
        cr_assert_gt(result, 0);
        cr_assert_eq(at_once(seed, &(struct fake_faults){.no_buffers = 1000}, &result), 0);
        cr_assert_eq(result, -ENOBUFS);
    }
    cr_assert_gt(pieces_max, PIECES_MAX / 2);
}

/* The error that one takes the other does not find: they are told in the order in which it was. */
static int told_first;

static void tells_order(struct ring_op *op, int result, unsigned flags)
{
    if (told_first == 0)
        told_first = result;
}

Test(fake_receive, told_in_the_order_of_sends)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct fake_options options = {.seed = seed, .faults.delay_ns_max = MS};
        struct fake_script script = {.stay = true};
        struct ring_op receives = {0}, sends = {0};
        struct near near;

        near_init_with(&near, &options, FAKE_TCP, &script);
        near_leave(&near, FAKE_RESET);
        told_first = 0;
        ring_receive_on(near.ring, &receives, tells_order, near.fd);
        ring_send(near.ring, &sends, tells_order, near.fd, "a", 1);
        while (receives.in_flight || sends.in_flight)
            ring_turn(near.ring);
        cr_assert_eq(told_first, -ECONNRESET, "%d", told_first);
        near_deinit(&near);
    }
}

/* Any operation can be stopped, and only that one ends. */
Test(fake_receive, stops_of_other_operations)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/nobody"};
    struct fake_target_options ignores = {.answer = FAKE_IGNORES};
    struct near near;
    struct near other = {0};

    near_init(&near, FAKE_TCP, 0);
    fake_target(near.fake, (struct sockaddr *)&address, sizeof(address), &ignores);
    other.ring = near.ring;
    ring_watch(near.ring, &other.op, near_told, near.fd);
    ring_poll(near.ring, &near.op, near_told, near.fd, POLLIN);
    near_pass(&near, MS);
    ring_stop(near.ring, &near.op);
    cr_assert_eq(near_wait(&near), -ECANCELED);
    near_pass(&near, MS);
    cr_assert(other.op.in_flight);
    ring_stop(near.ring, &other.op);
    cr_assert_eq(near_wait(&other), -ECANCELED);

    int listener = fake_listener(near.fake, FAKE_UNIX);
    ring_accept(near.ring, &near.op, near_told, listener, true);
    near_pass(&near, MS);
    ring_stop(near.ring, &near.op);
    cr_assert_eq(near_wait(&near), -ECANCELED);
    ring_socket_close(listener);

    int socket = ring_socket_open(AF_INET, SOCK_STREAM);
    ring_connect(near.ring, &near.op, near_told, socket, (struct sockaddr *)&address,
                 sizeof(address));
    near_pass(&near, MS);
    ring_stop(near.ring, &near.op);
    cr_assert_eq(near_wait(&near), -ECANCELED);
    ring_socket_close(socket);
    near_deinit(&near);
}

static unsigned yields;

static void yields_on(struct ring_op *op, int result, unsigned flags)
{
    struct near *near = (void *)((char *)op - offsetof(struct near, op));

    cr_assert_eq(result, 0);
    cr_assert_eq(flags, 0);
    if (++yields < 100)
        ring_yield(near->ring, op, yields_on);
}

static void nothing(struct ring_timer *timer)
{
}

/* Once a turn, whatever else is late or early. */
Test(fake_receive, a_yield_is_told_in_the_next_turn)
{
    struct fake_options options = {.seed = 1, .faults = near_faults};
    struct fake_script script = {.bytes = 10000, .stream = 1, .stay = true};
    struct near near;

    near_init_with(&near, &options, FAKE_TCP, &script);
    ring_yield(near.ring, &near.op, yields_on);
    for (unsigned turns = 0; turns < 100; turns++) {
        struct ring_timer timer = {0};
        cr_assert_eq(yields, turns);
        ring_timer_arm(near.ring, &timer, fake_now_ns(near.fake), nothing);
        ring_turn(near.ring);
    }
    cr_assert_eq(yields, 100);
    near_deinit(&near);
}

static int most;

static void told_most(struct ring_op *op, int result, unsigned flags)
{
    most = result > most ? result : most;
    near_told(op, result, flags);
}

static int most_at_once(size_t fake_bytes, size_t ring_bytes, bool on)
{
    struct fake_options options = {.seed = 1, .buffer_bytes = fake_bytes};
    struct ring_options ring_options = {.buffer_bytes = ring_bytes};
    struct fake_script script = {.bytes = 100000, .stream = 1, .stay = true, .room_from = 100000};
    struct near near;
    struct ring *ring;

    near_init_with(&near, &options, FAKE_UNIX, &script);
    cr_assert_eq(ring_new(&ring, &ring_options), 0);
    most = 0;
    if (on)
        ring_receive_on(ring, &near.op, told_most, near.fd);
    else
        ring_receive(ring, &near.op, told_most, near.fd);
    near_pass(&near, MS);
    if (near.op.in_flight) {
        ring_stop(ring, &near.op);
        near_wait(&near);
    }
    near_deinit(&near);
    return most;
}

Test(fake_receive, takes_no_more_than_a_buffer_holds)
{
    for (int on = 0; on < 2; on++) {
        cr_assert_eq(most_at_once(0, 0, on), RING_BUFFER_BYTES);
        cr_assert_eq(most_at_once(0, 8192, on), 8192);
        cr_assert_eq(most_at_once(100, 8192, on), 100);
        cr_assert_eq(most_at_once(100, 0, on), 100);
    }
}

/* Whoever breaks the ring's contract is caught: each test does one wrong thing, and must be aborted
 * with words about just that. */
#include "ring/pipe.h"
#include "ring/socket.h"
#include "tests/fake/fake.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

static struct fake *fake;
static struct ring *ring;
static struct ring_op ops[4];
static unsigned told_buffer;
static int told_result;
static unsigned told_count;
static int fd;
static char *said;
static size_t said_bytes;
static const char *expected;

static void told(struct ring_op *op, int result, unsigned flags)
{
    told_count++;
    told_result = result;
    told_buffer = ring_flags_buffer(flags);
}

/* One connection whose far end sends 1000 bytes and reads nothing, closed only at the very end. */
static void setup(void)
{
    struct fake_script script = {
        .bytes = 1000,
        .stream = 1,
        .write_bytes_max = 100,
        .read_limit = 1,
        .room_from = 2000,
        .room_to = 2000,
        .leave_ns = 3600000 * MS,
        .leave = FAKE_CLOSE,
    };
    int fd_write;

    fake = fake_new(&(struct fake_options){.seed = 7});
    ring = fake_ring(fake);
    fake_accepted(fake, FAKE_TCP, &script, &fd, &fd_write);
}

static void turn_until(unsigned count)
{
    for (unsigned turns = 0; told_count < count && turns < 1000; turns++)
        ring_turn(ring);
    cr_assert_geq(told_count, count);
}

static void receive(void)
{
    ring_receive(ring, &ops[0], told, fd);
    turn_until(told_count + 1);
    cr_assert_gt(told_result, 0);
}

/* Where the fake said something else it is no abort, and the test fails. */
static void aborted(int signal_number)
{
    fflush(stderr);
    if (!strstr(said, expected)) {
        dprintf(STDERR_FILENO, "no word of '%s' in: %s", expected, said);
        _exit(1);
    }
    signal(SIGABRT, SIG_DFL);
    raise(SIGABRT);
}

static void expect(const char *words)
{
    expected = words;
    stderr = open_memstream(&said, &said_bytes);
    cr_assert(stderr);
    signal(SIGABRT, aborted);
}

#define BREACH(name, words)                                     \
    static void breach_##name(void);                            \
    Test(fake_contract, name, .init = setup, .signal = SIGABRT) \
    {                                                           \
        expect(words);                                          \
        breach_##name();                                        \
    }                                                           \
    static void breach_##name(void)

/* The proof that the others are aborted for what they do wrong. */
Test(fake_contract, nothing_wrong, .init = setup)
{
    receive();
    unsigned buffer = told_buffer;
    ring_send(ring, &ops[1], told, fd, ring_buffer(ring, buffer), 1);
    turn_until(2);
    ring_buffer_return(ring, buffer);
    ring_poll(ring, &ops[0], told, fd, POLLPRI);
    ring_cancel(ring, &ops[2], told, fd);
    turn_until(4);
    ring_socket_close(fd);
    fake_free(fake);
}

/* The same of what may be done beside an operation. */
Test(fake_contract, nothing_wrong_either, .init = setup)
{
    struct ring_pipe pipe;
    char byte;

    ring_watch(ring, &ops[0], told, fd);
    ring_poll(ring, &ops[1], told, fd, POLLPRI);
    ring_yield(ring, &ops[2], told);
    turn_until(1);
    ring_poll(ring, &ops[2], told, fd, POLLIN);
    turn_until(2);
    cr_assert_eq(ring_socket_receive_now(fd, &byte, 1, 0), 1);
    cr_assert_eq(ring_socket_send_now(fd, "a", 1), 1);
    cr_assert_eq(ring_pipe_init(&pipe, 65536), 0);
    cr_assert_eq(ring_pipe_fill(&pipe, fd, 1), 1);
    ring_send(ring, &ops[2], told, fd, "a", 1);
    cr_assert_eq(ring_pipe_fill(&pipe, fd, 1), 1);
    turn_until(3);
    ring_receive_on(ring, &ops[2], told, fd);
    cr_assert_eq(ring_socket_send_now(fd, "a", 1), 1);
    cr_assert_eq(ring_pipe_drain(&pipe, fd), 2);
    ring_pipe_deinit(&pipe);
    ring_stop(ring, &ops[0]);
    ring_stop(ring, &ops[1]);
    ring_stop(ring, &ops[2]);
    ring_stop(ring, &ops[2]);
    while (ring_in_flight(ring) > 0) {
        turn_until(told_count + 1);
        if (told_result > 0)
            ring_buffer_return(ring, told_buffer);
    }
    ring_socket_close(fd);
    fake_free(fake);
}

BREACH(arming_what_is_in_flight, "armed on descriptor 100000 with an operation that is in flight")
{
    ring_poll(ring, &ops[0], told, fd, POLLPRI);
    ring_poll(ring, &ops[0], told, fd, POLLPRI);
}

BREACH(arming_what_only_looks_idle,
       "armed on descriptor 100000 with an operation that is in flight")
{
    ring_poll(ring, &ops[0], told, fd, POLLPRI);
    memset(&ops[0], 0, sizeof(ops[0]));
    ring_poll(ring, &ops[0], told, fd, POLLPRI);
}

BREACH(two_receives_at_once, "receive on descriptor 100000 while a receive is in flight")
{
    ring_receive(ring, &ops[0], told, fd);
    ring_receive(ring, &ops[1], told, fd);
}

BREACH(two_sends_at_once, "send on descriptor 100000 while a send is in flight")
{
    ring_send(ring, &ops[0], told, fd, "a", 1);
    ring_send(ring, &ops[1], told, fd, "b", 1);
}

BREACH(no_handler, "without a handler")
{
    ring_receive(ring, &ops[0], NULL, fd);
}

BREACH(a_descriptor_that_never_was, "which never was one")
{
    ring_receive(ring, &ops[0], told, 5);
}

BREACH(a_closed_descriptor, "receive on descriptor 100000, which is closed")
{
    ring_socket_close(fd);
    ring_receive(ring, &ops[0], told, fd);
}

BREACH(closing_twice, "close on descriptor 100000, which is closed")
{
    ring_socket_close(fd);
    ring_socket_close(fd);
}

BREACH(closing_while_an_operation_is_in_flight, "close on descriptor 100000 with an operation")
{
    ring_receive(ring, &ops[0], told, fd);
    ring_socket_close(fd);
}

BREACH(closing_before_the_completion_is_told, "reset on descriptor 100000 with an operation")
{
    ring_send(ring, &ops[0], told, fd, "a", 1);
    ring_cancel(ring, &ops[1], told, fd);
    ring_socket_reset(fd);
}

BREACH(memory_of_an_operation_used_for_something_else, "the memory of a receive in flight")
{
    ring_receive(ring, &ops[0], told, fd);
    ops[0].fd = 0;
    ring_turn(ring);
}

BREACH(bytes_of_a_send_changed, "the bytes of a send in flight")
{
    static char bytes[] = "what is sent";

    ring_send(ring, &ops[0], told, fd, bytes, sizeof(bytes));
    bytes[3] = 'T';
    ring_turn(ring);
}

BREACH(a_buffer_returned_twice, "nobody holds buffer")
{
    receive();
    ring_buffer_return(ring, told_buffer);
    ring_buffer_return(ring, told_buffer);
}

BREACH(a_buffer_that_nobody_holds, "nobody holds buffer")
{
    ring_buffer(ring, 3);
}

BREACH(a_buffer_returned_while_it_is_sent, "is returned while descriptor 100000 is sent from it")
{
    receive();
    ring_send(ring, &ops[1], told, fd, ring_buffer(ring, told_buffer), 1);
    ring_buffer_return(ring, told_buffer);
}

BREACH(a_buffer_left, "1 buffers were not returned")
{
    receive();
    ring_socket_close(fd);
    fake_free(fake);
}

BREACH(a_descriptor_left, "descriptor 100000 was not closed")
{
    fake_free(fake);
}

BREACH(an_operation_left, "1 operations are still in flight")
{
    ring_receive(ring, &ops[0], told, fd);
    fake_free(fake);
}

static void nothing(struct ring_timer *timer)
{
}

BREACH(a_timer_left, "a timer is still armed")
{
    static struct ring_timer timer;

    ring_timer_arm(ring, &timer, 5000 * MS, nothing);
    ring_socket_close(fd);
    fake_free(fake);
}

BREACH(a_socket_is_connected_twice, "which is not fresh from ring_socket_open()")
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(1)};
    int socket = ring_socket_open(AF_INET, SOCK_STREAM);

    ring_connect(ring, &ops[0], told, socket, (struct sockaddr *)&address, sizeof(address));
    turn_until(1);
    ring_connect(ring, &ops[0], told, socket, (struct sockaddr *)&address, sizeof(address));
}

BREACH(sending_before_it_is_connected, "which is not connected")
{
    int socket = ring_socket_open(AF_INET, SOCK_STREAM);

    ring_send(ring, &ops[0], told, socket, "a", 1);
}

static void turns(struct ring_op *op, int result, unsigned flags)
{
    ring_turn(ring);
}

BREACH(a_turn_inside_a_turn, "ring_turn() inside ring_turn()")
{
    ring_send(ring, &ops[0], turns, fd, "a", 1);
    ring_turn(ring);
}

static void polls_again(struct ring_op *op, int result, unsigned flags)
{
    ring_poll(ring, op, polls_again, fd, POLLOUT);
}

BREACH(spinning, "the program spins")
{
    ring_poll(ring, &ops[0], polls_again, fd, POLLOUT);
    for (;;)
        ring_turn(ring);
}

BREACH(waiting_for_what_never_comes, "nothing will ever happen again")
{
    struct fake_script silent = {.after_bytes = FAKE_LEAVE_NOT};
    int quiet, quiet_write;

    ring_socket_close(fd);
    fake_accepted(fake, FAKE_UNIX, &silent, &quiet, &quiet_write);
    ring_poll(ring, &ops[0], told, quiet, POLLPRI);
    for (;;)
        ring_turn(ring);
}

BREACH(a_receive_beside_one_that_goes_on,
       "receive on descriptor 100000 while a receive that goes on is in flight")
{
    ring_receive_on(ring, &ops[0], told, fd);
    ring_receive(ring, &ops[1], told, fd);
}

BREACH(a_receive_that_goes_on_beside_a_receive,
       "receive that goes on on descriptor 100000 while a receive is in flight")
{
    ring_receive(ring, &ops[0], told, fd);
    ring_receive_on(ring, &ops[1], told, fd);
}

BREACH(receiving_on_from_no_socket, "which is no socket")
{
    struct fake_script script = {.bytes = 1};
    int in, out;

    fake_accepted(fake, FAKE_FILE, &script, &in, &out);
    ring_receive_on(ring, &ops[0], told, in);
}

BREACH(stopping_what_never_was_in_flight, "ring_stop() of an operation that is not in flight")
{
    ring_stop(ring, &ops[0]);
}

BREACH(stopping_what_has_ended, "ring_stop() of an operation that is not in flight")
{
    ring_receive_on(ring, &ops[0], told, fd);
    ring_stop(ring, &ops[0]);
    while (ops[0].in_flight) {
        unsigned before = told_count;
        turn_until(before + 1);
        if (told_result > 0)
            ring_buffer_return(ring, told_buffer);
    }
    ring_stop(ring, &ops[0]);
}

BREACH(memory_of_a_stopped_operation_used_for_something_else, "the memory of a poll in flight")
{
    ring_poll(ring, &ops[0], told, fd, POLLPRI);
    ring_stop(ring, &ops[0]);
    ops[0].stopping = false;
    ring_turn(ring);
}

BREACH(a_yield_left, "1 operations are still in flight")
{
    ring_yield(ring, &ops[0], told);
    ring_socket_close(fd);
    fake_free(fake);
}

static void yields_again(struct ring_op *op, int result, unsigned flags)
{
    ring_yield(ring, op, yields_again);
}

BREACH(yielding_for_ever, "the program spins")
{
    ring_yield(ring, &ops[0], yields_again);
    for (;;)
        ring_turn(ring);
}

BREACH(yielding_twice_at_once, "yield armed on descriptor -1 with an operation that is in flight")
{
    ring_yield(ring, &ops[0], told);
    ring_yield(ring, &ops[0], told);
}

BREACH(reading_beside_a_receive_that_goes_on,
       "recv on descriptor 100000 while a receive that goes on is in flight")
{
    char byte;

    ring_receive_on(ring, &ops[0], told, fd);
    ring_socket_receive_now(fd, &byte, 1, 0);
}

BREACH(reading_before_a_stop_is_told,
       "recv on descriptor 100000 while a receive that goes on is in flight")
{
    char byte;

    ring_receive_on(ring, &ops[0], told, fd);
    ring_stop(ring, &ops[0]);
    ring_socket_receive_now(fd, &byte, 1, 0);
}

BREACH(reading_nothing, "recv of no bytes on descriptor 100000")
{
    char byte;

    ring_socket_receive_now(fd, &byte, 0, 0);
}

BREACH(writing_beside_a_send, "send on descriptor 100000 while a send is in flight")
{
    ring_send(ring, &ops[0], told, fd, "a", 1);
    ring_socket_send_now(fd, "b", 1);
}

BREACH(writing_nothing, "send of no bytes on descriptor 100000")
{
    ring_socket_send_now(fd, "b", 0);
}

BREACH(writing_to_a_closed_descriptor, "send on descriptor 100000, which is closed")
{
    ring_socket_close(fd);
    ring_socket_send_now(fd, "b", 1);
}

BREACH(buffers_of_half_a_page, "buffers of 2048 bytes, which are no whole pages")
{
    struct ring *other;

    ring_new(&other, &(struct ring_options){.buffer_bytes = 2048});
}

static struct ring_pipe some_pipe;

static void filled_pipe(void)
{
    cr_assert_eq(ring_pipe_init(&some_pipe, 65536), 0);
    while (ring_pipe_fill(&some_pipe, fd, 65536) == -EAGAIN) {
        ring_poll(ring, &ops[3], told, fd, POLLIN);
        turn_until(told_count + 1);
    }
    cr_assert_gt(some_pipe.bytes, 0);
}

BREACH(a_pipe_left, "1 pipes were not deinitialized")
{
    filled_pipe();
    ring_socket_close(fd);
    fake_free(fake);
}

BREACH(a_pipe_ended_twice, "ring_pipe_deinit() of a pipe that is not open")
{
    filled_pipe();
    ring_pipe_deinit(&some_pipe);
    ring_pipe_deinit(&some_pipe);
}

BREACH(a_pipe_that_never_was, "ring_pipe_fill() of a pipe that is not open")
{
    ring_pipe_fill(&some_pipe, fd, 1);
}

BREACH(draining_an_ended_pipe, "ring_pipe_drain() of a pipe that is not open")
{
    filled_pipe();
    ring_pipe_deinit(&some_pipe);
    ring_pipe_drain(&some_pipe, fd);
}

BREACH(a_pipe_of_two_ends_that_do_not_belong_together, "of a pipe that is not open")
{
    struct ring_pipe other;

    filled_pipe();
    ring_pipe_init(&other, 1);
    some_pipe.in = other.in;
    ring_pipe_drain(&some_pipe, fd);
}

BREACH(a_stale_copy_of_a_pipe, "ring_pipe_drain() of a pipe that holds 1000 bytes and not 1")
{
    filled_pipe();
    some_pipe.bytes = 1;
    ring_pipe_drain(&some_pipe, fd);
}

BREACH(a_pipe_as_a_socket, "which never was one")
{
    filled_pipe();
    ring_poll(ring, &ops[0], told, some_pipe.out, POLLIN);
}

BREACH(filling_with_nothing, "ring_pipe_fill() of no bytes")
{
    filled_pipe();
    ring_pipe_fill(&some_pipe, fd, 0);
}

BREACH(filling_beside_a_receive_that_goes_on,
       "ring_pipe_fill() on descriptor 100000 while a receive that goes on is in flight")
{
    filled_pipe();
    ring_receive_on(ring, &ops[0], told, fd);
    ring_pipe_fill(&some_pipe, fd, 1);
}

BREACH(filling_from_what_is_not_connected, "which is not connected")
{
    filled_pipe();
    ring_pipe_fill(&some_pipe, ring_socket_open(AF_UNIX, SOCK_STREAM), 1);
}

BREACH(filling_from_what_is_for_writing, "is not for reading")
{
    struct fake_script script = {.bytes = 1};
    int in, out;

    filled_pipe();
    fake_accepted(fake, FAKE_FILE, &script, &in, &out);
    ring_pipe_fill(&some_pipe, out, 1);
}

BREACH(draining_what_is_empty, "ring_pipe_drain() of a pipe that holds nothing")
{
    ring_pipe_init(&some_pipe, 4096);
    ring_pipe_drain(&some_pipe, fd);
}

BREACH(draining_beside_a_send, "ring_pipe_drain() on descriptor 100000 while a send is in flight")
{
    filled_pipe();
    ring_send(ring, &ops[0], told, fd, "a", 1);
    ring_pipe_drain(&some_pipe, fd);
}

BREACH(draining_to_no_socket, "which is no socket")
{
    struct fake_script script = {.bytes = 1};
    int in, out;

    filled_pipe();
    fake_accepted(fake, FAKE_FILE, &script, &in, &out);
    ring_pipe_drain(&some_pipe, out);
}

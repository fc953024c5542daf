/* Whoever breaks the ring's contract is caught: each test does one wrong thing and must be aborted.
 */
#include "ring/socket.h"
#include "tests/fake/fake.h"

#include <criterion/criterion.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#define MS UINT64_C(1000000)

static struct fake *fake;
static struct ring *ring;
static struct ring_op ops[4];
static unsigned told_buffer;
static int told_result;
static unsigned told_count;
static int fd;

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

#define BREACH(name) Test(fake_contract, name, .init = setup, .signal = SIGABRT)

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

BREACH(arming_what_is_in_flight)
{
    ring_poll(ring, &ops[0], told, fd, POLLPRI);
    ring_poll(ring, &ops[0], told, fd, POLLPRI);
}

BREACH(arming_what_only_looks_idle)
{
    ring_poll(ring, &ops[0], told, fd, POLLPRI);
    memset(&ops[0], 0, sizeof(ops[0]));
    ring_poll(ring, &ops[0], told, fd, POLLPRI);
}

BREACH(two_receives_at_once)
{
    ring_receive(ring, &ops[0], told, fd);
    ring_receive(ring, &ops[1], told, fd);
}

BREACH(two_sends_at_once)
{
    ring_send(ring, &ops[0], told, fd, "a", 1);
    ring_send(ring, &ops[1], told, fd, "b", 1);
}

BREACH(no_handler)
{
    ring_receive(ring, &ops[0], NULL, fd);
}

BREACH(a_descriptor_that_never_was)
{
    ring_receive(ring, &ops[0], told, 5);
}

BREACH(a_closed_descriptor)
{
    ring_socket_close(fd);
    ring_receive(ring, &ops[0], told, fd);
}

BREACH(closing_twice)
{
    ring_socket_close(fd);
    ring_socket_close(fd);
}

BREACH(closing_while_an_operation_is_in_flight)
{
    ring_receive(ring, &ops[0], told, fd);
    ring_socket_close(fd);
}

BREACH(closing_before_the_completion_is_told)
{
    ring_send(ring, &ops[0], told, fd, "a", 1);
    ring_cancel(ring, &ops[1], told, fd);
    ring_socket_reset(fd);
}

BREACH(memory_of_an_operation_used_for_something_else)
{
    ring_receive(ring, &ops[0], told, fd);
    ops[0].fd = 0;
    ring_turn(ring);
}

BREACH(bytes_of_a_send_changed)
{
    static char bytes[] = "what is sent";

    ring_send(ring, &ops[0], told, fd, bytes, sizeof(bytes));
    bytes[3] = 'T';
    ring_turn(ring);
}

BREACH(a_buffer_returned_twice)
{
    receive();
    ring_buffer_return(ring, told_buffer);
    ring_buffer_return(ring, told_buffer);
}

BREACH(a_buffer_that_nobody_holds)
{
    ring_buffer(ring, 3);
}

BREACH(a_buffer_returned_while_it_is_sent)
{
    receive();
    ring_send(ring, &ops[1], told, fd, ring_buffer(ring, told_buffer), 1);
    ring_buffer_return(ring, told_buffer);
}

BREACH(a_buffer_left)
{
    receive();
    ring_socket_close(fd);
    fake_free(fake);
}

BREACH(a_descriptor_left)
{
    fake_free(fake);
}

BREACH(an_operation_left)
{
    ring_receive(ring, &ops[0], told, fd);
    fake_free(fake);
}

static void nothing(struct ring_timer *timer)
{
}

BREACH(a_timer_left)
{
    static struct ring_timer timer;

    ring_timer_arm(ring, &timer, 5000 * MS, nothing);
    ring_socket_close(fd);
    fake_free(fake);
}

BREACH(a_socket_is_connected_twice)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(1)};
    int socket = ring_socket_open(AF_INET, SOCK_STREAM);

    ring_connect(ring, &ops[0], told, socket, (struct sockaddr *)&address, sizeof(address));
    turn_until(1);
    ring_connect(ring, &ops[0], told, socket, (struct sockaddr *)&address, sizeof(address));
}

BREACH(sending_before_it_is_connected)
{
    int socket = ring_socket_open(AF_INET, SOCK_STREAM);

    ring_send(ring, &ops[0], told, socket, "a", 1);
}

static void turns(struct ring_op *op, int result, unsigned flags)
{
    ring_turn(ring);
}

BREACH(a_turn_inside_a_turn)
{
    ring_send(ring, &ops[0], turns, fd, "a", 1);
    ring_turn(ring);
}

static void polls_again(struct ring_op *op, int result, unsigned flags)
{
    ring_poll(ring, op, polls_again, fd, POLLOUT);
}

BREACH(spinning)
{
    ring_poll(ring, &ops[0], polls_again, fd, POLLOUT);
    for (;;)
        ring_turn(ring);
}

BREACH(waiting_for_what_never_comes)
{
    struct fake_script silent = {.after_bytes = FAKE_LEAVE_NOT};
    int quiet, quiet_write;

    ring_socket_close(fd);
    fake_accepted(fake, FAKE_UNIX, &silent, &quiet, &quiet_write);
    ring_poll(ring, &ops[0], told, quiet, POLLPRI);
    for (;;)
        ring_turn(ring);
}

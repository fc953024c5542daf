/* Dialling: what it reaches, what refuses, how long it waits, what ends it early. */
#include "tests/vsock/backing.h"
#include "tests/vsock/harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

TestSuite(vsock_dial, .init = harness_begin, .fini = harness_end);
TestSuite(vsock_cancel, .init = harness_begin, .fini = harness_end);

static struct vsock_conn *const untouched = (struct vsock_conn *)4711;
static struct silence silence;

struct dial {
    const struct vsock_dial_options *options;
    struct vsock_conn *conn;
};

static ssize_t dial_silence(void *argument)
{
    struct dial *dial = argument;
    return backing_dial(silence.address, dial->options, &dial->conn);
}

Test(vsock_dial, reaches_what_listens)
{
    struct vsock_listener *listener = backing_listen(NULL);
    struct vsock_conn *conns[2];
    char bytes[5];

    backing_connect(listener, &(struct vsock_dial_options){0}, conns);
    cr_assert_eq(vsock_conn_write(conns[0], "hello", 5, NULL), 0);
    cr_expect_eq(vsock_conn_read(conns[1], bytes, 5), 5);
    cr_expect_arr_eq(bytes, "hello", 5);
    backing_pair_free(conns);
    vsock_listener_free(listener);
}

Test(vsock_dial, a_port_where_nobody_listens_is_refused)
{
    struct vsock_listener *listener = backing_listen(NULL);
    struct vsock_address address = vsock_listener_address(listener);
    struct vsock_conn *conn = untouched;

    vsock_listener_free(listener);
    cr_expect_eq(backing_dial(address, NULL, &conn), backing_is_vsock() ? -ECONNRESET : -ENOENT);
    cr_expect_eq(conn, untouched);
}

Test(vsock_dial, refuses_options_that_are_none)
{
    struct vsock_listener *listener = backing_listen(NULL);
    const struct vsock_dial_options wrong[] = {
        {.type = SOCK_DGRAM},
        {.type = SOCK_RAW},
        {.type = -1},
        {.type = SOCK_STREAM | 1 << 20},
        {.reserved = {1, 0, 0, 0}},
        {.reserved = {0, 0, 0, 1}},
    };

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct vsock_conn *conn = untouched;
        int r = backing_dial(vsock_listener_address(listener), &wrong[i], &conn);
        cr_expect_eq(r, -EINVAL, "options %zu: %d", i, r);
        cr_expect_eq(conn, untouched, "options %zu", i);
    }
    vsock_listener_free(listener);
}

Test(vsock_dial, ends_after_its_timeout_and_not_before)
{
    static const uint64_t timeouts_ns[] = {1, MS, 37 * MS, 300 * MS};

    silence_begin(&silence);
    for (size_t i = 0; i < COUNT_OF(timeouts_ns); i++) {
        struct vsock_dial_options options = {.timeout_ns = timeouts_ns[i]};
        struct vsock_conn *conn = untouched;
        uint64_t begin = harness_now();
        cr_expect_eq(backing_dial(silence.address, &options, &conn), -ETIMEDOUT);
        uint64_t took = harness_now() - begin;
        cr_expect(took >= timeouts_ns[i] && took < timeouts_ns[i] + LATE_NS, "%ju of %ju ns",
                  (uintmax_t)took, (uintmax_t)timeouts_ns[i]);
        cr_expect_eq(conn, untouched);
    }
    silence_end(&silence);
}

Test(vsock_dial, a_timeout_of_all_time_is_one)
{
    struct vsock_listener *listener = backing_listen(NULL);
    struct vsock_conn *conns[2];

    backing_connect(listener, &(struct vsock_dial_options){.timeout_ns = UINT64_MAX}, conns);
    backing_pair_free(conns);
    vsock_listener_free(listener);
}

/* The timeout is the dial's: what is connected has no deadline of it. */
Test(vsock_dial, leaves_no_deadline_behind)
{
    struct vsock_listener *listener = backing_listen(NULL);
    struct vsock_dial_options options = {.timeout_ns = 2 * SECOND};
    struct vsock_conn *conns[2];
    char byte;

    backing_connect(listener, &options, conns);
    uint64_t until = vsock_deadline_in(2 * SECOND + 100 * MS);
    cr_assert_eq(vsock_conn_set_deadline(conns[1], until), 0);
    cr_expect_eq(vsock_conn_read(conns[1], &byte, 1), -ETIMEDOUT);
    cr_assert_eq(vsock_conn_set_deadline(conns[1], VSOCK_NO_DEADLINE), 0);
    cr_expect_eq(vsock_conn_write(conns[1], "x", 1, NULL), 0);
    cr_expect_eq(vsock_conn_read(conns[0], &byte, 1), 1);
    backing_pair_free(conns);
    vsock_listener_free(listener);
}

static uint64_t buffer_bytes(struct vsock_conn *conn, int unix_name)
{
    int bytes = 0;
    uint64_t vsock_bytes = 0;
    socklen_t length = sizeof(bytes), vsock_length = sizeof(vsock_bytes);

    if (backing_is_vsock()) {
        cr_assert_eq(getsockopt(vsock_conn_fd(conn), AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE,
                                &vsock_bytes, &vsock_length),
                     0);
        return vsock_bytes;
    }
    cr_assert_eq(getsockopt(vsock_conn_fd(conn), SOL_SOCKET, unix_name, &bytes, &length), 0);
    return (uint64_t)bytes / 2; /* socket(7): the kernel doubles it */
}

Test(vsock_dial, buffers_are_as_large_as_asked)
{
    static const uint64_t sizes[] = {40000, 2 << 20};

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        /* The kernel's limit for Unix sockets is about 200 KiB (net.core.wmem_max). */
        uint64_t bytes = backing_is_vsock() || i == 0 ? sizes[i] : 60000;
        struct vsock_listener *listener =
            backing_listen(&(struct vsock_listen_options){.buffer_bytes = bytes + 4096});
        struct vsock_conn *conns[2];
        backing_connect(listener, &(struct vsock_dial_options){.buffer_bytes = bytes}, conns);
        cr_expect_eq(buffer_bytes(conns[0], SO_SNDBUF), bytes);
        cr_expect_eq(buffer_bytes(conns[0], SO_RCVBUF), bytes);
        cr_expect_eq(buffer_bytes(conns[1], SO_SNDBUF), bytes + 4096);
        cr_expect_eq(buffer_bytes(conns[1], SO_RCVBUF), bytes + 4096);
        backing_pair_free(conns);
        vsock_listener_free(listener);
    }
}

Test(vsock_cancel, asked_before_ends_a_dial_at_once)
{
    struct vsock_listener *listener = backing_listen(NULL);
    struct vsock_dial_options options = {0};
    struct vsock_conn *conn = untouched;

    cr_assert_eq(vsock_cancel_new(&options.cancel), 0);
    vsock_cancel_ask(options.cancel);
    vsock_cancel_ask(options.cancel);
    for (unsigned i = 0; i < 3; i++)
        cr_expect_eq(backing_dial(vsock_listener_address(listener), &options, &conn), -ECANCELED);
    cr_expect_eq(conn, untouched);
    vsock_cancel_free(options.cancel);
    vsock_listener_free(listener);
}

Test(vsock_cancel, not_asked_it_changes_nothing)
{
    struct vsock_listener *listener = backing_listen(NULL);
    struct vsock_dial_options options = {0};
    struct vsock_conn *conns[2];

    cr_assert_eq(vsock_cancel_new(&options.cancel), 0);
    backing_connect(listener, &options, conns);
    vsock_cancel_ask(options.cancel);
    cr_expect_eq(vsock_conn_write(conns[0], "x", 1, NULL), 0);
    backing_pair_free(conns);
    vsock_cancel_free(options.cancel);
    vsock_listener_free(listener);
}

Test(vsock_cancel, asked_meanwhile_it_ends_many_dials)
{
    struct vsock_dial_options options = {.timeout_ns = 60 * SECOND};
    struct dial dials[4];
    struct waiter waiters[4];

    silence_begin(&silence);
    cr_assert_eq(vsock_cancel_new(&options.cancel), 0);
    for (size_t i = 0; i < COUNT_OF(dials); i++) {
        dials[i] = (struct dial){&options, untouched};
        waiter_start(&waiters[i], dial_silence, &dials[i]);
        waiter_await_sleep(&waiters[i]);
    }
    uint64_t begin = harness_now();
    vsock_cancel_ask(options.cancel);
    for (size_t i = 0; i < COUNT_OF(dials); i++) {
        cr_expect_eq(waiter_join(&waiters[i]), -ECANCELED);
        cr_expect_lt(waiters[i].ended_ns, begin + LATE_NS);
        cr_expect_eq(dials[i].conn, untouched);
    }
    vsock_cancel_free(options.cancel);
    silence_end(&silence);
}

static struct vsock_cancel *asked_by_signal;

static void ask(int number)
{
    vsock_cancel_ask(asked_by_signal);
}

Test(vsock_cancel, may_be_asked_in_a_signal_handler)
{
    struct sigaction action = {.sa_handler = ask, .sa_flags = SA_RESTART};
    struct vsock_dial_options options = {.timeout_ns = 60 * SECOND};
    struct dial dial = {&options, untouched};
    struct waiter waiter;

    silence_begin(&silence);
    cr_assert_eq(vsock_cancel_new(&options.cancel), 0);
    asked_by_signal = options.cancel;
    cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
    waiter_start(&waiter, dial_silence, &dial);
    waiter_await_sleep(&waiter);
    cr_assert_eq(pthread_kill(waiter.thread, SIGUSR1), 0);
    cr_expect_eq(waiter_join(&waiter), -ECANCELED);
    vsock_cancel_free(options.cancel);
    silence_end(&silence);
}

static void nothing(int number)
{
}

Test(vsock_dial, a_signal_does_not_end_it)
{
    struct sigaction action = {.sa_handler = nothing};
    struct vsock_dial_options options = {.timeout_ns = 300 * MS};
    struct dial dial = {&options, untouched};
    struct waiter waiter;

    silence_begin(&silence);
    cr_assert_eq(sigaction(SIGUSR1, &action, NULL), 0);
    uint64_t begin = harness_now();
    waiter_start(&waiter, dial_silence, &dial);
    waiter_await_sleep(&waiter);
    cr_assert_eq(pthread_kill(waiter.thread, SIGUSR1), 0);
    cr_expect_eq(waiter_join(&waiter), -ETIMEDOUT);
    cr_expect_geq(waiter.ended_ns, begin + 300 * MS);
    silence_end(&silence);
}

Test(vsock_cancel, freeing_nothing_is_nothing)
{
    vsock_cancel_free(NULL);
}

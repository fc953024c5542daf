/* Reading and writing: much at once in both directions, what is sent when it fails, writes of many
 * threads, the end. */
#include "tests/vsock/backing.h"
#include "tests/vsock/harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

TestSuite(vsock_conn_transfer, .init = harness_begin, .fini = harness_end);

#define PATTERN_BYTES  1000003 /* a prime: bytes at a wrong place do not match */
#define EXCHANGE_BYTES (UINT64_C(100) << 20)

static struct vsock_conn *pair[2];
static char pattern[2 * PATTERN_BYTES];

static void pattern_fill(void)
{
    for (size_t i = 0; i < PATTERN_BYTES; i++)
        pattern[i] = pattern[i + PATTERN_BYTES] = (char)mrand48();
}

/* In pieces of many lengths. */
static ssize_t pattern_write(void *conn)
{
    unsigned short seed[3] = {1, 2, 3};

    for (uint64_t done = 0; done < EXCHANGE_BYTES;) {
        size_t length = (size_t)nrand48(seed) % 300000, written = 4711;
        if (length > EXCHANGE_BYTES - done)
            length = EXCHANGE_BYTES - done;
        int r = vsock_conn_write(conn, pattern + done % PATTERN_BYTES, length, &written);
        if (r < 0)
            return r;
        if (written != length)
            return -EIO;
        done += length;
    }
    return vsock_conn_close_write(conn);
}

static ssize_t pattern_read(void *conn)
{
    static _Thread_local char bytes[200000];
    unsigned short seed[3] = {4, 5, 6};
    uint64_t done = 0;

    for (;;) {
        size_t length = (size_t)nrand48(seed) % sizeof(bytes) + 1;
        ssize_t r = vsock_conn_read(conn, bytes, length);
        if (r <= 0)
            return r < 0 ? r : done == EXCHANGE_BYTES ? 0 : -ENODATA;
        if ((size_t)r > length || memcmp(bytes, pattern + done % PATTERN_BYTES, (size_t)r) != 0)
            return -EILSEQ;
        done += (uint64_t)r;
    }
}

static ssize_t join_long(struct waiter *waiter)
{
    cr_assert_eq(pthread_join(waiter->thread, NULL), 0);
    return waiter->result;
}

Test(vsock_conn_transfer, carries_100_mib_both_ways_at_once)
{
    struct waiter waiters[4];

    pattern_fill();
    backing_pair(SOCK_STREAM, pair);
    for (unsigned i = 0; i < 4; i++)
        waiter_start(&waiters[i], i < 2 ? pattern_read : pattern_write, pair[i % 2]);
    for (unsigned i = 0; i < 4; i++) {
        ssize_t r = join_long(&waiters[i]);
        cr_expect_eq(r, 0, "%s: %s", i < 2 ? "read" : "write", strerror((int)-r));
    }
    backing_pair_free(pair);
}

Test(vsock_conn_transfer, a_read_returns_what_is_there)
{
    char bytes[100];

    backing_pair(SOCK_STREAM, pair);
    cr_assert_eq(vsock_conn_write(pair[0], "abcdef", 6, NULL), 0);
    cr_expect_eq(vsock_conn_read(pair[1], bytes, 4), 4);
    cr_expect_arr_eq(bytes, "abcd", 4);
    cr_expect_eq(vsock_conn_read(pair[1], bytes, sizeof(bytes)), 2);
    cr_expect_arr_eq(bytes, "ef", 2);
    backing_pair_free(pair);
}

Test(vsock_conn_transfer, a_read_waits_for_bytes)
{
    struct waiter waiter;

    backing_pair(SOCK_STREAM, pair);
    waiter_start(&waiter, waiter_read, pair[1]);
    waiter_await_sleep(&waiter);
    cr_assert_eq(vsock_conn_write(pair[0], "x", 1, NULL), 0);
    cr_expect_eq(waiter_join(&waiter), 1);
    backing_pair_free(pair);
}

Test(vsock_conn_transfer, no_bytes_are_neither_read_nor_written)
{
    size_t written = 4711;
    char byte;

    backing_pair(SOCK_STREAM, pair);
    cr_expect_eq(vsock_conn_read(pair[0], &byte, 0), 0);
    cr_expect_eq(vsock_conn_write(pair[0], &byte, 0, &written), 0);
    cr_expect_eq(written, 0);
    cr_expect_eq(vsock_conn_write(pair[0], "x", 1, NULL), 0);
    cr_expect_eq(vsock_conn_read(pair[1], &byte, 1), 1);
    cr_expect_eq(byte, 'x');
    backing_pair_free(pair);
}

/* Every byte that the other end gets until end-of-file. */
static uint64_t read_all(struct vsock_conn *conn)
{
    static char bytes[1 << 16];
    uint64_t count = 0;
    ssize_t r;

    while ((r = vsock_conn_read(conn, bytes, sizeof(bytes))) > 0)
        count += (uint64_t)r;
    cr_assert_eq(r, 0, "%s", strerror((int)-r));
    return count;
}

Test(vsock_conn_transfer, a_write_that_fails_tells_how_much_was_sent)
{
    static char bytes[32 << 20];
    size_t written = 4711;

    backing_pair(SOCK_STREAM, pair);
    cr_assert_eq(vsock_conn_set_write_deadline(pair[0], vsock_deadline_in(200 * MS)), 0);
    cr_expect_eq(vsock_conn_write(pair[0], bytes, sizeof(bytes), &written), -ETIMEDOUT);
    cr_expect(written > 0 && written < sizeof(bytes), "%zu", written);
    cr_assert_eq(vsock_conn_close_write(pair[0]), 0);
    uint64_t got = read_all(pair[1]);
    cr_expect_eq(got, written, "%ju read, %zu written", (uintmax_t)got, written);
    backing_pair_free(pair);
}

struct sent {
    struct vsock_conn *conn;
    size_t written;
};

static ssize_t write_much(void *argument)
{
    static char bytes[32 << 20];
    struct sent *sent = argument;
    return vsock_conn_write(sent->conn, bytes, sizeof(bytes), &sent->written);
}

Test(vsock_conn_transfer, a_write_that_goes_on_after_a_pause_is_whole)
{
    struct sent sent = {.written = 4711};
    struct waiter waiter;

    backing_pair(SOCK_STREAM, pair);
    sent.conn = pair[0];
    waiter_start(&waiter, write_much, &sent);
    waiter_await_sleep(&waiter);
    static char bytes[32 << 20];
    for (size_t done = 0; done < sizeof(bytes);) {
        ssize_t r = vsock_conn_read(pair[1], bytes, sizeof(bytes) - done);
        cr_assert_gt(r, 0);
        done += (size_t)r;
    }
    cr_expect_eq(waiter_join(&waiter), 0);
    cr_expect_eq(sent.written, sizeof(bytes));
    backing_pair_free(pair);
}

#define RECORD_BYTES  300000
#define RECORD_COUNT  12
#define RECORD_OWNERS 4

struct owner {
    struct vsock_conn *conn;
    char mark;
};

static ssize_t records_write(void *argument)
{
    static _Thread_local char record[RECORD_BYTES];
    const struct owner *owner = argument;

    memset(record, owner->mark, sizeof(record));
    for (unsigned i = 0; i < RECORD_COUNT; i++) {
        int r = vsock_conn_write(owner->conn, record, sizeof(record), NULL);
        if (r < 0)
            return r;
    }
    return 0;
}

static void record_read(struct vsock_conn *conn, char record[static RECORD_BYTES])
{
    for (size_t done = 0; done < RECORD_BYTES;) {
        ssize_t r = vsock_conn_read(conn, record + done, RECORD_BYTES - done);
        cr_assert_gt(r, 0);
        done += (size_t)r;
    }
}

Test(vsock_conn_transfer, writes_of_many_threads_do_not_mix)
{
    static char record[RECORD_BYTES];
    struct owner owners[RECORD_OWNERS];
    struct waiter waiters[RECORD_OWNERS];
    unsigned seen[RECORD_OWNERS] = {0};

    backing_pair(SOCK_STREAM, pair);
    for (unsigned i = 0; i < RECORD_OWNERS; i++) {
        owners[i] = (struct owner){pair[0], (char)('a' + i)};
        waiter_start(&waiters[i], records_write, &owners[i]);
    }
    for (unsigned i = 0; i < RECORD_OWNERS * RECORD_COUNT; i++) {
        record_read(pair[1], record);
        unsigned owner = (unsigned)(record[0] - 'a');
        cr_assert_lt(owner, RECORD_OWNERS);
        cr_assert_eq(memcmp(record, record + 1, RECORD_BYTES - 1), 0, "two writes are mixed");
        seen[owner]++;
    }
    for (unsigned i = 0; i < RECORD_OWNERS; i++) {
        cr_expect_eq(waiter_join(&waiters[i]), 0);
        cr_expect_eq(seen[i], RECORD_COUNT);
    }
    backing_pair_free(pair);
}

/* Until it fails: vsock's other end tells of its close some time later. */
static int write_until_it_fails(struct vsock_conn *conn)
{
    uint64_t until = harness_now() + 10 * SECOND;
    int r = 0;

    while (r == 0 && harness_now() < until)
        r = vsock_conn_write(conn, "x", 1, NULL);
    return r;
}

static volatile sig_atomic_t pipe_signals;

static void pipe_signal(int number)
{
    pipe_signals++;
}

Test(vsock_conn_transfer, writing_to_nobody_is_an_error_and_no_signal)
{
    struct sigaction action = {.sa_handler = pipe_signal};

    cr_assert_eq(sigaction(SIGPIPE, &action, NULL), 0);
    backing_pair(SOCK_STREAM, pair);
    vsock_conn_free(pair[1]);
    cr_expect_eq(write_until_it_fails(pair[0]), -EPIPE);
    cr_expect_eq(write_until_it_fails(pair[0]), -EPIPE);
    cr_expect_eq(pipe_signals, 0);
    vsock_conn_free(pair[0]);
}

Test(vsock_conn_transfer, a_write_that_waits_ends_when_nobody_is_left)
{
    struct waiter waiter;

    backing_pair(SOCK_STREAM, pair);
    waiter_start(&waiter, waiter_write, pair[0]);
    waiter_await_sleep(&waiter);
    vsock_conn_free(pair[1]);
    ssize_t r = waiter_join(&waiter);
    cr_expect(r == -EPIPE || r == -ECONNRESET, "%zd", r);
    vsock_conn_free(pair[0]);
}

Test(vsock_conn_transfer, a_close_is_the_end_of_file_behind_the_last_byte)
{
    char bytes[10];

    backing_pair(SOCK_STREAM, pair);
    cr_assert_eq(vsock_conn_write(pair[0], "last", 4, NULL), 0);
    vsock_conn_free(pair[0]);
    cr_expect_eq(vsock_conn_read(pair[1], bytes, sizeof(bytes)), 4);
    cr_expect_eq(vsock_conn_read(pair[1], bytes, sizeof(bytes)), 0);
    cr_expect_eq(vsock_conn_read(pair[1], bytes, sizeof(bytes)), 0);
    vsock_conn_free(pair[1]);
}

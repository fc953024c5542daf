/* Bytes through a pipe: what goes in comes out, and the pipe knows how many it holds. */
#include "ring/pipe.h"
#include "tests/ring/sockets.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define PIPE_BYTES (64 * 1024)

static struct ring_pipe through;
static int from[2]; /* [1] writes, the pipe is filled from [0] */
static int to[2];   /* the pipe is drained to [0], [1] reads */

static void start(enum sockets_kind kind)
{
    sockets_pair(kind, from);
    sockets_pair(kind, to);
    fcntl(from[0], F_SETFL, O_NONBLOCK);
    fcntl(to[0], F_SETFL, O_NONBLOCK);
    cr_assert_eq(ring_pipe_init(&through, PIPE_BYTES), 0);
}

static void finish(void)
{
    ring_pipe_deinit(&through);
    sockets_close_pair(from);
    sockets_close_pair(to);
}

static ssize_t fill(size_t bytes_max)
{
    size_t before = through.bytes;
    ssize_t count = ring_pipe_fill(&through, from[0], bytes_max);

    cr_assert_eq(through.bytes, before + (count > 0 ? (size_t)count : 0));
    return count;
}

static ssize_t drain(void)
{
    size_t before = through.bytes;
    ssize_t count = ring_pipe_drain(&through, to[0]);

    cr_assert_eq(through.bytes, before - (count > 0 ? (size_t)count : 0));
    return count;
}

Test(pipe, is_empty_and_closes_on_exec)
{
    cr_assert_eq(ring_pipe_init(&through, 256 * 1024), 0);
    cr_assert_eq(through.bytes, 0);
    cr_assert_eq(fcntl(through.in, F_GETPIPE_SZ), 256 * 1024);
    for (unsigned i = 0; i < 2; i++) {
        int fd = i ? through.in : through.out;
        cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
    }
    ring_pipe_deinit(&through);
    cr_assert_eq(fcntl(through.in, F_GETFD), -1);
    cr_assert_eq(fcntl(through.out, F_GETFD), -1);
}

Test(pipe, carries_bytes_in_parts)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        char got[11];

        start(kind);
        cr_assert_eq(fill(100), -EAGAIN, "%s", sockets_name(kind));
        sockets_write(from[1], "hello world", 11);
        sockets_poll(from[0], POLLIN, 1000);
        cr_assert_eq(fill(6), 6);
        cr_assert_eq(drain(), 6);
        cr_assert_eq(fill(100), 5);
        cr_assert_eq(fill(100), -EAGAIN, "%s", sockets_name(kind));
        cr_assert_eq(drain(), 5);
        cr_assert_eq(through.bytes, 0);
        sockets_read(to[1], got, sizeof(got));
        cr_assert_arr_eq(got, "hello world", 11);
        finish();
    }
}

/* What is on its way is in the source, the pipe or the sink; nothing is lost when each is full. */
Test(pipe, says_that_it_is_full_and_that_the_sink_is)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        size_t written = sockets_fill(from[1]);
        size_t filled = sockets_fill(to[0]);
        while (fill(PIPE_BYTES) > 0)
            ;
        cr_assert_gt(through.bytes, 0);
        cr_assert_eq(fill(PIPE_BYTES), -EAGAIN, "%s", sockets_name(kind));
        cr_assert_eq(drain(), -EAGAIN, "%s", sockets_name(kind));

        size_t got = sockets_drain(to[1]);
        cr_assert_eq(got, filled);
        for (got = 0; got < written; got += sockets_drain(to[1])) {
            while (drain() > 0)
                ;
            fill(PIPE_BYTES);
        }
        cr_assert_eq(got, written, "%s", sockets_name(kind));
        finish();
    }
}

Test(pipe, keeps_the_order_of_a_long_stream)
{
    enum { WORDS = 200000, BURST = 1000 };

    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        for (unsigned sent = 0; sent < WORDS; sent += BURST) {
            unsigned words[BURST];
            for (unsigned i = 0; i < BURST; i++)
                words[i] = sent + i;
            sockets_write(from[1], words, sizeof(words));
            for (size_t moved = 0; moved < sizeof(words);) {
                sockets_poll(from[0], POLLIN, 1000);
                fill(sent % 3 ? PIPE_BYTES : 1000);
                ssize_t count = drain();
                cr_assert_gt(count, 0);
                moved += (size_t)count;
            }
            sockets_read(to[1], words, sizeof(words));
            for (unsigned i = 0; i < BURST; i++)
                cr_assert_eq(words[i], sent + i);
        }
        finish();
    }
}

Test(pipe, tells_the_end)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        sockets_write(from[1], "last", 4);
        shutdown(from[1], SHUT_WR);
        sockets_poll(from[0], POLLRDHUP, 1000);
        cr_assert_eq(fill(100), 4);
        cr_assert_eq(fill(100), 0, "%s", sockets_name(kind));
        cr_assert_eq(drain(), 4);
        finish();
    }
}

/* The bytes that are held stay counted. */
Test(pipe, tells_errors)
{
    cr_assert_neq(signal(SIGPIPE, SIG_IGN), SIG_ERR);
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        start(kind);
        sockets_write(from[1], "last", 4);
        sockets_poll(from[0], POLLIN, 1000);
        cr_assert_eq(fill(100), 4);
        sockets_reset(to[1]);
        sockets_poll(to[0], 0, 1000);
        ssize_t count = drain();
        cr_assert(count == -EPIPE || count == -ECONNRESET, "%s: %zd", sockets_name(kind), count);
        cr_assert_eq(through.bytes, 4);
        to[1] = dup(to[0]);
        finish();
    }
}

/* The log's queue and thread, with a pipe for standard error. */
#include "proxy/log_writer.h"

#include "ring/clock.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

static int reads = -1;

static uint64_t attend(uint64_t now_ns)
{
    return 0;
}

static void tell_lost(struct log_record *record, uint64_t count)
{
    record->encoding = LOG_TEXT;
    record->length =
        (size_t)snprintf(record->bytes, sizeof(record->bytes), "lost %" PRIu64 "\n", count);
}

static void begin(void)
{
    const struct log_writer_events events = {.attend = attend, .tell_lost = tell_lost};
    int pipe_fds[2];

    cr_assert_eq(pipe(pipe_fds), 0);
    reads = pipe_fds[0];
    cr_assert_eq(dup2(pipe_fds[1], STDERR_FILENO), STDERR_FILENO);
    close(pipe_fds[1]);
    cr_assert_eq(log_writer_start(&events), 0);
}

/* "17 xxx...\n", of that many bytes. */
static void put_line(unsigned number, size_t bytes)
{
    static struct log_record record;

    record.encoding = LOG_TEXT;
    record.length = bytes;
    memset(record.bytes, 'x', bytes);
    int digits = snprintf(record.bytes, 16, "%u", number);
    record.bytes[digits] = ' ';
    record.bytes[bytes - 1] = '\n';
    log_writer_put(&record);
}

/* What stands in the lines up to the end of the pipe: each whole, in their order, and as many left
 * out as is told in their place. */
static unsigned expect_lines(unsigned count, size_t bytes, unsigned *ret_lost)
{
    FILE *stream = fdopen(reads, "r");
    static char line[LOG_RECORD_BYTES + 1];
    unsigned next = 0, number, lost = 0, whole = 0;

    cr_assert(stream);
    while (next < count && fgets(line, sizeof(line), stream)) {
        if (sscanf(line, "lost %u", &number) == 1) {
            next += number;
            lost += number;
            continue;
        }
        cr_assert_eq(sscanf(line, "%u x", &number), 1, "%s", line);
        cr_assert_eq(number, next, "%u instead of %u", number, next);
        cr_assert_eq(strlen(line), bytes);
        next++;
        whole++;
    }
    cr_assert_eq(next, count);
    *ret_lost = lost;
    fclose(stream);
    return whole;
}

/* Where there is room a line is there when whoever told it goes on, and many are soon. */
Test(log_writer, at_once)
{
    char bytes[100];
    unsigned lost;

    begin();
    put_line(0, sizeof(bytes));
    cr_assert_eq(poll(&(struct pollfd){.fd = reads, .events = POLLIN}, 1, 0), 1);
    cr_assert_eq(read(reads, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
    for (unsigned i = 0; i < 500; i++)
        put_line(i, 100);
    cr_assert_eq(expect_lines(500, 100, &lost), 500U);
    cr_assert_eq(lost, 0U);
}

/* Nobody reads: whoever logs goes on, and what is lost is told. At least the half that is filled is
 * kept, but for an eighth of it that lines about other lines have. */
Test(log_writer, never_blocks)
{
    unsigned count = 100000, lost;

    begin();
    uint64_t started_ns = clock_ns();
    for (unsigned i = 0; i < count; i++)
        put_line(i, 100);
    cr_assert_lt(clock_ns() - started_ns, 20000 * MS);
    cr_assert_geq(expect_lines(count, 100, &lost), LOG_QUEUE_BYTES / 2 / 8 * 7 / 108);
    cr_assert_gt(lost, count / 2);
    cr_assert_eq(log_writer_lost(), lost);
}

Test(log_writer, longer_than_a_pipe_takes_in_one_piece)
{
    static const size_t lengths[] = {PIPE_BUF - 1, PIPE_BUF, PIPE_BUF + 1, LOG_RECORD_BYTES};

    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        unsigned lost;
        begin();
        for (unsigned j = 0; j < 3; j++)
            put_line(j, lengths[i]);
        log_writer_stop();
        cr_assert_eq(expect_lines(3, lengths[i], &lost), 3U);
    }
}

/* All that is queued is written, however slowly it is read, and who logs then writes it himself. */
Test(log_writer, stopped)
{
    unsigned count = 5000, lost;

    begin();
    for (unsigned i = 0; i < count; i++)
        put_line(i, 100);
    pid_t child = fork();
    if (child == 0) {
        close(STDERR_FILENO);
        usleep(300000);
        _exit(expect_lines(count + 1, 100, &lost) == count + 1 ? 0 : 1);
    }
    log_writer_stop();
    put_line(count, 100);
    close(STDERR_FILENO);
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
}

/* Where nobody reads, it is given up within a second or two, and later lines are dropped. */
Test(log_writer, stopped_unread, .timeout = 20)
{
    begin();
    for (unsigned i = 0; i < 5000; i++)
        put_line(i, 100);
    uint64_t started_ns = clock_ns();
    log_writer_stop();
    cr_assert_gt(clock_ns() - started_ns, 900 * MS);
    cr_assert_lt(clock_ns() - started_ns, 5000 * MS);
    for (unsigned i = 0; i < 5000; i++)
        put_line(i, 100);
}

/* What was told before an assertion failed is read. */
Test(log_writer, aborted)
{
    unsigned count = 5000, lost;
    int pipe_fds[2], status;

    cr_assert_eq(pipe(pipe_fds), 0);
    pid_t child = fork();
    if (child == 0) {
        const struct log_writer_events events = {.attend = attend, .tell_lost = tell_lost};
        dup2(pipe_fds[1], STDERR_FILENO);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        log_writer_start(&events);
        for (unsigned i = 0; i < count; i++)
            put_line(i, 100);
        abort();
    }
    close(pipe_fds[1]);
    reads = pipe_fds[0];
    cr_assert_eq(expect_lines(count, 100, &lost), count);
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* As somebody who shares the terminal may have set it. */
Test(log_writer, standard_error_that_does_not_block)
{
    unsigned count = 5000, lost;

    begin();
    fcntl(STDERR_FILENO, F_SETFL, O_NONBLOCK);
    for (unsigned i = 0; i < count; i++)
        put_line(i, 100);
    usleep(100000);
    cr_assert_eq(expect_lines(count, 100, &lost), count);
}

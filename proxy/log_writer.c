/* The queue of the log and its thread.
 *
 * Two halves: one is filled by all, the other is being written by the thread, which swaps them
 * when it is done. What a flood took of them is given back behind it.
 */
#include "proxy/log_writer.h"

#include "proxy/log_journal.h"
#include "ring/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define HALF_BYTES  (LOG_QUEUE_BYTES / 2)
#define NS_PER_S    UINT64_C(1000000000)
#define KEPT_BYTES  65536
#define OWN_BYTES   131072 /* of a half, for what attend() puts */
#define ABORT_WAITS 100    /* of 10 ms */

enum state {
    WRITER_OFF,
    WRITER_RUNNING,
    WRITER_STOPPING,
    WRITER_STUCK, /* it was left behind in write(2) */
};

/* Before each record in the queue. */
struct head {
    uint32_t length;
    uint32_t encoding;
};

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t news;  /* for the thread */
    pthread_cond_t ended; /* the thread has */
    pthread_t thread;
    struct log_writer_events events;
    enum state state;
    bool woken;
    bool over;
    bool may_be_full; /* standard error can be asked whether it takes a line: a pipe or a socket */
    bool writing;     /* somebody is, with the mutex open */
    bool awaits_turn; /* the thread, until he is done */
    size_t used;      /* of the half that is filled */
    unsigned filled;
    uint64_t lost; /* that are not told yet */
    uint64_t lost_ever;
    _Alignas(65536) char halves[2][HALF_BYTES];
} writer = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* Bytes that are queued or being written, and how often some were: for who waits without the
 * mutex. */
static atomic_size_t pending;
static atomic_uint progress;

static void write_whole(const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(STDERR_FILENO, bytes, length);
        if (written < 0 && errno == EAGAIN) {
            poll(&(struct pollfd){.fd = STDERR_FILENO, .events = POLLOUT}, 1, -1);
            continue;
        }
        if (written < 0 && errno != EINTR)
            return; /* nowhere to tell it */
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
            atomic_fetch_add(&progress, 1);
        }
    }
}

/* Its message, which is the first field. */
static void write_as_text(const char *fields)
{
    const char *message = strchr(fields, '=') + 1;
    char line[LOG_LINE_BYTES];
    size_t length = strnlen(message, sizeof(line) - 1);

    memcpy(line, message, length);
    line[length] = '\n';
    write_whole(line, length + 1);
}

static void write_one(enum log_encoding encoding, const char *bytes, size_t length)
{
    if (encoding != LOG_JOURNAL)
        write_whole(bytes, length);
    else if (log_journal_send(bytes, length) < 0)
        write_as_text(bytes);
    else
        atomic_fetch_add(&progress, 1);
}

/* Lines, as many as go whole into one write(2) to a pipe. */
struct batch {
    size_t length;
    char bytes[PIPE_BUF];
};

static void batch_write(struct batch *batch)
{
    write_whole(batch->bytes, batch->length);
    batch->length = 0;
}

static void batch_add(struct batch *batch, enum log_encoding encoding, const char *bytes,
                      size_t length)
{
    bool fits = encoding != LOG_JOURNAL && length <= sizeof(batch->bytes);

    if (!fits || batch->length + length > sizeof(batch->bytes))
        batch_write(batch);
    if (!fits) {
        write_one(encoding, bytes, length);
        return;
    }
    memcpy(batch->bytes + batch->length, bytes, length);
    batch->length += length;
}

static void write_half(const char *half, size_t used)
{
    struct batch batch = {.length = 0};
    struct head head;

    for (size_t at = 0; at < used; at += sizeof(head) + head.length) {
        memcpy(&head, half + at, sizeof(head));
        batch_add(&batch, (enum log_encoding)head.encoding, half + at + sizeof(head), head.length);
    }
    batch_write(&batch);
}

static void write_lost(uint64_t count)
{
    struct log_record record;

    writer.events.tell_lost(&record, count);
    write_one(record.encoding, record.bytes, record.length);
}

static void wait_for_news(uint64_t until_ns)
{
    struct timespec until = {
        .tv_sec = (time_t)(until_ns / NS_PER_S),
        .tv_nsec = (long)(until_ns % NS_PER_S),
    };

    if (until_ns == 0)
        pthread_cond_wait(&writer.news, &writer.mutex);
    else
        pthread_cond_timedwait(&writer.news, &writer.mutex, &until);
}

/* Takes what is queued, and writes it with the mutex open. */
static void write_queued(void)
{
    char *half = writer.halves[writer.filled];
    size_t used = writer.used;
    uint64_t lost = writer.lost;

    writer.filled = 1 - writer.filled;
    writer.used = 0;
    writer.lost = 0;
    writer.writing = true;
    pthread_mutex_unlock(&writer.mutex);
    write_half(half, used);
    if (used > KEPT_BYTES)
        madvise(half + KEPT_BYTES, HALF_BYTES - KEPT_BYTES, MADV_DONTNEED);
    if (lost > 0)
        write_lost(lost);
    atomic_fetch_sub(&pending, used);
    pthread_mutex_lock(&writer.mutex);
    writer.writing = false;
}

static void *writer_thread(void *argument)
{
    uint64_t attend_ns = 0;
    bool last = false;

    pthread_mutex_lock(&writer.mutex);
    for (;;) {
        if (writer.writing) {
            writer.awaits_turn = true;
            wait_for_news(0);
            writer.awaits_turn = false;
            continue;
        }
        if (writer.used > 0 || writer.lost > 0) {
            write_queued();
        } else if (last) {
            break;
        } else if (writer.state != WRITER_RUNNING) {
            last = true;
        } else if (!writer.woken && (attend_ns == 0 || clock_ns() < attend_ns)) {
            wait_for_news(attend_ns);
            continue;
        }
        writer.woken = false;
        pthread_mutex_unlock(&writer.mutex);
        attend_ns = writer.events.attend(last ? UINT64_MAX : clock_ns());
        pthread_mutex_lock(&writer.mutex);
    }
    writer.over = true;
    pthread_cond_signal(&writer.ended);
    pthread_mutex_unlock(&writer.mutex);
    return NULL;
}

/* An assertion failed, or the watchdog bit: what was told before is told still. */
static void aborting(int number)
{
    for (int i = 0; i < ABORT_WAITS && atomic_load(&pending) > 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    raise(number);
}

static int start_thread(void)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int error = pthread_create(&writer.thread, NULL, writer_thread, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

int log_writer_start(const struct log_writer_events *events)
{
    struct sigaction action = {.sa_handler = aborting, .sa_flags = SA_RESETHAND};
    pthread_condattr_t monotonic;
    struct stat is;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&writer.news, &monotonic);
    pthread_cond_init(&writer.ended, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_lock(&writer.mutex);
    writer.events = *events;
    writer.over = false;
    writer.may_be_full =
        fstat(STDERR_FILENO, &is) == 0 && (S_ISFIFO(is.st_mode) || S_ISSOCK(is.st_mode));
    writer.state = WRITER_RUNNING;
    int error = start_thread();
    if (error < 0)
        writer.state = WRITER_OFF;
    pthread_mutex_unlock(&writer.mutex);
    if (error == 0)
        sigaction(SIGABRT, &action, NULL);
    return error;
}

/* With the mutex locked. */
static void queue(const struct log_record *record, bool own)
{
    size_t room = HALF_BYTES - writer.used;
    struct head head = {(uint32_t)record->length, record->encoding};
    char *at = writer.halves[writer.filled] + writer.used;

    if (sizeof(head) + record->length + (own ? 0 : OWN_BYTES) > room) {
        writer.lost++;
        writer.lost_ever++;
    } else {
        memcpy(at, &head, sizeof(head));
        memcpy(at + sizeof(head), record->bytes, record->length);
        writer.used += sizeof(head) + record->length;
        atomic_fetch_add(&pending, sizeof(head) + record->length);
    }
    pthread_cond_signal(&writer.news);
}

static bool has_room(void)
{
    struct pollfd state = {.fd = STDERR_FILENO, .events = POLLOUT};

    return poll(&state, 1, 0) == 1 && state.revents == POLLOUT;
}

/* Where the reader keeps up, with the mutex locked, which is open meanwhile: so a line is there
 * before what it tells of is seen otherwise, and a crash loses none. One piece of at most PIPE_BUF
 * does not wait where there was room, unless another process has just taken it. */
static bool write_at_once(const struct log_record *record)
{
    if (!writer.may_be_full || writer.writing || writer.used > 0 || writer.lost > 0 ||
        record->encoding == LOG_JOURNAL || record->length > PIPE_BUF || !has_room())
        return false;
    writer.writing = true;
    pthread_mutex_unlock(&writer.mutex);
    write_whole(record->bytes, record->length);
    pthread_mutex_lock(&writer.mutex);
    writer.writing = false;
    if (writer.awaits_turn)
        pthread_cond_signal(&writer.news);
    return true;
}

void log_writer_put(const struct log_record *record)
{
    pthread_mutex_lock(&writer.mutex);
    enum state state = writer.state;
    bool own = state != WRITER_OFF && pthread_equal(pthread_self(), writer.thread);
    if ((state == WRITER_RUNNING || own) && !write_at_once(record))
        queue(record, own);
    pthread_mutex_unlock(&writer.mutex);
    if (state == WRITER_OFF)
        write_one(record->encoding, record->bytes, record->length);
}

uint64_t log_writer_lost(void)
{
    uint64_t count;

    pthread_mutex_lock(&writer.mutex);
    count = writer.lost_ever;
    pthread_mutex_unlock(&writer.mutex);
    return count;
}

void log_writer_wake(void)
{
    pthread_mutex_lock(&writer.mutex);
    writer.woken = true;
    if (writer.state == WRITER_RUNNING)
        pthread_cond_signal(&writer.news);
    pthread_mutex_unlock(&writer.mutex);
}

/* With the mutex locked: whether it has ended, a second without progress at most. */
static bool thread_ends(void)
{
    unsigned seen = atomic_load(&progress);
    uint64_t until_ns = clock_ns() + NS_PER_S;

    while (!writer.over) {
        struct timespec until = {(time_t)(until_ns / NS_PER_S), (long)(until_ns % NS_PER_S)};
        if (pthread_cond_timedwait(&writer.ended, &writer.mutex, &until) != ETIMEDOUT)
            continue;
        if (atomic_load(&progress) == seen)
            return false;
        seen = atomic_load(&progress);
        until_ns = clock_ns() + NS_PER_S;
    }
    return true;
}

void log_writer_stop(void)
{
    pthread_mutex_lock(&writer.mutex);
    if (writer.state != WRITER_RUNNING) {
        pthread_mutex_unlock(&writer.mutex);
        return;
    }
    writer.state = WRITER_STOPPING;
    pthread_cond_signal(&writer.news);
    bool ends = thread_ends();
    writer.state = ends ? WRITER_OFF : WRITER_STUCK;
    pthread_mutex_unlock(&writer.mutex);
    if (ends) {
        signal(SIGABRT, SIG_DFL);
        pthread_join(writer.thread, NULL);
    } else {
        pthread_detach(writer.thread);
    }
}

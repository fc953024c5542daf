/* Threads that read, write, accept and dial while others set deadlines, close, take descriptors and
 * cancel, all on the same objects. Every call must end, with a result that is allowed, and what
 * `written` tells must be what arrives. For ThreadSanitizer; a plain program.
 *
 * usage: stress [ACTIONS [SEED]]
 *
 * Round by round: the objects are made, used until so many actions are done, ended and freed.
 */
#include "vsock/vsock.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROUND_ACTIONS  2000
#define ROUND_SECONDS  60 /* longer: something hangs */
#define PAIRS          4
#define BYTES_MAX      70000
#define MESSAGE_BYTES  20000
#define NS_MAX         UINT64_C(500000)
#define COUNT_OF(list) (sizeof(list) / sizeof((list)[0]))

/* The pairs: the first is never closed within a round. */
enum {
    SURVIVOR,
    PAIR,
    DIALLED,
    MESSAGES,
};

static struct {
    struct vsock_conn *ends[PAIRS][2];
    struct vsock_listener *listener;
    struct vsock_cancel *cancels[2];
    atomic_bool over;
    atomic_uint actions;
    /* Of the survivor, by the end that writes. */
    atomic_ullong written[2], read[2];
} world;

static char path[64];
static pthread_barrier_t begin, acted, end;
static uint64_t seed = 1;
static bool finished; /* between `end` and `begin` only */

static struct {
    atomic_ulong reads, writes, accepts, dials;
} done;

static void fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fprintf(stderr, " (seed %ju)\n", (uintmax_t)seed);
    abort();
}

static void expect(const char *call, int64_t result, const int *allowed, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (result == allowed[i])
            return;
    }
    fail("%s: %jd: %s", call, (intmax_t)result, strerror((int)-result));
}

#define EXPECT(call, result, ...)                    \
    expect(call, result, (const int[]){__VA_ARGS__}, \
           sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static uint32_t draw(uint64_t *random, uint32_t below)
{
    *random ^= *random << 13;
    *random ^= *random >> 7;
    *random ^= *random << 17;
    return (uint32_t)(*random >> 33) % below;
}

/* None, long ago, now, or soon. */
static uint64_t draw_deadline(uint64_t *random)
{
    switch (draw(random, 4)) {
    case 0: return VSOCK_NO_DEADLINE;
    case 1: return 1;
    case 2: return vsock_deadline_in(0);
    default: return vsock_deadline_in(draw(random, NS_MAX));
    }
}

static void read_once(uint64_t *random)
{
    static _Thread_local char bytes[BYTES_MAX];
    unsigned pair = draw(random, PAIRS), at = draw(random, 2);
    size_t length = pair == MESSAGES ? sizeof(bytes) : draw(random, sizeof(bytes)) + 1;
    ssize_t count = vsock_conn_read(world.ends[pair][at], bytes, length);

    if (count < 0)
        EXPECT("read", count, -ETIMEDOUT, -EBADF, -ECONNRESET);
    if (count > (ssize_t)length)
        fail("read: %zd of %zu bytes", count, length);
    if (count > 0 && pair == MESSAGES) {
        uint32_t told;
        memcpy(&told, bytes, sizeof(told));
        if (told != count)
            fail("a message of %u bytes has %zd", told, count);
    }
    if (count == 0 && pair == SURVIVOR)
        fail("read: an end-of-file that nobody made");
    if (count > 0 && pair == SURVIVOR)
        atomic_fetch_add(&world.read[!at], (unsigned long long)count);
    atomic_fetch_add(&done.reads, 1);
}

static void write_once(uint64_t *random)
{
    static _Thread_local char bytes[BYTES_MAX];
    unsigned pair = draw(random, PAIRS), at = draw(random, 2);
    size_t most = pair == MESSAGES ? MESSAGE_BYTES : sizeof(bytes);
    uint32_t length = draw(random, (uint32_t)(most - sizeof(length))) + (uint32_t)sizeof(length);
    size_t written = SIZE_MAX;

    memcpy(bytes, &length, sizeof(length));
    int r = vsock_conn_write(world.ends[pair][at], bytes, length, &written);
    EXPECT("write", r, 0, -ETIMEDOUT, -EBADF, -EPIPE, -ECONNRESET);
    if (r == 0 ? written != length : written >= length)
        fail("write: %d, having written %zu of %u", r, written, length);
    if (r < 0 && pair == MESSAGES && written > 0)
        fail("write: a part of a message");
    if (pair == SURVIVOR)
        atomic_fetch_add(&world.written[at], written);
    atomic_fetch_add(&done.writes, 1);
}

static void accept_once(uint64_t *random)
{
    struct vsock_conn *conn = NULL;
    int r = vsock_listener_accept(world.listener, &conn);

    EXPECT("accept", r, 0, -ETIMEDOUT, -EBADF);
    vsock_conn_free(conn);
    atomic_fetch_add(&done.accepts, 1);
}

static void dial_once(uint64_t *random)
{
    const struct vsock_address address = {VSOCK_CID_LOCAL, 1024};
    struct vsock_dial_options options = {
        .timeout_ns = draw(random, 2) ? draw(random, NS_MAX) + 1 : 0,
        .cancel = world.cancels[draw(random, 2)],
    };
    struct vsock_conn *conn = NULL;
    int r = vsock_dial_unix(path, &address, &options, &conn);

    EXPECT("dial", r, 0, -ETIMEDOUT, -ECANCELED, -ENOENT, -ECONNREFUSED);
    vsock_conn_free(conn);
    atomic_fetch_add(&done.dials, 1);
}

static void close_one(uint64_t *random)
{
    bool of_listener = draw(random, 7) == 0, take = draw(random, 2);
    struct vsock_conn *conn = world.ends[1 + draw(random, PAIRS - 1)][draw(random, 2)];
    int r;

    if (of_listener)
        r = take ? vsock_listener_take_fd(world.listener) : vsock_listener_close(world.listener);
    else
        r = take ? vsock_conn_take_fd(conn) : vsock_conn_close(conn);
    if (take && r >= 0)
        close(r);
    if (r < 0)
        EXPECT("close", r, -EBADF);
}

static void half_close_one(uint64_t *random)
{
    struct vsock_conn *conn = world.ends[1 + draw(random, PAIRS - 1)][draw(random, 2)];
    int r = draw(random, 2) ? vsock_conn_close_write(conn) : vsock_conn_close_read(conn);

    EXPECT("half-close", r, 0, -EBADF, -ENOTCONN);
}

static void set_deadline(uint64_t *random)
{
    static int (*const set[])(struct vsock_conn *, uint64_t) = {
        vsock_conn_set_deadline, vsock_conn_set_read_deadline, vsock_conn_set_write_deadline};
    unsigned pair = draw(random, PAIRS + 1);
    uint64_t deadline = draw_deadline(random);
    int r;

    if (pair == PAIRS)
        r = vsock_listener_set_deadline(world.listener, deadline);
    else
        r = set[draw(random, 3)](world.ends[pair][draw(random, 2)], deadline);
    if (pair == SURVIVOR)
        EXPECT("set deadline", r, 0);
    else
        EXPECT("set deadline", r, 0, -EBADF);
}

static void act(uint64_t *random)
{
    uint32_t what = draw(random, 1000);

    if (what < 3)
        close_one(random);
    else if (what < 5)
        half_close_one(random);
    else if (what < 8)
        vsock_cancel_ask(world.cancels[draw(random, 2)]);
    else
        set_deadline(random);
}

static void act_until_enough(uint64_t *random)
{
    while (atomic_fetch_add(&world.actions, 1) < ROUND_ACTIONS)
        act(random);
    pthread_barrier_wait(&acted);
}

static void must(const char *what, int r)
{
    if (r < 0)
        fail("%s: %s", what, strerror(-r));
}

static void world_begin(void)
{
    const struct vsock_address one = {3, 1}, two = {VSOCK_CID_HOST, 2};
    const struct vsock_listen_options options = {.backlog = 1};

    memset(&world, 0, sizeof(world));
    must("pair", vsock_conn_pair(&one, &two, 0, world.ends[SURVIVOR]));
    must("pair", vsock_conn_pair(&one, &two, 0, world.ends[PAIR]));
    must("pair", vsock_conn_pair(&one, &two, SOCK_SEQPACKET, world.ends[MESSAGES]));
    must("listen", vsock_listen_unix(path, &one, &options, &world.listener));
    must("dial", vsock_dial_unix(path, &one, NULL, &world.ends[DIALLED][0]));
    must("accept", vsock_listener_accept(world.listener, &world.ends[DIALLED][1]));
    for (unsigned i = 0; i < 2; i++)
        must("cancel", vsock_cancel_new(&world.cancels[i]));
}

/* Whoever still waits ends by this. */
static void world_end(void)
{
    atomic_store(&world.over, true);
    vsock_listener_close(world.listener);
    for (unsigned at = 0; at < 2; at++) {
        vsock_cancel_ask(world.cancels[at]);
        must("set deadline", vsock_conn_set_deadline(world.ends[SURVIVOR][at], 1));
        for (unsigned pair = SURVIVOR + 1; pair < PAIRS; pair++)
            vsock_conn_close(world.ends[pair][at]);
    }
}

/* Nobody is inside. What was written to the survivor and not read is still there. */
static void survivor_check(void)
{
    static char bytes[BYTES_MAX];

    for (unsigned at = 0; at < 2; at++) {
        struct vsock_conn *reader = world.ends[SURVIVOR][!at];
        unsigned long long count = world.read[at];
        ssize_t r;
        must("close write", vsock_conn_close_write(world.ends[SURVIVOR][at]));
        must("set deadline", vsock_conn_set_deadline(reader, VSOCK_NO_DEADLINE));
        while ((r = vsock_conn_read(reader, bytes, sizeof(bytes))) > 0)
            count += (unsigned long long)r;
        must("read", (int)r);
        if (count != world.written[at])
            fail("%llu bytes written, %llu read", (unsigned long long)world.written[at], count);
    }
}

static void world_free(void)
{
    for (unsigned pair = 0; pair < PAIRS; pair++) {
        vsock_conn_free(world.ends[pair][0]);
        vsock_conn_free(world.ends[pair][1]);
    }
    vsock_listener_free(world.listener);
    vsock_cancel_free(world.cancels[0]);
    vsock_cancel_free(world.cancels[1]);
    unlink(path); /* of a listener whose descriptor was taken */
}

static void (*const roles[])(uint64_t *random) = {
    read_once, read_once, write_once, write_once, accept_once, dial_once, act_until_enough,
};

static void *thread_run(void *argument)
{
    size_t index = (size_t)argument;
    uint64_t random = seed * 1000003 + index + 1;

    for (;;) {
        pthread_barrier_wait(&begin);
        if (finished)
            return NULL;
        if (roles[index] == act_until_enough)
            act_until_enough(&random);
        else
            while (!atomic_load(&world.over))
                roles[index](&random);
        pthread_barrier_wait(&end);
    }
}

int main(int argc, char **argv)
{
    unsigned long actions = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000000;
    pthread_t threads[COUNT_OF(roles)];

    seed = argc > 2 ? strtoul(argv[2], NULL, 10) : (uint64_t)getpid();
    uint64_t random = seed;
    snprintf(path, sizeof(path), "/tmp/vsock-stress-%d", (int)getpid());
    pthread_barrier_init(&begin, NULL, COUNT_OF(roles) + 1);
    pthread_barrier_init(&end, NULL, COUNT_OF(roles) + 1);
    pthread_barrier_init(&acted, NULL, 2);
    for (size_t i = 0; i < COUNT_OF(roles); i++)
        must("thread", -pthread_create(&threads[i], NULL, thread_run, (void *)i));
    for (unsigned long count = 0; count < actions; count += ROUND_ACTIONS) {
        alarm(ROUND_SECONDS);
        world_begin();
        pthread_barrier_wait(&begin);
        act_until_enough(&random);
        world_end();
        pthread_barrier_wait(&end);
        survivor_check();
        world_free();
    }
    finished = true;
    pthread_barrier_wait(&begin);
    for (size_t i = 0; i < COUNT_OF(roles); i++)
        pthread_join(threads[i], NULL);
    printf("seed %ju: %lu actions, %lu reads, %lu writes, %lu accepts, %lu dials\n",
           (uintmax_t)seed, actions, done.reads, done.writes, done.accepts, done.dials);
    return 0;
}

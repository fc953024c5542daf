/* The admin socket against those that are too many, silent, or no clients at all; and its end in
 * their midst. */
#include "tests/proxy/admin_world.h"

#include "ring/clock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENTS       100
#define GARBAGE_SEEDS 1000
#define GARBAGE_STAYS 16
#define PATIENCE_NS   UINT64_C(10000000000)

static void *client(void *owner)
{
    const struct admin_world *world = owner;

    for (int i = 0; i < 5; i++) {
        free(world_call(world, "GET", "/guests", 200));
        free(world_call(world, "POST", "/guests/db/thaw", 200));
    }
    return NULL;
}

Test(admin_hostile, many_clients)
{
    struct admin_world world;
    pthread_t threads[CLIENTS];
    char error[ADMIN_CLIENT_ERROR_BYTES];
    struct admin_answer answer;
    struct admin_call first = {.socket_path = "/nowhere", .method = "GET", .path = "/"};

    admin_world_init(&world);
    admin_world_start(&world);
    /* Loads the library: that is not for several threads at once. */
    cr_assert_lt(admin_call(&first, &answer, error), 0);
    for (int i = 0; i < CLIENTS; i++)
        cr_assert_eq(pthread_create(&threads[i], NULL, client, &world), 0);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(world.calls, CLIENTS * 10);
    admin_world_end(&world);
}

/* More than there may be, all of them silent: the others are served when those were closed. */
Test(admin_hostile, silent_connections)
{
    struct admin_world world;
    struct admin_options times = {.silent_s_max = 1};
    char error[ADMIN_ERROR_BYTES];
    int fds[ADMIN_CONNECTIONS_MAX + 8];
    size_t count = sizeof(fds) / sizeof(fds[0]);

    admin_world_init(&world);
    cr_assert_eq(admin_world_try(&world, &times, &world.admin, error), 0);
    for (size_t i = 0; i < count; i++) {
        fds[i] = raw_connect(world.path);
        raw_send(fds[i], i % 2 ? "" : "GET /guests HT");
        if (i % 3 == 0)
            shutdown(fds[i], SHUT_WR);
    }
    free(world_call(&world, "GET", "/guests", 200));
    for (size_t i = 0; i < count; i++) {
        free(raw_read_all(fds[i]));
        close(fds[i]);
    }
    cr_assert_eq(world.calls, 1);
    admin_world_end(&world);
}

static void start_hasty(struct admin_world *world, unsigned s_max)
{
    struct admin_options times = {.request_s_max = s_max, .answer_s_max = s_max};
    char error[ADMIN_ERROR_BYTES];

    admin_world_init(world);
    cr_assert_eq(admin_world_try(world, &times, &world->admin, error), 0, "%s", error);
}

/* A byte every 50 ms, until the connection is closed: how many milliseconds that took. */
static unsigned trickle(int fd, const char *text)
{
    uint64_t started_ns = clock_ns();
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    char answer[100];

    while (poll(&readable, 1, 50) == 0) {
        cr_assert_lt(clock_ns() - started_ns, PATIENCE_NS, "it is kept for ever");
        send(fd, *text ? text : "x", 1, MSG_NOSIGNAL);
        text += *text != '\0';
    }
    cr_assert_leq(recv(fd, answer, sizeof(answer), 0), 0, "it was answered");
    close(fd);
    return (unsigned)((clock_ns() - started_ns) / 1000000);
}

/* Never silent, and never whole: with a head or a body that goes on, first and behind an answer. */
Test(admin_hostile, requests_that_trickle)
{
    static const char *const heads[] = {
        "",
        "POST /text HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n",
        "GET /guests HTTP/1.1\r\nHost: x\r\n\r\n",
    };
    struct admin_world world;

    start_hasty(&world, 1);
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        int fd = raw_connect(world.path);
        raw_send(fd, heads[i]);
        if (i == 2)
            free(raw_read_until(fd, "]}\n"));
        unsigned ms = trickle(fd, "GET /guests HTTP/1.1\r\nHost: x\r\nX: ");
        cr_assert(ms >= 900, "%zu: after %u ms", i, ms);
    }
    cr_assert_eq(world.calls, 1);
    admin_world_end(&world);
}

/* Each request has the whole time, however long the connection is there. */
Test(admin_hostile, requests_of_the_patient)
{
    struct admin_world world;

    start_hasty(&world, 2);
    int fd = raw_connect(world.path);
    for (int i = 0; i < 4; i++) {
        usleep(700000);
        raw_send(fd, "GET /guests HTTP/1.1\r\nHost: x\r\n\r\n");
        free(raw_read_until(fd, "]}\n"));
    }
    close(fd);
    admin_world_end(&world);
}

/* One that is whole in time is answered, however long a handler kept it waiting. */
Test(admin_hostile, requests_behind_a_slow_handler)
{
    static const char request[] = "GET /guests HTTP/1.1\r\nHost: x\r\n\r\n";
    struct admin_world world;

    start_hasty(&world, 1);
    int slow = raw_connect(world.path);
    int behind = raw_connect(world.path);
    raw_send(behind, request);
    free(raw_read_until(behind, "]}\n"));
    raw_send(slow, "POST /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    sem_wait(&world.entered);
    raw_send(behind, request);
    usleep(1300000);
    sem_post(&world.released);
    free(raw_read_until(behind, "]}\n"));
    free(raw_read_until(slow, "{}\n"));
    close(slow);
    close(behind);
    admin_world_end(&world);
}

/* It takes some of a long answer now and then. */
Test(admin_hostile, answers_that_trickle)
{
    struct admin_world world;
    char part[8192];
    size_t taken = 0;

    start_hasty(&world, 1);
    int fd = raw_connect(world.path);
    raw_send(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    for (ssize_t bytes = 1; bytes > 0; taken += bytes > 0 ? (size_t)bytes : 0) {
        usleep(20000);
        bytes = recv(fd, part, sizeof(part), 0);
    }
    cr_assert(taken > 100000 && taken < 1000000, "%zu bytes", taken);
    close(fd);
    admin_world_end(&world);
}

/* One connection less than there may be leaves room for one; at the bound nobody is answered. */
Test(admin_hostile, bound_of_connections)
{
    static const char request[] = "GET /guests HTTP/1.1\r\nHost: x\r\n\r\n";
    struct admin_world world;
    int fds[ADMIN_CONNECTIONS_MAX + 1];

    admin_world_init(&world);
    admin_world_start(&world);
    for (int i = 0; i < ADMIN_CONNECTIONS_MAX; i++) {
        fds[i] = raw_connect(world.path);
        raw_send(fds[i], request);
        free(raw_read_until(fds[i], "]}\n"));
    }
    fds[ADMIN_CONNECTIONS_MAX] = raw_connect(world.path);
    raw_send(fds[ADMIN_CONNECTIONS_MAX], request);
    for (int i = 0; i < 5; i++) { /* turns of the server's loop */
        raw_send(fds[i], request);
        free(raw_read_until(fds[i], "]}\n"));
    }
    struct pollfd waiting = {.fd = fds[ADMIN_CONNECTIONS_MAX], .events = POLLIN};
    cr_assert_eq(poll(&waiting, 1, 0), 0, "one more than the bound is served");
    close(fds[7]);
    free(raw_read_until(waiting.fd, "]}\n"));
    for (int i = 0; i <= ADMIN_CONNECTIONS_MAX; i++)
        if (i != 7)
            close(fds[i]);
    admin_world_end(&world);
}

static void expect_start(const struct admin_world *world, const char *request, const char *start,
                         const char *part)
{
    int fd = raw_connect(world->path);

    send(fd, request, strlen(request), MSG_NOSIGNAL);
    char *answer = raw_read_all(fd);
    cr_assert_eq(strncmp(answer, start, strlen(start)), 0, "%s", answer);
    cr_assert_not_null(strstr(answer, part), "%s", answer);
    free(answer);
    close(fd);
}

Test(admin_hostile, big_requests)
{
    static char filler[4 * ADMIN_REQUEST_BYTES];
    static char big[sizeof(filler) + 100];
    struct admin_world world;

    admin_world_init(&world);
    admin_world_start(&world);
    memset(filler, 'x', sizeof(filler) - 1);
    snprintf(big, sizeof(big), "GET /%s HTTP/1.1\r\nHost: x\r\n\r\n", filler);
    expect_start(&world, big, "HTTP/1.1 414 ", "");
    snprintf(big, sizeof(big), "GET /guests HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", filler);
    expect_start(&world, big, "HTTP/1.1 431 ", "");

    static const char body[] = "requests have no body here; leave it out";
    static const char *const heads[] = {
        "Content-Length: 1\r\n\r\n",
        "Content-Length: 9999999999\r\n\r\n",
        "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        snprintf(big, sizeof(big), "POST /guests/web1/freeze HTTP/1.1\r\nHost: x\r\n%s", heads[i]);
        expect_start(&world, big, "HTTP/1.1 413 ", body);
    }
    cr_assert_eq(world.calls, 0);
    free(world_call(&world, "GET", "/guests", 200));
    admin_world_end(&world);
}

/* The longest body is taken, whichever way it comes; one byte more is not. */
Test(admin_hostile, bodies)
{
    static char body[ADMIN_BODY_BYTES + 2];
    static char chunked[ADMIN_BODY_BYTES + 250];
    struct admin_world world;

    admin_world_init(&world);
    admin_world_start(&world);
    memset(body, 'x', sizeof(body) - 1);
    for (size_t bytes = ADMIN_BODY_BYTES - 1; bytes <= ADMIN_BODY_BYTES + 1; bytes++) {
        char head[100];
        char expected[100];
        bool fits = bytes <= ADMIN_BODY_BYTES;
        snprintf(head, sizeof(head), "HTTP/1.1 %s", fits ? "200 " : "413 ");
        snprintf(expected, sizeof(expected),
                 fits ? "{\"bytes\": %zu, \"end\": \"xxxxx\"}" : "64 KiB", bytes);
        snprintf(chunked, sizeof(chunked),
                 "POST /text HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: "
                 "%zu\r\n\r\n%.*s",
                 bytes, (int)bytes, body);
        expect_start(&world, chunked, head, expected);
        snprintf(chunked, sizeof(chunked),
                 "POST /text HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: "
                 "chunked\r\n\r\n"
                 "5\r\nxxxxx\r\n%zx\r\n%.*s\r\n0\r\n\r\n",
                 bytes - 5, (int)bytes - 5, body);
        expect_start(&world, chunked, head, expected);
    }
    expect_start(
        &world,
        "POST /text HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 9999999999\r\n\r\n",
        "HTTP/1.1 413 ", "64 KiB");
    expect_start(&world,
                 "GET /text HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
                 "HTTP/1.1 413 ", "no body");
    expect_start(
        &world,
        "POST /text/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 413 ", "no body");
    expect_start(&world, "POST /text HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                 "HTTP/1.1 200 ", "\"bytes\": 0");
    admin_world_end(&world);
}

/* Bytes by chance, some of them between words of HTTP. */
static size_t garbage(unsigned *seed, char *ret, size_t room)
{
    static const char *const words[] = {
        "GET ",
        "POST ",
        "/guests",
        "/guests/web1/freeze",
        "/text",
        "?sessions=",
        "%",
        "%2e",
        " HTTP/1.1",
        "\r\n",
        "\r\n\r\n",
        "Host: x\r\n",
        "Content-Length: ",
        "4",
        "-1",
        "\n",
        "Expect: ",
        ":",
        "Transfer-Encoding: chunked\r\n",
        "0\r\n\r\n",
        "HTTP/9.9",
        "Connection: Upgrade\r\n",
        "&",
    };
    size_t count = sizeof(words) / sizeof(words[0]);
    size_t length = 0;

    for (int parts = rand_r(seed) % 40; parts >= 0 && length + 64 < room; parts--) {
        if (rand_r(seed) % 4) {
            const char *word = words[(size_t)rand_r(seed) % count];
            memcpy(ret + length, word, strlen(word));
            length += strlen(word);
        } else {
            for (int bytes = rand_r(seed) % 32; bytes > 0; bytes--)
                ret[length++] = (char)rand_r(seed);
        }
    }
    return length;
}

/* Some end what they send, some go at once, and some stay for a while. */
Test(admin_hostile, garbage)
{
    const char *first = getenv("VSLUICE_SEED");
    unsigned start = first ? (unsigned)strtoul(first, NULL, 10) : 1;
    struct admin_world world;
    int fds[GARBAGE_STAYS];
    char text[4096];

    admin_world_init(&world);
    admin_world_start(&world);
    fprintf(stderr, "garbage of VSLUICE_SEED=%u and %d more\n", start, GARBAGE_SEEDS - 1);
    for (unsigned i = 0; i < GARBAGE_SEEDS; i++) {
        unsigned seed = start + i;
        int fd = raw_connect(world.path);
        size_t length = garbage(&seed, text, sizeof(text));
        size_t half = length ? (size_t)rand_r(&seed) % length : 0;
        send(fd, text, half, MSG_NOSIGNAL);
        send(fd, text + half, length - half, MSG_NOSIGNAL);
        if (rand_r(&seed) % 2)
            shutdown(fd, SHUT_WR);
        if (i >= GARBAGE_STAYS)
            close(fds[i % GARBAGE_STAYS]);
        fds[i % GARBAGE_STAYS] = fd;
        if (i % 10 == 0)
            free(world_call(&world, "GET", "/guests", 200));
    }
    for (int i = 0; i < GARBAGE_STAYS; i++)
        close(fds[i]);
    admin_world_end(&world);
}

/* Idle after an answer, in the middle of a request, and silent. */
Test(admin_hostile, stop_with_connections)
{
    struct admin_world world;
    int fds[3];

    admin_world_init(&world);
    admin_world_start(&world);
    for (int i = 0; i < 3; i++)
        fds[i] = raw_connect(world.path);
    raw_send(fds[0], "GET /guests HTTP/1.1\r\nHost: x\r\n\r\n");
    free(raw_read_until(fds[0], "]}\n"));
    raw_send(fds[1], "POST /guests/web1/fre");
    admin_stop(world.admin);
    world.admin = NULL;
    for (int i = 0; i < 3; i++) {
        char *rest = raw_read_all(fds[i]);
        cr_assert_str_eq(rest, "");
        free(rest);
        close(fds[i]);
    }
    cr_assert_not(world.guests[0].frozen);
    admin_world_end(&world);
}

/* At the bound the listener is not watched, and more wait for it. */
Test(admin_hostile, stop_at_the_bound)
{
    struct admin_world world;
    int fds[ADMIN_CONNECTIONS_MAX * 2];

    admin_world_init(&world);
    admin_world_start(&world);
    for (int i = 0; i < ADMIN_CONNECTIONS_MAX * 2; i++)
        fds[i] = raw_connect(world.path);
    raw_send(fds[0], "GET /guests HTTP/1.1\r\nHost: x\r\n\r\n");
    free(raw_read_until(fds[0], "]}\n"));
    admin_stop(world.admin);
    world.admin = NULL;
    for (int i = 0; i < ADMIN_CONNECTIONS_MAX * 2; i++) {
        free(raw_read_all(fds[i]));
        close(fds[i]);
    }
    admin_world_end(&world);
}

static void *stopper(void *owner)
{
    admin_stop(owner);
    return NULL;
}

/* What a handler does is done when admin_stop() returns. */
Test(admin_hostile, stop_in_a_handler)
{
    struct admin_world world;
    pthread_t thread;

    admin_world_init(&world);
    admin_world_start(&world);
    int fd = raw_connect(world.path);
    raw_send(fd, "POST /wait HTTP/1.1\r\nHost: x\r\n\r\n");
    sem_wait(&world.entered);
    pthread_create(&thread, NULL, stopper, world.admin);
    while (access(world.path, F_OK) == 0)
        sched_yield();
    cr_assert_eq(pthread_tryjoin_np(thread, NULL), EBUSY);
    sem_post(&world.released);
    pthread_join(thread, NULL);
    cr_assert_eq(world.inside, 0);
    world.admin = NULL;
    free(raw_read_all(fd));
    close(fd);
    admin_world_end(&world);
}

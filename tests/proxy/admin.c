/* The admin socket and its client, against each other. */
#include "tests/config/scratch.h"
#include "tests/proxy/admin_world.h"

#include "proxy/admin_uri.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void expect(const struct admin_world *world, const char *method, const char *path,
                   long status, const char *body)
{
    char *given = world_call(world, method, path, status);

    cr_assert_str_eq(given, body, "%s %s", method, path);
    free(given);
}

Test(admin, list_freeze_thaw)
{
    struct admin_world world;

    admin_world_init(&world);
    admin_world_start(&world);
    char *guests = world_call(&world, "GET", "/guests", 200);
    cr_assert_eq(strncmp(guests,
                         "{\"guests\": [{\"name\": \"web1\", \"address\": \"vsock:3\", "
                         "\"sessions\": 7, \"frozen\": false, \"held\": 0}, ",
                         90),
                 0, "%s", guests);
    free(guests);
    expect(&world, "POST", "/guests/web1/freeze?sessions=keep", 200,
           "{\"name\": \"web1\", \"frozen\": true, \"sessions\": 7}\n");
    cr_assert(world.guests[0].frozen);
    expect(&world, "POST", "/guests/web1/thaw", 200,
           "{\"name\": \"web1\", \"frozen\": false, \"sessions\": 7}\n");
    cr_assert_not(world.guests[0].frozen);
    expect(&world, "POST", "/guests/web1/freeze?sessions=end", 200,
           "{\"name\": \"web1\", \"frozen\": true, \"sessions\": 0}\n");
    expect(&world, "POST", "/guests/web2/freeze", 404,
           "{\"error\": \"there is no guest 'web2'; did you mean 'web1'?\"}\n");
    cr_assert_eq(world.calls, 5);
    cr_assert(world.signals_blocked);
    admin_world_end(&world);
}

/* Encoded by the client, decoded by the server. */
Test(admin, awkward_names)
{
    char path[64 + ADMIN_URI_ENCODED_BYTES(sizeof(AWKWARD))] = "/guests/";
    struct admin_world world;

    admin_world_init(&world);
    admin_world_start(&world);
    admin_uri_encode(AWKWARD, path + strlen(path));
    strcat(path, "/freeze");
    free(world_call(&world, "POST", path, 200));
    cr_assert(world.guests[3].frozen);
    expect(&world, "POST", "/guests/../freeze", 200,
           "{\"name\": \"..\", \"frozen\": true, \"sessions\": 1}\n");
    admin_world_end(&world);
}

Test(admin, refusals)
{
    struct admin_world world;

    admin_world_init(&world);
    admin_world_start(&world);
    expect(&world, "GET", "/gests", 404,
           "{\"error\": \"there is no '/gests' here; there are GET /guests, POST "
           "/guests/{name}/freeze, POST /guests/{name}/thaw, POST /wait, GET /metrics, POST "
           "/text\"}\n");
    expect(&world, "DELETE", "/guests", 405,
           "{\"error\": \"'/guests' is not for DELETE; use GET\"}\n");
    expect(&world, "POST", "/guests/web1/freeze?session=end", 400,
           "{\"error\": \"'session' is no parameter of POST /guests/{name}/freeze; known here: "
           "'sessions'\"}\n");
    expect(&world, "POST", "/guests/web1%00/freeze", 400,
           "{\"error\": \"'/guests/web1%00/freeze' is not percent-encoded as it should be\"}\n");
    cr_assert_eq(world.calls, 0);
    admin_world_end(&world);
}

/* As it stands on the wire. */
Test(admin, headers)
{
    struct admin_world world;

    admin_world_init(&world);
    admin_world_start(&world);
    int fd = raw_connect(world.path);
    raw_send(fd, "DELETE /guests HTTP/1.1\r\nHost: x\r\n\r\n");
    char *answer = raw_read_until(fd, "use GET\"}\n");
    cr_assert_not_null(strstr(answer, "HTTP/1.1 405 "), "%s", answer);
    cr_assert_not_null(strstr(answer, "Allow: GET\r\n"), "%s", answer);
    cr_assert_not_null(strstr(answer, "Content-Type: application/json\r\n"), "%s", answer);
    free(answer);
    raw_send(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    answer = raw_read_all(fd);
    cr_assert_not_null(strstr(answer, "Content-Type: text/plain\r\n"));
    cr_assert_str_eq(answer + strlen(answer) - 11, "line 99999\n");
    free(answer);
    close(fd);
    admin_world_end(&world);
}

static mode_t mode_of(const char *path)
{
    struct stat status;

    cr_assert_eq(lstat(path, &status), 0);
    cr_assert(S_ISSOCK(status.st_mode));
    return status.st_mode & 07777;
}

struct watch {
    const char *path;
    bool stop;
    unsigned seen;
    mode_t modes; /* every bit that was ever seen */
};

static void *watch_file(void *owner)
{
    struct watch *watch = owner;
    struct stat status;

    while (!__atomic_load_n(&watch->stop, __ATOMIC_SEQ_CST))
        if (lstat(watch->path, &status) == 0) {
            watch->modes |= status.st_mode & 07777;
            __atomic_add_fetch(&watch->seen, 1, __ATOMIC_SEQ_CST);
        }
    return NULL;
}

/* Also while it is being made. */
Test(admin, mode)
{
    struct admin_world world;
    pthread_t thread;

    admin_world_init(&world);
    struct watch watch = {.path = world.path};
    umask(0);
    pthread_create(&thread, NULL, watch_file, &watch);
    for (int i = 0; i < 100; i++) {
        admin_world_start(&world);
        cr_assert_eq(mode_of(world.path), 0600);
        while (i == 0 && __atomic_load_n(&watch.seen, __ATOMIC_SEQ_CST) == 0)
            sched_yield();
        admin_stop(world.admin);
        cr_assert_neq(access(world.path, F_OK), 0);
    }
    world.admin = NULL;
    __atomic_store_n(&watch.stop, true, __ATOMIC_SEQ_CST);
    pthread_join(thread, NULL);
    cr_assert_eq(watch.modes, 0600, "%o", watch.modes);
    cr_assert_eq(umask(0), 0, "the umask is as it was");
    admin_world_end(&world);
}

static int bind_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0, "%m");
    cr_assert_eq(listen(fd, 8), 0);
    return fd;
}

Test(admin, stale_socket)
{
    struct admin_world world;

    admin_world_init(&world);
    close(bind_at(world.path));
    admin_world_start(&world);
    cr_assert_eq(mode_of(world.path), 0600);
    free(world_call(&world, "GET", "/guests", 200));
    admin_world_end(&world);
}

static void expect_no_start(struct admin_world *world, int failed, const char *sentence)
{
    struct admin_options times = {0};
    char error[ADMIN_ERROR_BYTES];
    struct admin *admin = NULL;

    cr_assert_eq(admin_world_try(world, &times, &admin, error), failed);
    cr_assert_null(admin);
    cr_assert_not_null(strstr(error, sentence), "%s", error);
}

Test(admin, live_socket)
{
    struct admin_world world;

    admin_world_init(&world);
    admin_world_start(&world);
    expect_no_start(&world, -EADDRINUSE, "another program listens there");
    free(world_call(&world, "GET", "/guests", 200));
    admin_world_end(&world);
}

Test(admin, no_place)
{
    struct admin_world world;

    admin_world_init(&world);
    int fd = open(world.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    cr_assert_geq(fd, 0);
    close(fd);
    expect_no_start(&world, -EEXIST, "a file that is no socket stands there");
    cr_assert_eq(unlink(world.path), 0);
    strcat(world.path, "/below");
    expect_no_start(&world, -ENOENT, "does the directory exist");
    strcpy(world.path, "relative.sock");
    expect_no_start(&world, -EINVAL, "not an absolute path");
    memset(world.path, '/', 108);
    world.path[108] = '\0';
    expect_no_start(&world, -EINVAL, "at most 107 bytes");
    scratch_leaks_check();
}

/* Another that stands there now is not ours to remove. */
Test(admin, file_of_another)
{
    struct admin_world world;

    admin_world_init(&world);
    admin_world_start(&world);
    cr_assert_eq(unlink(world.path), 0);
    int fd = bind_at(world.path);
    admin_stop(world.admin);
    cr_assert_eq(access(world.path, F_OK), 0);
    close(fd);
    cr_assert_eq(unlink(world.path), 0);
    world.admin = NULL;
    admin_world_end(&world);
}

static void expect_no_answer(const char *path, unsigned ms_max, int failed, const char *sentence)
{
    struct admin_call call = {
        .socket_path = path, .method = "GET", .path = "/guests", .ms_max = ms_max};
    struct admin_answer answer = {0};
    char error[ADMIN_CLIENT_ERROR_BYTES];

    int given = admin_call(&call, &answer, error);
    cr_assert_eq(given, failed, "%d: %s", given, error);
    cr_assert_null(answer.body);
    cr_assert_not_null(strstr(error, sentence), "%s", error);
}

Test(admin_client, nobody_there)
{
    struct admin_world world;
    char path[120];

    admin_world_init(&world);
    expect_no_answer(world.path, 0, -ENOENT,
                     "no such socket: is vsluice running, with 'admin-socket' in its "
                     "configuration?");
    close(bind_at(world.path));
    expect_no_answer(world.path, 0, -ECONNREFUSED, "nobody listens there any more");
    unlink(world.path);
    memset(path, 'x', 108);
    path[108] = '\0';
    expect_no_answer(path, 0, -ENAMETOOLONG, "longer than a socket's path");
    scratch_leaks_check();
}

/* Root may everything: so this goes on as somebody else. */
Test(admin_client, no_permission)
{
    struct admin_world world;

    admin_world_init(&world);
    admin_world_start(&world);
    if (getuid() == 0)
        cr_assert_eq(seteuid(65534), 0);
    else
        cr_assert_eq(chmod(world.path, 0), 0);
    expect_no_answer(world.path, 0, -EACCES, "no permission: only root and the user");
    if (getuid() == 0)
        cr_assert_eq(seteuid(0), 0);
    admin_world_end(&world);
}

/* A server that says `text`, `times` times, and closes. */
struct odd_server {
    int listener;
    const char *text;
    size_t times;
};

static void *serve_oddly(void *owner)
{
    const struct odd_server *server = owner;
    char request[4096];
    int fd = accept(server->listener, NULL, NULL);

    if (recv(fd, request, sizeof(request), 0) > 0)
        for (size_t i = 0; i < server->times; i++)
            if (send(fd, server->text, strlen(server->text), MSG_NOSIGNAL) < 0)
                break;
    close(fd);
    return NULL;
}

static void expect_oddity(const char *text, size_t times, int failed, const char *sentence)
{
    struct admin_world world;
    pthread_t thread;

    admin_world_init(&world);
    struct odd_server server = {bind_at(world.path), text, times};
    pthread_create(&thread, NULL, serve_oddly, &server);
    expect_no_answer(world.path, 0, failed, sentence);
    pthread_join(thread, NULL);
    close(server.listener);
    unlink(world.path);
    scratch_leaks_check();
}

Test(admin_client, no_answer)
{
    struct admin_world world;

    admin_world_init(&world);
    int listener = bind_at(world.path);
    expect_no_answer(world.path, 100, -ETIMEDOUT, "no answer in time");
    close(listener);
    unlink(world.path);
    expect_oddity("", 0, -EPIPE, "it ended without an answer");
    expect_oddity("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 1, -EPIPE,
                  "it ended without an answer");
}

/* From none to more than a piece. */
Test(admin_client, lengths)
{
    struct admin_world world;
    char text[40000];

    admin_world_init(&world);
    for (int length = 0; length <= 33000; length += length < 6 ? 1 : 5499) {
        pthread_t thread;
        struct odd_server server = {bind_at(world.path), text, 1};
        snprintf(text, sizeof(text), "HTTP/1.0 200 OK\r\n\r\n%.*d", length, 0);
        if (length == 0)
            text[19] = '\0';
        pthread_create(&thread, NULL, serve_oddly, &server);
        char *body = world_call(&world, "GET", "/", 200);
        cr_assert_eq(strlen(body), (size_t)length);
        free(body);
        pthread_join(thread, NULL);
        close(server.listener);
        unlink(world.path);
    }
    admin_world_end(&world);
}

Test(admin_client, no_http)
{
    expect_oddity("SSH-2.0-OpenSSH\r\n", 1, -EPROTO, "the answer is no HTTP");
}

Test(admin_client, answer_too_long)
{
    static char text[1 << 20];

    strcpy(text, "HTTP/1.0 200 OK\r\n\r\n");
    memset(text + strlen(text), 'x', sizeof(text) - 1 - strlen(text));
    expect_oddity(text, 1 + ADMIN_ANSWER_BYTES / (sizeof(text) - 1), -EMSGSIZE,
                  "the answer is too long");
}

/* The fake behind the admin socket. */
#include "tests/proxy/admin_world.h"

#include "tests/config/scratch.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_MS 60000

static void enter(struct admin_world *world)
{
    sigset_t blocked;

    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    world->signals_blocked = sigismember(&blocked, SIGTERM) == 1;
    world->calls++;
    unsigned inside = __atomic_add_fetch(&world->inside, 1, __ATOMIC_SEQ_CST);
    if (inside > world->inside_most)
        world->inside_most = inside;
}

static int leave(struct admin_world *world, int status)
{
    __atomic_sub_fetch(&world->inside, 1, __ATOMIC_SEQ_CST);
    return status;
}

static int list(void *owner, struct admin_request *request)
{
    struct admin_world *world = owner;

    enter(world);
    fputs("{\"guests\": [", request->answer);
    for (size_t i = 0; i < FAKE_GUESTS; i++) {
        const struct fake_guest *guest = &world->guests[i];
        fputs(i ? ", {\"name\": " : "{\"name\": ", request->answer);
        admin_print_string(request->answer, guest->name);
        fprintf(request->answer,
                ", \"address\": \"vsock:%zu\", \"sessions\": %d, \"frozen\": %s, \"held\": 0}",
                i + 3, guest->sessions, guest->frozen ? "true" : "false");
    }
    fputs("]}\n", request->answer);
    return leave(world, 200);
}

static struct fake_guest *find(struct admin_world *world, const char *name)
{
    for (size_t i = 0; i < FAKE_GUESTS; i++)
        if (strcmp(world->guests[i].name, name) == 0)
            return &world->guests[i];
    return NULL;
}

static int set(struct admin_world *world, struct admin_request *request, bool frozen)
{
    struct fake_guest *guest = find(world, request->values[0]);
    const char *sessions = admin_request_parameter(request, "sessions");

    if (!guest)
        return admin_refuse(request, 404, "there is no guest '%s'; did you mean '%s'?",
                            request->values[0], world->guests[0].name);
    guest->frozen = frozen;
    if (sessions && strcmp(sessions, "end") == 0)
        guest->sessions = 0;
    fputs("{\"name\": ", request->answer);
    admin_print_string(request->answer, guest->name);
    fprintf(request->answer, ", \"frozen\": %s, \"sessions\": %d}\n", frozen ? "true" : "false",
            guest->sessions);
    return 200;
}

static int freeze(void *owner, struct admin_request *request)
{
    enter(owner);
    return leave(owner, set(owner, request, true));
}

static int thaw(void *owner, struct admin_request *request)
{
    enter(owner);
    return leave(owner, set(owner, request, false));
}

static int wait_long(void *owner, struct admin_request *request)
{
    struct admin_world *world = owner;

    enter(world);
    sem_post(&world->entered);
    sem_wait(&world->released);
    fputs("{}\n", request->answer);
    return leave(world, 200);
}

static int metrics(void *owner, struct admin_request *request)
{
    request->content_type = "text/plain";
    for (int i = 0; i < 100000; i++)
        fprintf(request->answer, "line %d\n", i);
    return 200;
}

/* How long the body was, and its end. */
static int text(void *owner, struct admin_request *request)
{
    size_t bytes = request->body_bytes;

    cr_assert_eq(request->body[bytes], '\0');
    fprintf(request->answer, "{\"bytes\": %zu, \"end\": ", bytes);
    admin_print_string(request->answer, request->body + (bytes > 5 ? bytes - 5 : 0));
    fputs("}\n", request->answer);
    return 200;
}

static const struct admin_route routes[] = {
    {"GET", "/guests", list, {NULL}},
    {"POST", "/guests/{name}/freeze", freeze, {"sessions"}},
    {"POST", "/guests/{name}/thaw", thaw, {NULL}},
    {"POST", "/wait", wait_long, {NULL}},
    {"GET", "/metrics", metrics, {NULL}},
    {"POST", "/text", text, {NULL}},
};

static int lowest_free_descriptor(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    close(fd);
    return fd;
}

void admin_world_init(struct admin_world *world)
{
    const char *top = getenv("VSLUICE_SCRATCH");

    *world = (struct admin_world){
        .guests = {{"web1", 7, false}, {"db", 123456, true}, {"..", 1, false}, {AWKWARD, 0, false}},
    };
    cr_assert_not_null(top);
    snprintf(world->directory, sizeof(world->directory), "%s/XXXXXX", top);
    cr_assert_not_null(mkdtemp(world->directory));
    snprintf(world->path, sizeof(world->path), "%s/admin.sock", world->directory);
    world->descriptor = lowest_free_descriptor();
    sem_init(&world->entered, 0, 0);
    sem_init(&world->released, 0, 0);
    signal(SIGPIPE, SIG_IGN);
}

int admin_world_try(struct admin_world *world, const struct admin_options *times,
                    struct admin **ret, char error[static ADMIN_ERROR_BYTES])
{
    struct admin_options options = *times;

    options.path = world->path;
    options.routes =
        (struct admin_routes){routes, sizeof(routes) / sizeof(routes[0]), world, "/text", false};
    return admin_start(ret, &options, error);
}

void admin_world_start(struct admin_world *world)
{
    struct admin_options times = {0};
    char error[ADMIN_ERROR_BYTES];
    int failed = admin_world_try(world, &times, &world->admin, error);

    cr_assert_eq(failed, 0, "%s", error);
}

void admin_world_end(struct admin_world *world)
{
    admin_stop(world->admin);
    cr_assert_neq(access(world->path, F_OK), 0, "the file stayed");
    cr_assert_leq(world->inside_most, 1, "two handlers at once");
    cr_assert_eq(lowest_free_descriptor(), world->descriptor, "a descriptor is lost");
    sem_destroy(&world->entered);
    sem_destroy(&world->released);
    scratch_leaks_check();
}

char *world_call(const struct admin_world *world, const char *method, const char *path, long status)
{
    struct admin_call call = {.socket_path = world->path, .method = method, .path = path};
    struct admin_answer answer;
    char error[ADMIN_CLIENT_ERROR_BYTES];

    int failed = admin_call(&call, &answer, error);
    cr_assert_eq(failed, 0, "%s %s: %s", method, path, error);
    cr_assert_eq(answer.status, status, "%s %s: %ld: %s", method, path, answer.status, answer.body);
    cr_assert_eq(strlen(answer.body), answer.bytes);
    return answer.body;
}

int raw_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0, "%m");
    return fd;
}

void raw_send(int fd, const char *text)
{
    cr_assert_eq(send(fd, text, strlen(text), 0), (ssize_t)strlen(text), "%m");
}

static char *read_text(int fd, const char *marker)
{
    char *text = calloc(1, 1);
    size_t length = 0;

    while (!marker || !strstr(text, marker)) {
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        cr_assert_eq(poll(&readable, 1, PATIENCE_MS), 1, "nothing more after '%s'", text);
        text = realloc(text, length + 4096 + 1);
        ssize_t bytes = recv(fd, text + length, 4096, 0);
        if (bytes <= 0) /* a connection that is closed with something unread in it is reset */
            break;
        length += (size_t)bytes;
        text[length] = '\0';
    }
    text[length] = '\0';
    cr_assert(!marker || strstr(text, marker), "'%s' ended without '%s'", text, marker);
    return text;
}

char *raw_read_all(int fd)
{
    return read_text(fd, NULL);
}

char *raw_read_until(int fd, const char *marker)
{
    return read_text(fd, marker);
}

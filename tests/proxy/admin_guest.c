/* vsluice guest, against the fake behind an admin socket. */
#include "proxy/command.h"
#include "tests/config/scratch.h"
#include "tests/proxy/admin_world.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#define WORDS_MAX 10

int command_usage(const char *command)
{
    fprintf(stderr, "(usage of %s)\n", command);
    return EX_USAGE;
}

static char *file_text(FILE *file)
{
    char *text = calloc(1, 65536);

    rewind(file);
    text[fread(text, 1, 65535, file)] = '\0';
    fclose(file);
    return text;
}

/* Runs the command with what it prints turned aside; *out is to be freed. */
static int run(const char *const *words, char **out, char **said)
{
    FILE *files[2] = {tmpfile(), tmpfile()};
    char *arguments[WORDS_MAX + 1] = {NULL};
    int kept[2];
    int count = 0;

    for (; words[count]; count++)
        arguments[count] = (char *)words[count];
    fflush(NULL);
    for (int i = 0; i < 2; i++) {
        kept[i] = dup(i + 1);
        dup2(fileno(files[i]), i + 1);
    }
    int status = command_guest(count, arguments);
    fflush(NULL);
    for (int i = 0; i < 2; i++) {
        dup2(kept[i], i + 1);
        close(kept[i]);
    }
    *out = file_text(files[0]);
    *said = file_text(files[1]);
    return status;
}

#define EXPECT(status, out, said, ...) \
    expect(status, out, said, (const char *const[]){"guest", __VA_ARGS__, NULL})

static void expect(int status, const char *out, const char *said, const char *const *words)
{
    char *given_out;
    char *given_said;
    int given = run(words, &given_out, &given_said);

    cr_assert_eq(given, status, "%d: %s%s", given, given_out, given_said);
    cr_assert_str_eq(given_out, out);
    cr_assert(*said ? strstr(given_said, said) != NULL : !*given_said, "'%s'", given_said);
    free(given_out);
    free(given_said);
}

Test(guest, orders)
{
    struct admin_world world;

    admin_world_init(&world);
    admin_world_start(&world);
    const char *path = world.path;
    EXPECT(0,
           "GUEST          ADDRESS  SESSIONS  FROZEN      HELD\n"
           "web1           vsock:3         7  no             0\n"
           "db             vsock:4    123456  yes            0\n"
           "..             vsock:5         1  no             0\n"
           "" AWKWARD "  vsock:6         0  no             0\n",
           "", "--admin", path, "list");
    EXPECT(0, "guest web1 is frozen, 7 sessions\n", "", "freeze", "web1", "--admin", path);
    EXPECT(0, "guest web1 is not frozen, 7 sessions\n", "", "--admin", path, "thaw", "web1");
    EXPECT(0, "guest .. is frozen, 1 session\n", "", "--admin", path, "freeze", "..");
    EXPECT(0, "guest db is frozen, 0 sessions\n", "", "freeze", "--end", "db", "--admin", path);
    cr_assert_eq(world.guests[1].sessions, 0);
    EXPECT(0, "guest " AWKWARD " is frozen, 0 sessions\n", "", "--admin", path, "freeze", AWKWARD);
    EXPECT(EX_UNAVAILABLE, "", "vsluice: there is no guest 'web2'; did you mean 'web1'?\n",
           "--admin", path, "freeze", "web2");
    admin_world_end(&world);
}

Test(guest, usage)
{
    char name[300];

    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    EXPECT(EX_USAGE, "", "not both", "--admin", "/x", "-c", "/y", "list");
    EXPECT(EX_USAGE, "", "say what to do", "--admin", "/x");
    EXPECT(EX_USAGE, "", "say what to do", "--admin", "/x", "melt", "web1");
    EXPECT(EX_USAGE, "", "the NAME of one guest", "--admin", "/x", "freeze");
    EXPECT(EX_USAGE, "", "the NAME of one guest", "--admin", "/x", "thaw", "a", "b");
    EXPECT(EX_USAGE, "", "takes no NAME", "--admin", "/x", "list", "web1");
    EXPECT(EX_USAGE, "", "--end is for freeze", "--admin", "/x", "--end", "thaw", "web1");
    EXPECT(EX_USAGE, "", "no guest's NAME", "--admin", "/x", "thaw", "");
    EXPECT(EX_USAGE, "", "no guest's NAME", "--admin", "/x", "thaw", name);
    EXPECT(EX_USAGE, "", "(usage of guest)", "--admin");
    EXPECT(EX_USAGE, "", "(usage of guest)", "--wrong", "list");
}

static void write_config(const char *path, const char *global)
{
    FILE *file = fopen(path, "we");

    cr_assert_not_null(file);
    fprintf(file, "[global]\n%s\n", global);
    fclose(file);
}

Test(guest, socket_of_the_configuration)
{
    struct admin_world world;
    char file[300];
    char line[320];

    admin_world_init(&world);
    admin_world_start(&world);
    snprintf(file, sizeof(file), "%.250s/vsluice.conf", world.directory);
    EXPECT(EX_CONFIG, "", "vsluice.conf: ", "-c", file, "list");
    write_config(file, "workers = 1");
    EXPECT(EX_CONFIG, "", "has no 'admin-socket' in [global]", "-c", file, "list");
    snprintf(line, sizeof(line), "admin-socket = %s", world.path);
    write_config(file, line);
    EXPECT(0, "guest web1 is frozen, 7 sessions\n", "", "-c", file, "freeze", "web1");
    admin_world_end(&world);
}

Test(guest, nobody_there)
{
    struct admin_world world;

    admin_world_init(&world);
    EXPECT(EX_UNAVAILABLE, "", "is vsluice running, with 'admin-socket' in its configuration?",
           "--admin", world.path, "list");
    admin_world_start(&world);
    if (getuid() == 0)
        cr_assert_eq(seteuid(65534), 0);
    else
        cr_assert_eq(chmod(world.path, 0), 0);
    EXPECT(EX_NOPERM, "", "no permission", "--admin", world.path, "list");
    if (getuid() == 0)
        cr_assert_eq(seteuid(0), 0);
    admin_world_end(&world);
}

static const char *odd_answer;
static int odd_status;

static int answer_oddly(void *owner, struct admin_request *request)
{
    fputs(odd_answer, request->answer);
    return odd_status;
}

/* A server of another version, or another program. */
Test(guest, odd_answers)
{
    static const struct admin_route routes[] = {
        {"GET", "/guests", answer_oddly, {NULL}},
        {"POST", "/guests/{name}/freeze", answer_oddly, {"sessions"}},
    };
    static const char *const answers[] = {
        "",
        "[]",
        "{\"guests\": 7}",
        "{\"guests\": [7]}",
        "{\"guests\": [{\"name\": \"web1\"}]}",
        "{\"guests\": [], ",
        "{\"frozen\": 1, \"sessions\": 0}",
    };
    char error[ADMIN_ERROR_BYTES];
    struct admin_world world;

    admin_world_init(&world);
    struct admin_options options = {.path = world.path, .routes = {.at = routes, .count = 2}};
    cr_assert_eq(admin_start(&world.admin, &options, error), 0, "%s", error);
    odd_status = 200;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        odd_answer = answers[i];
        EXPECT(EX_UNAVAILABLE, "", "the answer is not understood", "--admin", world.path, "list");
        EXPECT(EX_UNAVAILABLE, "", "the answer is not understood", "--admin", world.path, "freeze",
               "web1");
    }
    odd_answer = "{\"guests\": []}";
    EXPECT(0, "GUEST  ADDRESS  SESSIONS  FROZEN      HELD\n", "", "--admin", world.path, "list");
    odd_status = 500;
    EXPECT(EX_UNAVAILABLE, "", "refused with status 500", "--admin", world.path, "list");
    odd_answer = "{\"error\": \"\\u001b[31mred\"}";
    EXPECT(EX_UNAVAILABLE, "", "vsluice: ?[31mred", "--admin", world.path, "list");
    admin_world_end(&world);
}

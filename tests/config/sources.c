/* Where a configuration comes from: FILE, FILE.d in name order, and the command line. */
#include "tests/config/scratch.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define D SCRATCH_FILE ".d/"

static void expect_problems(const struct scratch_result *result, const char *expected)
{
    char *problems = scratch_problems(result);

    cr_expect_str_eq(problems, expected, "is:\n%s\nshould be:\n%s", problems, expected);
    free(problems);
}

static struct scratch_result read_files(const struct scratch_file *files, size_t count)
{
    const struct config_sources sources = {.path = SCRATCH_FILE};

    return scratch_read(files, count, &sources);
}

Test(sources, drop_ins_are_read_in_name_order_and_the_last_word_counts)
{
    static const struct scratch_file files[] = {
        {D "20-b.conf", "[global]\nworkers = 3\n[route c]\nlisten = tcp:*:3\ntarget = guest:g:1\n",
         0},
        {D "10-a.conf", "[global]\nworkers = 2\nmax-sessions = 7\n[guest g]\naddress = vsock:3\n",
         0},
        {D "100.conf", "[route b]\nlisten = tcp:*:2\ntarget = tcp:b:1\n", 0},
        {D "README", "no configuration", 0},
        {D ".30-hidden.conf", "no configuration", 0},
        {D "40.conf~", "no configuration", 0},
        {D ".conf", "no configuration", 0},
        {SCRATCH_FILE,
         "[global]\nworkers = 1\nconnect-timeout = 1s\n[route a]\nlisten = tcp:*:1\n"
         "target = tcp:b:1\nconnect-timeout = 2s\n",
         0},
    };
    static const char *const read[] = {SCRATCH_FILE, D "10-a.conf", D "100.conf", D "20-b.conf"};
    struct scratch_result result = read_files(files, COUNT_OF(files));
    const struct config *config = result.config;

    expect_problems(&result, "");
    cr_expect_eq(config->workers, 3);
    cr_expect_eq(config->sessions_max, 7);
    cr_assert_eq(config->route_count, 3);
    cr_expect_str_eq(config->routes[0].name, "a");
    cr_expect_str_eq(config->routes[1].name, "b");
    cr_expect_str_eq(config->routes[2].name, "c");
    cr_expect_str_eq(config->routes[2].file, D "20-b.conf");
    cr_expect_eq(config->routes[2].line, 3);
    cr_expect_eq(config->routes[0].connect_timeout_ns, UINT64_C(2000000000));
    cr_expect_eq(config->routes[2].connect_timeout_ns, UINT64_C(1000000000));
    cr_assert_eq(config->file_count, COUNT_OF(read));
    for (size_t i = 0; i < COUNT_OF(read); i++)
        cr_expect_str_eq(config->files[i], read[i]);
    scratch_free(&result);
    scratch_leaks_check();
}

/* A default of [global] holds for routes read before it too. */
Test(sources, a_default_of_a_drop_in_holds_for_all_routes)
{
    static const struct scratch_file files[] = {
        {SCRATCH_FILE, "[route a]\nlisten = tcp:*:1\ntarget = tcp:b:1\n", 0},
        {D "a.conf", "[global]\nconnect-timeout = 1s\n", 0},
        {D "b.conf", "[global]\nconnect-timeout = 9s\n", 0},
    };
    struct scratch_result result = read_files(files, COUNT_OF(files));

    expect_problems(&result, "");
    cr_expect_eq(result.config->routes[0].connect_timeout_ns, UINT64_C(9000000000));
    scratch_free(&result);
}

Test(sources, mistakes_across_files_name_both_places)
{
    static const struct scratch_file files[] = {
        {SCRATCH_FILE,
         "[guest g]\naddress = vsock:3\n[route a]\nlisten = tcp:*:1\ntarget = guest:h:1\n", 0},
        {D "a.conf",
         "\n[guest g]\naddress = vsock:4\n[route a]\nlisten = tcp:*:2\n"
         "target = tcp:b:1\n",
         0},
        {D "b.conf", "workers = 1\n[route c]\nlisten = tcp:[::1]:1\ntarget = guest:h:1\n", 0},
    };
    static const char *const routes[] = {"tcp:127.0.0.1:1=vsock:3:80", "tcp:*:5=tcp:b:1",
                                         "tcp:*:5=tcp:b:2"};
    const struct config_sources sources = {
        .path = SCRATCH_FILE, .routes = routes, .route_count = COUNT_OF(routes)};
    struct scratch_result result = scratch_read(files, COUNT_OF(files), &sources);

    expect_problems(
        &result, SCRATCH_FILE
        ":5: there is no guest 'h'; add a section [guest h]\n" D
        "a.conf:2: guest 'g' is already defined at " SCRATCH_FILE
        ":1; give this one another name\n" D
        "a.conf:4: route 'a' is already defined at " SCRATCH_FILE
        ":3; give this one another name\n" D
        "b.conf:1: 'workers' stands before any section; put it below [global]\n" D
        "b.conf:3: 'tcp:[::1]:1' is claimed already by 'tcp:*:1' of route 'a' at " SCRATCH_FILE
        ":4; choose another address\n" D
        "b.conf:4: there is no guest 'h'; add a section [guest h]\n"
        "'tcp:127.0.0.1:1=vsock:3:80': 'tcp:127.0.0.1:1' is claimed already by 'tcp:*:1' of route "
        "'a' at " SCRATCH_FILE ":4; choose another address\n"
        "'tcp:*:5=tcp:b:2': 'tcp:*:5' is claimed already by 'tcp:*:5' of route 'tcp:*:5' at "
        "'tcp:*:5=tcp:b:1'; choose another address\n");
    scratch_free(&result);
}

Test(sources, a_file_that_cannot_be_read_is_a_mistake)
{
    static const struct scratch_file directory = {SCRATCH_FILE "/", "", 0};
    static const struct scratch_file drop_in = {D "a.conf/", "", 0};
    static const struct scratch_file not_a_directory[] = {{SCRATCH_FILE, "", 0},
                                                          {SCRATCH_FILE ".d", "", 0}};
    struct scratch_result result = read_files(NULL, 0);

    expect_problems(&result, SCRATCH_FILE ": cannot be read: No such file or directory\n");
    scratch_free(&result);

    result = read_files(&directory, 1);
    expect_problems(&result, SCRATCH_FILE ": cannot be read: Is a directory\n");
    scratch_free(&result);

    result = read_files(&drop_in, 1);
    expect_problems(&result, SCRATCH_FILE ": cannot be read: No such file or directory\n" D
                                          "a.conf: cannot be read: Is a directory\n");
    scratch_free(&result);

    result = read_files(not_a_directory, 2);
    expect_problems(&result, SCRATCH_FILE ".d: cannot be read: Not a directory\n");
    scratch_free(&result);
}

Test(sources, a_pipe_is_read_and_one_that_nobody_writes_to_is_refused, .timeout = 10)
{
    static const char text[] = "[route a]\nlisten = tcp:*:1\ntarget = tcp:b:1\n";
    char directory[] = "/tmp/vsluice-pipe-XXXXXX";
    char path[sizeof(directory) + sizeof("/pipe")];
    const struct config_sources sources = {.path = path};
    char *problems;

    cr_assert_not_null(mkdtemp(directory));
    snprintf(path, sizeof(path), "%s/pipe", directory);
    cr_assert_eq(mkfifo(path, 0600), 0);
    struct scratch_result result = scratch_read(NULL, 0, &sources);
    problems = scratch_problems(&result);
    cr_expect_not_null(strstr(problems, "cannot be read: it is a pipe that nobody writes to"), "%s",
                       problems);
    free(problems);
    scratch_free(&result);

    int end = open(path, O_RDWR | O_CLOEXEC);
    cr_assert_geq(end, 0);
    cr_assert_eq(write(end, text, strlen(text)), (ssize_t)strlen(text));
    pid_t child = fork();
    if (child == 0) {
        /* it ends, and with it the pipe, while all is read */
        usleep(100 * 1000);
        _exit(0);
    }
    close(end);
    result = scratch_read(NULL, 0, &sources);
    expect_problems(&result, "");
    cr_expect_eq(result.config->route_count, 1);
    scratch_free(&result);
    waitpid(child, NULL, 0);
    unlink(path);
    rmdir(directory);
}

Test(sources, a_failed_read_is_told)
{
    static const struct config_sources sources = {.path = "/proc/self/mem"};
    struct scratch_result result = scratch_read(NULL, 0, &sources);

    /* its first page is not mapped: opening goes well, reading does not */
    expect_problems(&result, "/proc/self/mem: cannot be read: Input/output error\n");
    scratch_free(&result);
}

Test(sources, a_file_without_end_is_refused)
{
    static const struct config_sources sources = {.path = "/dev/zero"};
    struct scratch_result result = scratch_read(NULL, 0, &sources);

    expect_problems(&result,
                    "/dev/zero: cannot be read: it is larger than 16777216 bytes, which no "
                    "configuration is\n"
                    "/dev/zero:1: the line holds a NUL byte; a configuration is plain text\n");
    scratch_free(&result);
}

Test(sources, an_optional_file_may_be_missing_and_has_drop_ins_nonetheless)
{
    static const struct scratch_file file = {D "a.conf", "[global]\nworkers = 3\n", 0};
    static const struct scratch_file directory = {SCRATCH_FILE "/", "", 0};
    static const struct config_sources sources = {.path = SCRATCH_FILE, .path_optional = true};
    static const struct config_sources unreachable = {.path = "/dev/null/x", .path_optional = true};
    struct scratch_result result = scratch_read(&file, 1, &sources);

    expect_problems(&result, "");
    cr_expect_eq(result.config->workers, 3);
    scratch_free(&result);

    result = scratch_read(&directory, 1, &sources);
    expect_problems(&result, SCRATCH_FILE ": cannot be read: Is a directory\n");
    scratch_free(&result);

    /* only what does not exist may be missing */
    result = scratch_read(NULL, 0, &unreachable);
    expect_problems(&result, "/dev/null/x: cannot be read: Not a directory\n"
                             "/dev/null/x.d: cannot be read: Not a directory\n");
    scratch_free(&result);
}

static struct scratch_result read_routes(const char *const *routes, size_t count)
{
    const struct config_sources sources = {.routes = routes, .route_count = count};

    return scratch_read(NULL, 0, &sources);
}

Test(sources, routes_of_the_command_line)
{
    static const struct {
        const char *text;
        const char *listen;
        const char *target;
    } cases[] = {
        {"tcp:127.0.0.1:8080=vsock:3:80", "tcp:127.0.0.1:8080", "vsock:3:80"},
        {"unix:/a=b=tcp:c:1", "unix:/a=b", "tcp:c:1"},
        {"unix:/b=unix:/c=d", "unix:/b", "unix:/c=d"},
        {"unix:/d=fd:e=tcp:f:1", "unix:/d=fd:e", "tcp:f:1"},
        {"tcp://*:80=vsock-mux:/a=b:80", "tcp://*:80", "vsock-mux:/a=b:80"},
        {"fd:3=unix:@x", "fd:3", "unix:@x"},
        {"tcp:*:0=tcp:b:1", "tcp:*:0", "tcp:b:1"},
        {"tcp:*:0=tcp:b:2", "tcp:*:0", "tcp:b:2"},
    };
    const char *routes[COUNT_OF(cases)];

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        routes[i] = cases[i].text;
    struct scratch_result result = read_routes(routes, COUNT_OF(cases));
    expect_problems(&result, "");
    cr_assert_eq(result.config->route_count, COUNT_OF(cases));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct route *route = &result.config->routes[i];
        char listen[ENDPOINT_TEXT_BYTES];
        char target[ENDPOINT_TEXT_BYTES];
        endpoint_format(&route->listens[0].written, listen);
        endpoint_format(&route->targets[0].resolved, target);
        cr_expect_str_eq(route->name, cases[i].listen);
        cr_expect_str_eq(listen, i == 4 ? "tcp:*:80" : cases[i].listen);
        cr_expect_str_eq(target, cases[i].target);
        cr_expect_null(route->file);
        cr_expect_eq(route->line, i + 1);
        cr_expect_eq(route->connect_timeout_ns, UINT64_C(5000000000));
        cr_expect_eq(route->backlog, 4096);
    }
    scratch_free(&result);
    scratch_leaks_check();
}

Test(sources, routes_of_the_command_line_with_mistakes)
{
    static const struct {
        const char *text;
        const char *problems;
    } cases[] = {
        {"", "'': is no route; write LISTEN=TARGET, such as 'tcp:127.0.0.1:8080=vsock:3:80'\n"},
        {"tcp:*:80",
         "'tcp:*:80': is no route; write LISTEN=TARGET, such as 'tcp:127.0.0.1:8080=vsock:3:80'\n"},
        {"tcp:*:80=/run/x",
         "'tcp:*:80=/run/x': '/run/x' has no kind; a Unix socket is written 'unix:/run/x'\n"},
        {"=", "'=': '' is empty; write KIND:ADDRESS:PORT\n"},
        {"tcp:*:80=tcp:*:81",
         "'tcp:*:80=tcp:*:81': '*' in 'tcp:*:81' is for listening only; name one host\n"},
        {"tcp:*:x=tcp:b:y",
         "'tcp:*:x=tcp:b:y': 'x' in 'tcp:*:x' is no port; a TCP port is a number from 1 to 65535, "
         "or 0 for any that is free\n"
         "'tcp:*:x=tcp:b:y': 'y' in 'tcp:b:y' is no port; a TCP port is a number from 1 to "
         "65535\n"},
        {"unix:/a=unix:/b=unix:/c", "'unix:/a=unix:/b=unix:/c': can be split at more than one '='; "
                                    "put this route into a file\n"},
        {"tcp:*:80=guest:web1:80",
         "'tcp:*:80=guest:web1:80': there is no guest 'web1'; add a section [guest web1]\n"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct scratch_result result = read_routes(&cases[i].text, 1);
        expect_problems(&result, cases[i].problems);
        scratch_free(&result);
    }
    scratch_leaks_check();
}

Test(sources, a_route_of_the_command_line_may_name_a_guest_of_the_file)
{
    static const char *const routes[] = {"guest:g:5=guest:g:80"};
    struct scratch_result result = scratch_read_text(
        "[guest g]\naddress = vsock:3\n[global]\nconnect-timeout = 1s\n", routes, 1);

    expect_problems(&result, "");
    cr_assert_eq(result.config->route_count, 1);
    cr_expect_eq(result.config->routes[0].targets[0].guest, &result.config->guests[0]);
    cr_expect_eq(result.config->routes[0].listens[0].peer_cid, 3);
    cr_expect_eq(result.config->routes[0].targets[0].resolved.cid, 3);
    cr_expect_eq(result.config->routes[0].connect_timeout_ns, UINT64_C(1000000000));
    scratch_free(&result);
}

Test(sources, none_at_all)
{
    struct scratch_result result = read_routes(NULL, 0);

    expect_problems(&result, "");
    cr_expect_eq(result.config->route_count, 0);
    cr_expect_eq(result.config->drain_timeout_ns, UINT64_C(30000000000));
    scratch_free(&result);
}

static struct scratch_result read_texts(const struct config_text *texts, size_t count)
{
    static const struct scratch_file file = {
        SCRATCH_FILE,
        "[guest g]\naddress = vsock:3\n[route a]\nlisten = tcp:*:1\ntarget = tcp:b:1\n", 0};
    const struct config_sources sources = {
        .path = SCRATCH_FILE, .texts = texts, .text_count = count};

    return scratch_read(&file, 1, &sources);
}

Test(sources, texts_are_read_behind_the_files_with_lines_of_their_own)
{
    static const char one[] = "[route b]\nlisten = tcp:*:2\ntarget = guest:g:1\n[route c]...";
    static const char other[] = "\n[route d]\nlisten = unix:/run/{name}/d\ntarget = guest:{name}:1";
    const struct config_text texts[] = {
        {"more", one, sizeof(one) - 1 - strlen("[route c]..."), 7},
        {"others", other, sizeof(other) - 1, 1},
        {"empty", "", 0, 1},
    };
    struct scratch_result result = read_texts(texts, COUNT_OF(texts));
    const struct config *config = result.config;

    expect_problems(&result, "");
    cr_assert_eq(config->route_count, 3);
    cr_expect_str_eq(config->routes[1].name, "b");
    cr_expect_str_eq(config->routes[1].file, "more");
    cr_expect_eq(config->routes[1].line, 7);
    cr_expect_eq(config->routes[1].listens[0].line, 8);
    cr_expect_str_eq(config->routes[2].name, "d@g");
    cr_expect_eq(config->template_count, 1);
    scratch_free(&result);
    scratch_leaks_check();
}

Test(sources, texts_hold_routes_and_nothing_else)
{
    static const char wrong[] = "workers = 1\n[global]\nworkers = x\n[guest h]\naddress = vsock:4\n"
                                "[route a]\nlisten = tcp:*:2\ntarget = tcp:b:1\n"
                                "[route b]\nlisten = tcp:*:1\ntarget = guest:h:1\nx\0y\n";
    const struct config_text text = {"run-time", wrong, sizeof(wrong) - 1, 1};
    struct scratch_result result = read_texts(&text, 1);

    expect_problems(
        &result,
        "run-time:1: 'workers' stands before any section; put it below [global]\n"
        "run-time:2: only [route NAME] sections can be added at run time; write [global] into the "
        "configuration file and reload it\n"
        "run-time:4: only [route NAME] sections can be added at run time; write [guest h] into the "
        "configuration file and reload it\n"
        "run-time:6: route 'a' is already defined at " SCRATCH_FILE
        ":3; give this one another name\n"
        "run-time:10: 'tcp:*:1' is claimed already by 'tcp:*:1' of route 'a' at " SCRATCH_FILE
        ":4; choose another address\n"
        "run-time:11: there is no guest 'h'; add a section [guest h]\n"
        "run-time:12: the line holds a NUL byte; a configuration is plain text\n");
    scratch_free(&result);
    scratch_leaks_check();
}

Test(sources, a_route_is_cut_where_its_target_begins)
{
    char route[] = "unix:/a=b=vsock:3:80";
    char no_route[] = "unix:/a=b";
    char two[] = "unix:/a=unix:/b=unix:/c";

    cr_expect_str_eq(config_split_route(route), "vsock:3:80");
    cr_expect_str_eq(route, "unix:/a=b");
    cr_expect_str_eq(config_split_route(no_route), "b");
    cr_expect_null(config_split_route(two));
}

Test(sources, files_are_read_again_as_they_were)
{
    static const struct scratch_file files[] = {
        {SCRATCH_FILE, "[route a]\nlisten = tcp:*:1\ntarget = tcp:b:1\n\0", 0},
        {D "b.conf", "[global]\nworkers = 7\n[route b]\nlisten = tcp:*:2\ntarget = tcp:b:1", 0},
    };
    static const char more[] = "[route c]\nlisten = tcp:*:3\ntarget = tcp:b:1\n";
    struct scratch_result first = read_files(files, COUNT_OF(files));
    const struct config_text text = {"run-time", more, sizeof(more) - 1, 1};
    const struct config_sources sources = {
        .path = "/dev/zero", .again = first.config, .texts = &text, .text_count = 1};
    struct problems problems;

    expect_problems(&first, "");
    problems_init(&problems);
    struct config *second = config_read(&sources, &problems);
    scratch_free(&first);
    cr_assert_eq(problems.count, 0);
    cr_assert_eq(second->route_count, 3);
    cr_expect_str_eq(second->routes[0].file, SCRATCH_FILE);
    cr_expect_str_eq(second->routes[1].name, "b");
    cr_expect_eq(second->routes[1].line, 3);
    cr_expect_str_eq(second->routes[2].name, "c");
    cr_expect_eq(second->workers, 7);
    cr_expect_eq(second->kept_count, 2);
    config_free(second);
    scratch_leaks_check();
}

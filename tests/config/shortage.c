/* Reading a configuration, and making one of a guest, where memory is short: each allocation fails
 * once, in its turn. Nothing crashes, nothing leaks, and what comes out is whole or nothing.
 *
 * The linker leads the allocations of config/ through the wraps below (meson.build).
 */
#include "config/config.h"

#include "tests/config/scratch.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static unsigned until_failure; /* 0: none fails */

static bool fails(void)
{
    return until_failure > 0 && --until_failure == 0;
}

void *__real_calloc(size_t count, size_t bytes);
void *__real_reallocarray(void *array, size_t count, size_t bytes);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_reallocarray(void *array, size_t count, size_t bytes);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);

void *__wrap_calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_reallocarray(void *array, size_t count, size_t bytes)
{
    return fails() ? NULL : __real_reallocarray(array, count, bytes);
}

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t length)
{
    return fails() ? NULL : __real_strndup(text, length);
}

static const char right_text[] =
    "[global]\nadmin-socket = /run/admin\nadmin-listen = tcp:[::1]:9100\n"
    "[guest *]\naddress = vsock-mux:/run/vms/{name}/v\n"
    "[guest web]\naddress = vsock:3\n"
    "[guest fc]\naddress = vsock-mux:/fc\n"
    "[route a]\nlisten = unix:/run/{name}/a unix:/run/{name}/b unix:/run/{name}/c\n"
    "target = guest:{name}:80\nlisten = guest:{name}:5000\n"
    "[route b]\nlisten = mux:/b\ntarget = guest:web:*\nports = 1 2 3 4 5-9\n"
    "allow = uid:0 uid:1 gid:2 gid:3 uid:4\ndeny = uid:5\n"
    "[route c]\nlisten = unix:/run/{name}/d unix:/run/{name}/e\ntarget = tcp:db:5432\nallow = "
    "uid:0\ndeny = gid:1 gid:2\n";

/* The same where the names are wrong in every place. */
static const char wrong_text[] =
    "[guest {name}]\naddress = vsock-mux:/run/vms/{name}/v\n[guest g]\n"
    "[route a]\nlisten = unix:/run/{name}/a mux:x\ntarget = guest:nobody:*\nports = x\n"
    "[route a]\nlisten = guest:nobody:1-9 tcp:*:1-9 tcp:*:1\ntarget = vsock:3:1-2\n"
    "allow = nobody uid:0\ndeny = 10.0.0.1/8\n";

static const char *const routes[] = {
    "tcp:127.0.0.1:1-9=vsock:3:1-9",
    "unix:/run/{name}=guest:{name}:80",
    "unix:@a{name}=guest:web:80",
};

/* A file that is read by its path and needs no directory. */
static int file_make(const char *text, char path[static 64])
{
    int fd = memfd_create("vsluice.conf", MFD_CLOEXEC);

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return fd;
}

static char *table_of(const struct config *config)
{
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);

    cr_assert_eq(config_print(config, stream), 0);
    fclose(stream);
    return text;
}

/* Reads, with the allocation of that number failing; false: there were fewer. */
static bool read_short(const struct config_sources *sources, unsigned number, const char *whole)
{
    struct problems problems;

    problems_init(&problems);
    until_failure = number;
    struct config *config = config_read(sources, &problems);
    bool failed = until_failure == 0;
    until_failure = 0;
    if (config && whole) {
        char *table = table_of(config);
        cr_expect_eq(problems.count, 0);
        cr_expect_str_eq(table, whole, "allocation %u", number);
        free(table);
    }
    config_free(config);
    problems_deinit(&problems);
    return failed;
}

static void expect_sound(const char *text, bool right)
{
    char path[64];
    int fd = file_make(text, path);
    const struct config_sources sources = {
        .path = path, .routes = routes, .route_count = COUNT_OF(routes)};
    struct problems problems;
    unsigned number = 1;

    problems_init(&problems);
    struct config *config = config_read(&sources, &problems);
    cr_assert_eq(problems.count == 0, right);
    char *whole = right ? table_of(config) : NULL;
    while (read_short(&sources, number, whole))
        number++;
    cr_expect_gt(number, 50);
    free(whole);
    config_free(config);
    problems_deinit(&problems);
    close(fd);
    scratch_leaks_check();
}

Test(shortage, a_right_configuration_is_read_whole_or_not_at_all)
{
    expect_sound(right_text, true);
}

Test(shortage, a_wrong_configuration_is_told_or_not_at_all)
{
    expect_sound(wrong_text, false);
}

/* Nothing is told then: there is no mistake. */
Test(shortage, a_guest_has_all_of_its_routes_or_no_config)
{
    char path[64];
    int fd = file_make(right_text, path);
    const struct config_sources sources = {
        .path = path, .routes = routes, .route_count = COUNT_OF(routes)};
    struct problems problems;
    bool failed = true;

    problems_init(&problems);
    struct config *config = config_read(&sources, &problems);
    cr_assert_eq(problems.count, 0);
    for (unsigned number = 1; failed; number++) {
        until_failure = number;
        struct config *guest = config_of_guest(config, "vm1", &problems);
        failed = until_failure == 0;
        until_failure = 0;
        cr_expect_eq(guest == NULL, failed, "allocation %u", number);
        cr_expect_eq(problems.count, 0);
        cr_expect(!guest || guest->route_count == config->template_count);
        config_free(guest);
    }
    cr_expect_eq(config->references, 1);
    config_free(config);
    problems_deinit(&problems);
    close(fd);
    scratch_leaks_check();
}

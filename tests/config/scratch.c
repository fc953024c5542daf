/* Scratch directories. Criterion runs every test in a process of its own: the parent's hooks make
 * the directory above all of them and remove it.
 */
#include "tests/config/scratch.h"

#include <criterion/criterion.h>
#include <criterion/hooks.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#    include <sanitizer/lsan_interface.h>
#    define HAS_LEAK_CHECK 1
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        include <sanitizer/lsan_interface.h>
#        define HAS_LEAK_CHECK 1
#    endif
#endif

#define TOP_VARIABLE "VSLUICE_SCRATCH"

ReportHook(PRE_ALL)(struct criterion_test_set *tests)
{
    char top[] = "/tmp/vsluice-config-XXXXXX";

    (void)tests;
    if (mkdtemp(top))
        setenv(TOP_VARIABLE, top, 1);
}

static int entry_remove(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status;
    (void)kind;
    (void)place;
    return remove(path);
}

static void tree_remove(const char *path)
{
    nftw(path, entry_remove, 16, FTW_DEPTH | FTW_PHYS);
}

ReportHook(POST_ALL)(struct criterion_global_stats *stats)
{
    (void)stats;
    if (getenv(TOP_VARIABLE))
        tree_remove(getenv(TOP_VARIABLE));
}

static void file_write(const struct scratch_file *file)
{
    size_t length = file->length ? file->length : strlen(file->text);
    char directory[256];

    for (const char *slash = strchr(file->name, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(directory, sizeof(directory), "%.*s", (int)(slash - file->name), file->name);
        cr_assert(mkdir(directory, 0700) == 0 || errno == EEXIST, "%s", directory);
        if (!slash[1])
            return;
    }
    FILE *stream = fopen(file->name, "we");
    cr_assert_not_null(stream, "%s", file->name);
    cr_assert_eq(fwrite(file->text, 1, length, stream), length);
    cr_assert_eq(fclose(stream), 0);
}

struct scratch_result scratch_read(const struct scratch_file *files, size_t file_count,
                                   const struct config_sources *sources)
{
    const char *top = getenv(TOP_VARIABLE);
    struct scratch_result result;
    char directory[256];

    cr_assert_not_null(top);
    snprintf(directory, sizeof(directory), "%s/XXXXXX", top);
    cr_assert_not_null(mkdtemp(directory));
    cr_assert_eq(chdir(directory), 0);
    for (size_t i = 0; i < file_count; i++)
        file_write(&files[i]);
    problems_init(&result.problems);
    result.config = config_read(sources, &result.problems);
    cr_assert_eq(chdir("/"), 0);
    tree_remove(directory);
    cr_assert_not_null(result.config);
    return result;
}

struct scratch_result scratch_read_text(const char *text, const char *const *routes,
                                        size_t route_count)
{
    const struct scratch_file file = {SCRATCH_FILE, text, 0};
    const struct config_sources sources = {
        .path = SCRATCH_FILE, .routes = routes, .route_count = route_count};

    return scratch_read(&file, 1, &sources);
}

char *scratch_problems(const struct scratch_result *result)
{
    char *text = NULL;
    size_t bytes;
    size_t count = 0;
    FILE *stream = open_memstream(&text, &bytes);

    cr_assert_not_null(stream);
    for (const struct problem *problem = result->problems.first; problem; problem = problem->next) {
        fprintf(stream, "%s\n", problem->text);
        count++;
    }
    fclose(stream);
    cr_assert_eq(count, result->problems.count);
    return text;
}

void scratch_free(struct scratch_result *result)
{
    config_free(result->config);
    problems_deinit(&result->problems);
}

void scratch_leaks_check(void)
{
#ifdef HAS_LEAK_CHECK
    cr_assert_eq(__lsan_do_recoverable_leak_check(), 0);
#endif
}

void scratch_expect_mistakes(const struct scratch_mistake *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct scratch_result result = scratch_read_text(cases[i].text, NULL, 0);
        char *problems = scratch_problems(&result);
        cr_expect_str_eq(problems, cases[i].problems, "of:\n%s\nis:\n%s\nshould be:\n%s",
                         cases[i].text, problems, cases[i].problems);
        free(problems);
        scratch_free(&result);
    }
    scratch_leaks_check();
}

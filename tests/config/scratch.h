/* Configurations in a directory of their own, which is gone when this is done: files are written,
 * read and removed in one call, and what a test that crashed left behind goes when all tests are
 * over.
 */
#pragma once

#include "config/config.h"

#include <stddef.h>

/* The file that is read; its drop-ins stand in SCRATCH_FILE ".d/". Messages name it so. */
#define SCRATCH_FILE "vsluice.conf"

struct scratch_file {
    const char *name; /* its directories are made; one that ends with '/' is a directory itself */
    const char *text;
    size_t length; /* 0: text ends with its NUL */
};

struct scratch_result {
    struct config *config;
    struct problems problems;
};

/* Writes the files, reads the configuration and removes the files. Ends the test where it cannot.
 */
struct scratch_result scratch_read(const struct scratch_file *files, size_t file_count,
                                   const struct config_sources *sources);

/* The same of one file and the routes of a command line. */
struct scratch_result scratch_read_text(const char *text, const char *const *routes,
                                        size_t route_count);

/* All problems, a line each; to be freed. */
char *scratch_problems(const struct scratch_result *result);

void scratch_free(struct scratch_result *result);

/* A configuration and its mistakes, as scratch_problems() tells them. */
struct scratch_mistake {
    const char *text;
    const char *problems;
};

/* Reads each, and looks for leaks. */
void scratch_expect_mistakes(const struct scratch_mistake *cases, size_t count);

/* Fails the test where memory is lost (with AddressSanitizer; Criterion itself ignores its report).
 */
void scratch_leaks_check(void);

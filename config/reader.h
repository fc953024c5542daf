/* One INI file as a stream of sections and assignments, each with its line.
 *
 * The only user of inih. What is no INI is added to the problems here; what sections and keys mean
 * is not known here.
 */
#pragma once

#include "config/problem.h"

#include <stdbool.h>
#include <stdio.h>

/* A larger file is refused. */
#define READER_FILE_BYTES_MAX (16 * 1024 * 1024)

struct reader_assignment {
    const char *key;   /* of a continuing line: the key above */
    const char *value; /* may be empty */
    const char *text;  /* the whole line, without the blanks around it */
    bool continues;    /* an indented line that goes on with the value above */
    unsigned line;
};

/* Called in the order of the file. Texts live as long as the call. */
struct reader_events {
    /* `header` is what stands between the brackets, without the blanks around it; NULL: a section
     * whose header could not be read (a problem was added) */
    void (*section)(void *user, const char *header, unsigned line);
    void (*assign)(void *user, const struct reader_assignment *assignment);
    /* A line of the current section could not be read (a problem was added): what it would have
     * said is not known. */
    void (*lost)(void *user, bool continues);
    void (*end)(void *user);
};

/* Reads FILE named by `path`, and writes what is in it to `copy`. A file that cannot be read is a
 * problem too, but not, where `optional`, one that does not exist. */
void reader_read(const char *path, bool optional, const struct reader_events *events, void *user,
                 struct problems *problems, FILE *copy);

/* The same of a text, which begins with line `line` of what `path` stands for. */
void reader_read_text(const char *path, const char *text, size_t bytes, unsigned line,
                      const struct reader_events *events, void *user, struct problems *problems);

/* The mistakes found while reading a configuration, collected so that all are reported in one go.
 *
 * Owns the texts. Knows nothing of what a mistake is about.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct problem {
    struct problem *next;
    /* "FILE:LINE: what is wrong, and what would be right"; one line, no control characters */
    char *text;
    char *file; /* NULL: the command line */
    unsigned line;
};

struct problems {
    struct problem *first;
    struct problem **last;
    size_t count; /* grows even when there is no memory to keep the text */
};

void problems_init(struct problems *problems);
void problems_deinit(struct problems *problems);

/* file NULL: a mistake on the command line, reported without a place; line is then the number of
 * the argument and serves problems_sort only. line 0: about the file as a whole. */
__attribute__((format(printf, 4, 5))) void problems_add(struct problems *problems, const char *file,
                                                        unsigned line, const char *format, ...);

/* Brings the mistakes into the order of `files`, then of lines; those of the command line come
 * last. Those of one place keep their order, and none is told twice. */
void problems_sort(struct problems *problems, char *const *files, size_t file_count);

/* All of them, each in a line; the caller's to free. NULL: out of memory. */
char *problems_text(const struct problems *problems);

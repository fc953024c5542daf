/* The mistakes found while reading a configuration, collected so that all are reported in one go.
 *
 * Owns the texts. Knows nothing of what a mistake is about.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct problem {
    struct problem *next;
    char *text; /* "FILE:LINE: what is wrong, and what would be right" */
};

struct problems {
    struct problem *first;
    struct problem **last;
    size_t count;
};

void problems_init(struct problems *problems);
void problems_deinit(struct problems *problems);

/* file NULL: a mistake on the command line, reported without a place. line 0: about the file as a whole. */
__attribute__((format(printf, 4, 5))) void
problems_add(struct problems *problems, const char *file, unsigned line, const char *format, ...);

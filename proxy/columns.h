/* A table for people: rows of texts, as wide as they need. Nothing in it moves a terminal's cursor:
 * '?' stands for control characters. */
#pragma once

#include <stddef.h>
#include <stdio.h>

#define COLUMNS_MAX 12

struct columns {
    const char *heads[COLUMNS_MAX + 1]; /* NULL behind the last; "<" before one: to the left */
    char **cells;                       /* row by row */
    size_t count;
    size_t room;
    int failed; /* out of memory */
};

/* The next cell. */
__attribute__((format(printf, 2, 3))) void columns_add(struct columns *columns, const char *format,
                                                       ...);

/* The heads and the rows, without blanks behind them, each cut at `width` characters (0: not cut),
 * and no more than so many lines (0: all). false: out of memory, and nothing is printed. */
struct columns_form {
    size_t width;
    size_t lines;
    const char *head;  /* before the line of heads; NULL: nothing */
    const char *begin; /* of each line; NULL: nothing */
    const char *end;   /* NULL: a newline */
};
int columns_print(const struct columns *columns, const struct columns_form *form, FILE *stream);

/* Forgets the rows. */
void columns_clear(struct columns *columns);
void columns_deinit(struct columns *columns);

/* Numbers as people read them, in few characters: 999, 1.2K, 34M (powers of 1024); 59s, 12m03s,
 * 5h07m, 3d04h. */
#define COLUMNS_NUMBER_BYTES 24
const char *columns_bytes(double bytes, char text[static COLUMNS_NUMBER_BYTES]);
const char *columns_time(double seconds, char text[static COLUMNS_NUMBER_BYTES]);

/* The list of mistakes: texts in the order in which they will be read. */
#include "config/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void problems_init(struct problems *problems)
{
    *problems = (struct problems){.last = &problems->first};
}

static void problem_free(struct problem *problem)
{
    free(problem->text);
    free(problem->file);
    free(problem);
}

void problems_deinit(struct problems *problems)
{
    struct problem *problem = problems->first;

    while (problem) {
        struct problem *next = problem->next;
        problem_free(problem);
        problem = next;
    }
    problems_init(problems);
}

/* What a file holds is shown to a terminal: nothing of it may be a control sequence or end the
 * line. */
static void defuse(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
    }
}

/* "FILE:LINE: SENTENCE", as far as FILE and LINE are known. NULL: out of memory. */
static char *text_new(const char *file, unsigned line, const char *sentence)
{
    char *text = NULL;
    int length;

    if (!file)
        length = asprintf(&text, "%s", sentence);
    else if (line == 0)
        length = asprintf(&text, "%s: %s", file, sentence);
    else
        length = asprintf(&text, "%s:%u: %s", file, line, sentence);
    if (length < 0)
        return NULL;
    defuse(text);
    return text;
}

/* NULL: out of memory. */
static struct problem *problem_new(const char *file, unsigned line, const char *sentence)
{
    struct problem *problem = calloc(1, sizeof(*problem));

    if (!problem)
        return NULL;
    problem->line = line;
    problem->text = text_new(file, line, sentence);
    problem->file = file ? strdup(file) : NULL;
    if (!problem->text || (file && !problem->file)) {
        problem_free(problem);
        return NULL;
    }
    return problem;
}

void problems_add(struct problems *problems, const char *file, unsigned line, const char *format,
                  ...)
{
    struct problem *problem;
    char *sentence = NULL;
    va_list arguments;
    int length;

    problems->count++;
    va_start(arguments, format);
    length = vasprintf(&sentence, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    problem = problem_new(file, line, sentence);
    free(sentence);
    if (!problem)
        return;
    *problems->last = problem;
    problems->last = &problem->next;
}

static size_t file_rank(const struct problem *problem, char *const *files, size_t file_count)
{
    size_t rank = 0;

    if (!problem->file)
        return file_count;
    while (rank < file_count && strcmp(files[rank], problem->file) != 0)
        rank++;
    return rank;
}

static bool comes_before(const struct problem *a, const struct problem *b, char *const *files,
                         size_t file_count)
{
    size_t rank_a = file_rank(a, files, file_count);
    size_t rank_b = file_rank(b, files, file_count);

    if (rank_a != rank_b)
        return rank_a < rank_b;
    return a->line < b->line;
}

/* Merges two sorted lists; equals of `a` come first. */
static struct problem *merge(struct problem *a, struct problem *b, char *const *files,
                             size_t file_count)
{
    struct problem *merged = NULL;
    struct problem **last = &merged;

    while (a && b) {
        struct problem **earlier = comes_before(b, a, files, file_count) ? &b : &a;
        *last = *earlier;
        *earlier = (*earlier)->next;
        last = &(*last)->next;
    }
    *last = a ? a : b;
    return merged;
}

/* Is one of these lines told again, up to `end`? */
static bool is_told(const struct problem *first, const struct problem *end)
{
    for (const struct problem *problem = first; problem != end; problem = problem->next) {
        if (strcmp(problem->text, end->text) == 0)
            return true;
    }
    return false;
}

/* Of a sorted list. Sets where it ends. */
static void repeated_remove(struct problems *problems)
{
    struct problem *of_line = problems->first; /* the first of the same line */
    struct problem **link = &problems->first;

    while (*link) {
        struct problem *problem = *link;
        if (problem->line != of_line->line)
            of_line = problem;
        if (!is_told(of_line, problem)) {
            link = &problem->next;
            continue;
        }
        *link = problem->next;
        problem_free(problem);
        problems->count--;
    }
    problems->last = link;
}

void problems_sort(struct problems *problems, char *const *files, size_t file_count)
{
    /* runs[n] is empty or a sorted list of 2^n mistakes, all added before those of runs[n - 1] */
    struct problem *runs[8 * sizeof(size_t)] = {NULL};
    struct problem *rest = problems->first;
    struct problem *sorted = NULL;

    while (rest) {
        struct problem *run = rest;
        size_t n = 0;

        rest = rest->next;
        run->next = NULL;
        for (; runs[n]; n++) {
            run = merge(runs[n], run, files, file_count);
            runs[n] = NULL;
        }
        runs[n] = run;
    }
    for (size_t n = 0; n < sizeof(runs) / sizeof(runs[0]); n++)
        sorted = merge(runs[n], sorted, files, file_count);

    problems->first = sorted;
    repeated_remove(problems);
}

char *problems_text(const struct problems *problems)
{
    char *text = NULL;
    size_t length;
    FILE *stream = open_memstream(&text, &length);

    if (!stream)
        return NULL;
    for (const struct problem *problem = problems->first; problem; problem = problem->next)
        fprintf(stream, "%s%s", problem == problems->first ? "" : "\n", problem->text);
    if (fclose(stream) == 0)
        return text;
    free(text);
    return NULL;
}

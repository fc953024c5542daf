/* The list of mistakes: texts, order, and that nothing of them reaches a terminal as a command. */
#include "config/problem.h"

#include "tests/config/random.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

Test(problem, tells_the_place_as_far_as_it_is_known)
{
    struct problems problems;

    problems_init(&problems);
    cr_assert_null(problems.first);
    problems_add(&problems, "a.conf", 7, "%s is %d", "x", 3);
    problems_add(&problems, "a.conf", 0, "cannot be read");
    problems_add(&problems, NULL, 5, "'x': is no route");
    cr_assert_eq(problems.count, 3);
    cr_expect_str_eq(problems.first->text, "a.conf:7: x is 3");
    cr_expect_str_eq(problems.first->next->text, "a.conf: cannot be read");
    cr_expect_str_eq(problems.first->next->next->text, "'x': is no route");
    cr_expect_null(problems.first->next->next->next);
    problems_deinit(&problems);
    cr_expect_eq(problems.count, 0);
    cr_expect_null(problems.first);
}

Test(problem, holds_no_control_characters)
{
    struct problems problems;

    problems_init(&problems);
    problems_add(&problems, "a\x1b[2J.conf", 1, "'%s'", "x\ny\r\t\x7f\xc3\xa4");
    cr_expect_str_eq(problems.first->text, "a?[2J.conf:1: 'x?y???\xc3\xa4'");
    problems_deinit(&problems);
}

Test(problem, sorting_leaves_one_of_those_that_are_the_same)
{
    static const char *const sentences[] = {"x", "y", "x", "y", "z", "x"};
    char *files[] = {"a", "b"};
    struct problems problems;
    unsigned seen = 0;

    problems_init(&problems);
    for (unsigned i = 0; i < 48; i++)
        problems_add(&problems, files[i / 6 % 2], 1 + i / 12 % 2, "%s", sentences[i % 6]);
    problems_sort(&problems, files, 2);
    cr_expect_eq(problems.count, 12);
    for (struct problem *problem = problems.first; problem; problem = problem->next) {
        char text[32];
        snprintf(text, sizeof(text), "%s:%u: %c", files[seen / 6], 1 + seen / 3 % 2,
                 "xyz"[seen % 3]);
        cr_expect_str_eq(problem->text, text);
        seen++;
    }
    cr_expect_eq(seen, 12);
    problems_add(&problems, NULL, 0, "last");
    cr_expect_eq(problems.count, 13);
    problems_deinit(&problems);
}

Test(problem, sorting_goes_by_file_then_line_and_keeps_the_order_of_equals)
{
    char *files[] = {"b", "a", "c"};
    struct random random = random_make(3);

    for (unsigned count = 0; count < 200; count++) {
        struct problems problems;
        problems_init(&problems);
        for (unsigned i = 0; i < count; i++) {
            uint32_t rank = random_below(&random, 4);
            uint32_t line = random_below(&random, 5);
            problems_add(&problems, rank < 3 ? files[rank] : NULL, line, "%u %u %u", rank, line, i);
        }
        problems_sort(&problems, files, 3);

        unsigned seen = 0;
        unsigned rank_before = 0, line_before = 0, number_before = 0;
        for (struct problem *problem = problems.first; problem; problem = problem->next) {
            unsigned rank, line, number;
            const char *text = strrchr(problem->text, ':');
            cr_assert_eq(sscanf(text ? text + 1 : problem->text, "%u %u %u", &rank, &line, &number),
                         3);
            bool ordered = rank != rank_before   ? rank > rank_before
                           : line != line_before ? line > line_before
                                                 : number >= number_before;
            cr_assert(ordered || seen == 0, "seed %" PRIu64 ": %s", random.seed, problem->text);
            rank_before = rank;
            line_before = line;
            number_before = number;
            seen++;
        }
        cr_assert_eq(seen, count, "seed %" PRIu64, random.seed);

        /* the list can still be added to */
        problems_add(&problems, NULL, 0, "last");
        struct problem *last = problems.first;
        while (last->next)
            last = last->next;
        cr_assert_str_eq(last->text, "last");
        problems_deinit(&problems);
    }
}

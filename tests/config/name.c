/* Names: which are valid, and which known one a wrong one is taken for. */
#include "config/name.h"

#include <criterion/criterion.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

Test(name, is_of_letters_digits_and_three_marks)
{
    static const char *const good[] = {"a", "web1", "A.b_c-9", "-", "..", "0"};
    static const char *const bad[] = {"", "a b", "a:b", "a/b", "a=b", "\xc3\xa4", "a\n", "@", "["};
    char longest[NAME_BYTES_MAX + 2];

    for (size_t i = 0; i < COUNT_OF(good); i++)
        cr_expect(name_valid(good[i], strlen(good[i])), "'%s'", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        cr_expect_not(name_valid(bad[i], strlen(bad[i])), "'%s'", bad[i]);
    memset(longest, 'x', sizeof(longest));
    cr_expect(name_valid(longest, NAME_BYTES_MAX - 1));
    cr_expect(name_valid(longest, NAME_BYTES_MAX));
    cr_expect_not(name_valid(longest, NAME_BYTES_MAX + 1));
}

/* What `wrong` is taken for among the keys of a route; "" where for none. */
static const char *nearest(const char *wrong)
{
    static const char *const known[] = {
        "listen", "target", "connect-timeout", "keepalive", "backlog", "mode", "owner"};
    struct name_search search;

    name_search_init(&search, wrong);
    for (size_t i = 0; i < COUNT_OF(known); i++)
        name_search_offer(&search, known[i]);
    return search.best ? search.best : "";
}

Test(name, a_slip_is_taken_for_the_nearest_name)
{
    static const struct {
        const char *wrong;
        const char *right;
    } cases[] = {
        {"listne", "listen"},
        {"isten", "listen"},
        {"lissten", "listen"},
        {"Listen", "listen"},
        {"LISTEN", "listen"},
        {"tagret", "target"},
        {"conect-timeout", "connect-timeout"},
        {"connect_timeout", "connect-timeout"},
        {"connecttimeout", "connect-timeout"},
        {"connection-timeout", "connect-timeout"},
        {"keep-alive", "keepalive"},
        {"mod", "mode"},
        {"mdoe", "mode"},
        {"ower", "owner"},
        {"", ""},
        {"x", ""},
        {"mo", ""},
        {"lane", ""},
        {"timeout", ""},
        {"frobnicate", ""},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++)
        cr_expect_str_eq(nearest(cases[i].wrong), cases[i].right, "'%s': '%s'", cases[i].wrong,
                         nearest(cases[i].wrong));
}

Test(name, the_nearer_of_two_wins_and_the_first_of_equals)
{
    struct name_search search;

    name_search_init(&search, "web11");
    name_search_offer(&search, "web222");
    name_search_offer(&search, "web12");
    name_search_offer(&search, "web13");
    cr_expect_str_eq(search.best, "web12");
    cr_expect_eq(search.distance, 1);
}

Test(name, very_long_names_are_never_near)
{
    char wrong[1000];
    char known[1000];

    memset(wrong, 'x', sizeof(wrong));
    memset(known, 'x', sizeof(known));
    for (size_t length = 60; length < 70; length++) {
        struct name_search search;
        wrong[length] = known[length] = '\0';
        name_search_init(&search, wrong);
        name_search_offer(&search, known);
        cr_expect_eq(search.best != NULL, length <= 64, "%zu", length);
        wrong[length] = known[length] = 'x';
    }
}

/* What operating a running vsluice is made of: texts of added routes, times of drains, tables. */
#include "proxy/added_routes.h"
#include "proxy/columns.h"
#include "proxy/drains.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

Test(operating, routes_are_cut_with_their_lines)
{
    static const char text[] =
        "; before\n\n[route a]\nlisten = x\n[ route   b-2 ] ; c\nlisten = y\n"
        "  [indented]\n[route c]";
    struct added_routes routes;

    cr_assert_eq(added_routes_count(text, sizeof(text) - 1), 3);
    cr_assert(added_routes_split(text, sizeof(text) - 1, &routes));
    cr_assert_eq(routes.count, 3);
    struct config_text *texts = added_routes_texts(&routes);
    cr_assert_not_null(texts);
    cr_expect_str_eq(texts[0].name, "run-time:a");
    cr_expect_eq(texts[0].line, 3);
    cr_expect_str_eq(texts[0].text, "[route a]\nlisten = x\n");
    cr_expect_str_eq(texts[1].name, "run-time:b-2");
    cr_expect_eq(texts[1].line, 5);
    cr_expect_eq(texts[1].bytes, strlen(texts[1].text));
    cr_expect_eq(texts[2].line, 8);
    cr_expect_str_eq(texts[2].text, "[route c]");
    free(texts);

    struct added_route *b = added_routes_find(&routes, "b-2");
    added_routes_take(&routes, b);
    cr_expect_null(added_routes_find(&routes, "b-2"));
    cr_expect_eq(routes.count, 2);
    added_routes_put_back(&routes, b);
    cr_expect_eq(added_routes_find(&routes, "b-2"), b);
    added_routes_deinit(&routes);
}

Test(operating, a_text_without_sections)
{
    static const char text[] = "listen = x\n\n ; [route a]\n";
    struct added_routes routes;

    cr_assert_eq(added_routes_count(text, sizeof(text) - 1), 0);
    cr_assert_eq(added_routes_count("", 0), 0);
    cr_assert(added_routes_split(text, sizeof(text) - 1, &routes));
    cr_assert_eq(routes.count, 0);
    cr_assert_null(routes.first);
}

Test(operating, drains_are_over_in_their_time)
{
    struct drains drains = {0};

    cr_assert_eq(drains_wait_ms(&drains, 0), -1);
    cr_assert(drains_set(&drains, "a", 5000000));
    cr_assert(drains_set(&drains, "b", 2000001));
    cr_assert(drains_set(&drains, "a", 9000000));
    cr_assert_eq(drains_wait_ms(&drains, 1000000), 2, "rounded up");
    cr_assert_null(drains_take_over(&drains, 2000000));
    struct drain *over = drains_take_over(&drains, 2000001);
    cr_assert_str_eq(over->route, "b");
    drain_free(over);
    cr_assert_null(drains_take_over(&drains, 8999999), "the earlier time of a is forgotten");
    drains_forget(&drains, "nobody");
    drains_forget(&drains, "a");
    cr_assert_eq(drains_wait_ms(&drains, 0), -1);
    cr_assert(drains_set(&drains, "c", 1));
    drains_deinit(&drains);
}

static void expect_table(const struct columns *columns, const struct columns_form *form,
                         const char *expected)
{
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);

    cr_assert(columns_print(columns, form, stream));
    fclose(stream);
    cr_expect_str_eq(text, expected, "%s", text);
    free(text);
}

Test(operating, tables)
{
    struct columns columns = {.heads = {"<NAME", "COUNT", "<"}};

    for (int i = 0; i < 3; i++) {
        columns_add(&columns, i == 1 ? "long\033[2J\nname" : "n%d", i);
        columns_add(&columns, "%d", i * 1000000);
        columns_add(&columns, "%s", i == 2 ? "end" : "");
    }
    expect_table(&columns, &(struct columns_form){0},
                 "NAME             COUNT\n"
                 "n0                   0\n"
                 "long?[2J?name  1000000\n"
                 "n2             2000000  end\n");
    expect_table(&columns,
                 &(struct columns_form){.width = 16, .lines = 2, .begin = "<", .end = ">\n"},
                 "<NAME            >\n<n0              >\n");
    columns_clear(&columns);
    expect_table(&columns, &(struct columns_form){.head = "!"}, "!NAME  COUNT\n");
    columns_deinit(&columns);
}

Test(operating, numbers_for_people)
{
    static const struct {
        double number;
        const char *bytes;
        const char *time;
    } cases[] = {
        {0, "0", "0.0s"},           {999, "999", "16m39s"},        {1023.4, "1023", "17m03s"},
        {1023.6, "1.0K", "17m03s"}, {10239, "10K", "2h50m"},       {59.9, "60", "59s"},
        {9.94, "10", "9.9s"},       {3600, "3.5K", "1h00m"},       {86400, "84K", "1d00h"},
        {1e18, "888P", NULL},       {1e30, "867361737988E", NULL},
    };
    char text[COLUMNS_NUMBER_BYTES];

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_str_eq(columns_bytes(cases[i].number, text), cases[i].bytes);
        if (cases[i].time)
            cr_expect_str_eq(columns_time(cases[i].number, text), cases[i].time, "%s", text);
    }
}

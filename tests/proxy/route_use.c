/* What is counted of routes: references by name, limits, and times. */
#include "proxy/route_use.h"

#include <criterion/criterion.h>

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

static struct route_uses uses;

static void begin(void)
{
    route_uses_init(&uses);
}

static void end(void)
{
    route_uses_deinit(&uses);
}

TestSuite(route_use, .init = begin, .fini = end);

static void note(void *argument, const struct route_use *use)
{
    strcat(argument, use->name);
}

Test(route_use, one_for_each_name_for_as_long_as_it_is_referred_to)
{
    struct route_use *b = route_use_get(&uses, "b");
    struct route_use *a = route_use_get(&uses, "a");
    char names[8] = "";

    cr_assert_eq(route_use_get(&uses, "b"), b);
    route_uses_visit(&uses, note, names);
    cr_assert_str_eq(names, "ab");
    route_use_put(b);
    route_use_put(a);
    names[0] = '\0';
    route_uses_visit(&uses, note, names);
    cr_assert_str_eq(names, "b");
    route_use_put(b);
    cr_assert_null(uses.first);
}

Test(route_use, no_more_sessions_than_there_may_be)
{
    struct route_use *use = route_use_get(&uses, "r");

    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(route_use_enter(use, 3, 0, 0), REASON_NONE);
    cr_assert_eq(route_use_enter(use, 3, 0, 0), REASON_ROUTE_FULL);
    cr_assert_eq(atomic_load(&use->sessions), 4);
    atomic_fetch_sub(&use->sessions, 2);
    cr_assert_eq(route_use_enter(use, 3, 0, 0), REASON_NONE);
    cr_assert_eq(route_use_enter(use, 0, 0, 0), REASON_NONE);
    route_use_put(use);
}

static unsigned begun(struct route_use *use, uint32_t rate_max, uint64_t now_ns, unsigned attempts)
{
    unsigned count = 0;

    for (unsigned i = 0; i < attempts; i++)
        count += route_use_enter(use, 0, rate_max, now_ns) == REASON_NONE;
    return count;
}

Test(route_use, a_second_of_sessions_at_once_then_an_even_pace)
{
    struct route_use *use = route_use_get(&uses, "r");

    cr_assert_eq(begun(use, 10, 100 * S, 50), 10);
    cr_assert_eq(begun(use, 10, 100 * S + 99 * MS, 50), 0);
    cr_assert_eq(begun(use, 10, 100 * S + 100 * MS, 50), 1);
    cr_assert_eq(begun(use, 10, 100 * S + 350 * MS, 50), 2);
    cr_assert_eq(begun(use, 10, 200 * S, 50), 10);
    cr_assert_eq(begun(use, 1000000, 300 * S, 2000), 2000);
    route_use_put(use);
}

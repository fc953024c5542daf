/* What is counted of routes: references by name. */
#include "proxy/route_use.h"

#include <criterion/criterion.h>

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

Test(route_use, a_drained_route_stays_known)
{
    struct route_use *use = route_use_get(&uses, "a");

    cr_assert_not(route_use_is_drained(&uses, "a"));
    atomic_store(&use->drained, true);
    route_use_put(use);
    cr_assert(route_use_is_drained(&uses, "a"));
    cr_assert_not(route_use_is_drained(&uses, "b"));
    cr_assert_eq(route_use_get(&uses, "a"), use);
    atomic_store(&use->drained, false);
    route_use_put(use);
    cr_assert_null(uses.first);
    cr_assert_null(route_use_find(&uses, "a"));
}

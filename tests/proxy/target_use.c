/* What is known of targets: references by name, and when one is out and in again. */
#include "proxy/target_use.h"

#include <criterion/criterion.h>
#include <string.h>

#define S UINT64_C(1000000000)

static struct route_uses uses;
static struct route_use *route;
static struct target_use *use;

static void begin(void)
{
    route_uses_init(&uses);
    route = route_use_get(&uses, "r");
    use = target_use_get(route, "tcp:a:1");
}

static void end(void)
{
    target_use_put(use);
    cr_assert_null(route->targets);
    route_use_put(route);
    route_uses_deinit(&uses);
}

TestSuite(target_use, .init = begin, .fini = end);

Test(target_use, one_for_each_name_of_a_route_for_as_long_as_it_is_referred_to)
{
    struct target_use *other = target_use_get(route, "tcp:b:1");
    struct route_use *second = route_use_get(&uses, "s");
    struct target_use *same = target_use_get(second, "tcp:a:1");

    cr_expect_eq(target_use_get(route, "tcp:a:1"), use);
    cr_expect_neq(other, use);
    cr_expect_neq(same, use);
    cr_expect_eq(same->hash, use->hash);
    target_use_put(use);
    target_use_put(other);
    cr_expect_null(use->next);
    target_use_put(same);
    route_use_put(second);
}

Test(target_use, so_many_failures_in_a_row_take_it_out)
{
    cr_expect(!target_use_failed(use, S, 3, 10 * S));
    cr_expect(!target_use_failed(use, S, 3, 10 * S));
    cr_expect(!target_use_reached(use));
    cr_expect(!target_use_failed(use, S, 3, 10 * S));
    cr_expect(!target_use_failed(use, S, 3, 10 * S));
    cr_expect(target_use_is_up(use));
    cr_expect(target_use_failed(use, S, 3, 10 * S), "the change was not told");
    cr_expect(!target_use_is_up(use));
    cr_expect(!target_use_failed(use, S, 3, 10 * S), "the change was told twice");
    cr_expect_eq(atomic_load(&use->failures), 6);
    cr_expect(target_use_reached(use));
    cr_expect(target_use_is_up(use));
    for (unsigned i = 0; i < 100; i++)
        cr_expect(!target_use_failed(use, S, 0, 10 * S), "0 is never");
}

Test(target_use, one_session_tries_it_when_its_time_is_over)
{
    cr_expect(target_use_failed(use, S, 1, 10 * S));
    cr_expect(!target_use_is_open(use, 11 * S - 1));
    cr_expect(!target_use_claim(use, 11 * S - 1, 10 * S));
    cr_expect(target_use_is_open(use, 11 * S));
    cr_expect(target_use_claim(use, 11 * S, 10 * S));
    cr_expect(!target_use_is_up(use));
    cr_expect(!target_use_claim(use, 11 * S, 10 * S), "two at once");
    cr_expect(!target_use_is_open(use, 21 * S - 1));
    cr_expect(!target_use_failed(use, 12 * S, 1, 10 * S));
    cr_expect(!target_use_is_open(use, 22 * S - 1));
    cr_expect(target_use_claim(use, 22 * S, 10 * S));
    cr_expect(target_use_reached(use));
    cr_expect(target_use_claim(use, 22 * S, 10 * S));
    cr_expect(target_use_claim(use, 22 * S, 10 * S));
}

Test(target_use, checks_take_it_down_and_bring_it_in)
{
    cr_expect(!target_use_checked(use, true));
    cr_expect(target_use_checked(use, false));
    cr_expect(!target_use_checked(use, false));
    cr_expect(!target_use_is_open(use, 100 * S));
    cr_expect(!target_use_failed(use, S, 1, 10 * S), "it was down already");
    cr_expect(!target_use_reached(use), "its checks have it down");
    cr_expect(target_use_checked(use, true));
    cr_expect(target_use_failed(use, S, 1, 10 * S));
    cr_expect(target_use_checked(use, true));
    cr_expect(target_use_is_open(use, S));
}

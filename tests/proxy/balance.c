/* Choosing a target, against a model of few words. */
#include "proxy/balance.h"
#include "tests/fake/random.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#define TARGETS  7
#define SESSIONS 4200

static struct balance_target targets[TARGETS];

static void begin(void)
{
    memset(targets, 0, sizeof(targets));
}

TestSuite(balance, .init = begin);

/* Which of those in `mask` are up. */
static void up(unsigned mask)
{
    for (size_t i = 0; i < TARGETS; i++)
        targets[i].state = mask >> i & 1 ? BALANCE_UP : BALANCE_DOWN;
}

static unsigned bits(unsigned mask)
{
    return (unsigned)__builtin_popcount(mask);
}

/* Whichever are up, all of them have the same, but for one that may be left over. */
Test(balance, round_robin_is_even)
{
    for (unsigned mask = 1; mask < 1U << TARGETS; mask++) {
        unsigned counts[TARGETS] = {0};
        up(mask);
        for (uint32_t n = 0; n < SESSIONS; n++) {
            uint32_t turn = n;
            counts[balance_choose(ROUTE_BALANCE_ROUND_ROBIN, targets, TARGETS, &turn)]++;
        }
        for (size_t i = 0; i < TARGETS; i++) {
            unsigned expected = mask >> i & 1 ? SESSIONS / bits(mask) : 0;
            cr_assert_eq(counts[i], expected, "mask %x: %u of %zu", mask, counts[i], i);
        }
    }
}

/* Those that meet one which fails are spread over the others as evenly. */
Test(balance, a_second_choice_is_even_too)
{
    unsigned counts[TARGETS] = {0};

    for (uint32_t n = 0; n < TARGETS * (TARGETS - 1) * 100; n++) {
        uint32_t turn = n;
        up(0x7F);
        size_t first = balance_choose(ROUTE_BALANCE_ROUND_ROBIN, targets, TARGETS, &turn);
        if (first == 2) {
            targets[2].state = BALANCE_NONE;
            first = balance_choose(ROUTE_BALANCE_ROUND_ROBIN, targets, TARGETS, &turn);
        }
        counts[first]++;
    }
    for (size_t i = 0; i < TARGETS; i++)
        cr_expect_eq(counts[i], i == 2 ? 0U : 700U, "%u of %zu", counts[i], i);
}

/* Sessions come and go at random: the one that is chosen never has more than another. */
Test(balance, least_sessions)
{
    struct random random = {4711};
    unsigned ties[TARGETS] = {0};

    up(0x7F);
    for (uint32_t n = 0; n < SESSIONS; n++) {
        uint32_t turn = n;
        size_t chosen = balance_choose(ROUTE_BALANCE_LEAST_SESSIONS, targets, TARGETS, &turn);
        for (size_t i = 0; i < TARGETS; i++)
            cr_assert_leq(targets[chosen].sessions, targets[i].sessions);
        targets[chosen].sessions++;
        size_t left = random_below(&random, TARGETS);
        if (targets[left].sessions > 0)
            targets[left].sessions--;
    }
    for (size_t i = 0; i < TARGETS; i++)
        targets[i].sessions = 5;
    for (uint32_t n = 0; n < TARGETS * 10; n++) {
        uint32_t turn = n;
        ties[balance_choose(ROUTE_BALANCE_LEAST_SESSIONS, targets, TARGETS, &turn)]++;
    }
    for (size_t i = 0; i < TARGETS; i++)
        cr_expect_eq(ties[i], 10);
}

/* Of the sources, those of each target: as many as of any other, give or take a fifth. */
static size_t by_source(uint32_t source, unsigned mask)
{
    uint32_t turn = source * 7;

    up(mask);
    for (size_t i = 0; i < TARGETS; i++) {
        char name[32];
        int length = snprintf(name, sizeof(name), "tcp:192.0.2.%zu:80", i);
        targets[i].rank =
            balance_rank(balance_hash(&source, sizeof(source)), balance_hash(name, (size_t)length));
    }
    return balance_choose(ROUTE_BALANCE_SOURCE_HASH, targets, TARGETS, &turn);
}

Test(balance, a_source_stays_and_only_those_of_a_target_that_is_gone_move)
{
    unsigned counts[TARGETS] = {0};

    for (uint32_t source = 0; source < SESSIONS; source++) {
        size_t home = by_source(source, 0x7F);
        counts[home]++;
        cr_assert_eq(by_source(source, 0x7F), home);
        for (unsigned gone = 0; gone < TARGETS; gone++) {
            size_t then = by_source(source, 0x7FU & ~(1U << gone));
            if (gone != home)
                cr_assert_eq(then, home);
            else
                cr_assert_neq(then, home);
        }
    }
    for (size_t i = 0; i < TARGETS; i++) {
        cr_expect_gt(counts[i], SESSIONS / TARGETS * 4 / 5, "%zu has %u", i, counts[i]);
        cr_expect_lt(counts[i], SESSIONS / TARGETS * 6 / 5, "%zu has %u", i, counts[i]);
    }
}

/* The model: up before down before held; of the latter two the first. */
static size_t expected_failover(void)
{
    for (unsigned state = BALANCE_UP; state < BALANCE_NONE; state++)
        for (size_t i = 0; i < TARGETS; i++)
            if (targets[i].state == state)
                return i;
    return TARGETS;
}

Test(balance, failover_goes_by_order_and_all_are_tried)
{
    struct random random = {815};

    for (unsigned n = 0; n < 10000; n++) {
        size_t tried = 0;
        for (size_t i = 0; i < TARGETS; i++)
            targets[i].state = (enum balance_state)random_below(&random, BALANCE_NONE + 1);
        for (;;) {
            uint32_t turn = n;
            size_t chosen = balance_choose(ROUTE_BALANCE_FAILOVER, targets, TARGETS, &turn);
            cr_assert_eq(chosen, expected_failover());
            if (chosen == TARGETS)
                break;
            targets[chosen].state = BALANCE_NONE;
            tried++;
        }
        cr_assert_leq(tried, TARGETS);
    }
}

/* Whatever the balance: where none is up, by order. */
Test(balance, where_none_is_up_the_first_that_is_down)
{
    for (unsigned balance = 0; balance < ROUTE_BALANCE_COUNT; balance++) {
        uint32_t turn = 5;
        up(0);
        targets[0].state = BALANCE_HELD;
        cr_expect_eq(balance_choose((enum route_balance)balance, targets, TARGETS, &turn), 1);
        for (size_t i = 1; i < TARGETS; i++)
            targets[i].state = BALANCE_NONE;
        cr_expect_eq(balance_choose((enum route_balance)balance, targets, TARGETS, &turn), 0);
        targets[0].state = BALANCE_NONE;
        cr_expect_eq(balance_choose((enum route_balance)balance, targets, TARGETS, &turn), TARGETS);
    }
}

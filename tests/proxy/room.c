/* Limits of sessions and of their pace: each at one less, at it and at one more, all or nothing,
 * and who is woken. */
#include "proxy/room.h"

#include <criterion/criterion.h>

#define MS   UINT64_C(1000000)
#define S    UINT64_C(1000000000)
#define BOTH (ROOM_OVER_ALL | ROOM_OF_OPENING)

static struct route_use route_use;
static struct guest_use source;
static struct guest_use target;
static struct rate rate;
static struct config config;
static struct route route;
static struct guest source_guest;
static struct guest target_guest;
static struct route_listen listen_at;
static struct route_target route_target;
static struct opening_target opening_target;
static struct opening opening;

static void begin(void)
{
    listen_at.guest = &source_guest;
    route_target.guest = &target_guest;
    route.targets = &route_target;
    route.target_count = 1;
    opening_target.guest = &target;
    opening = (struct opening){
        .config = &config,
        .route = &route,
        .listen = &listen_at,
        .source = &source,
        .targets = &opening_target,
        .use = &route_use,
        .rate = &rate,
    };
}

TestSuite(room, .init = begin);

static enum reason enter(uint64_t now_ns)
{
    struct guest_use *guest;
    room_workers woken;

    return room_enter(&opening, BOTH, now_ns, &guest, &woken);
}

static unsigned begun(uint64_t now_ns, unsigned attempts)
{
    unsigned count = 0;

    for (unsigned i = 0; i < attempts; i++)
        count += enter(now_ns) == REASON_NONE;
    return count;
}

/* One less, as many, one more; and again where one has ended. */
static void expect_sessions(uint32_t *max, enum reason reason)
{
    for (*max = 1; *max < 4; ++*max) {
        cr_assert_eq(begun(0, *max - 1), *max - 1);
        cr_assert_eq(room_count(&opening, BOTH, 0), 1);
        cr_assert_eq(enter(0), REASON_NONE);
        cr_assert_eq(room_count(&opening, BOTH, 0), 0);
        cr_assert_eq(enter(0), reason);
        room_leave(&opening, BOTH);
        cr_assert_eq(enter(0), REASON_NONE);
        cr_assert_eq(enter(0), reason);
        for (unsigned i = 0; i < *max; i++)
            room_leave(&opening, BOTH);
        cr_assert_eq(atomic_load(&route_use.sessions), 0);
        cr_assert_eq(atomic_load(&source.sessions), 0);
        cr_assert_eq(atomic_load(&target.sessions), 0);
    }
    *max = 0;
    cr_assert_eq(room_count(&opening, BOTH, 0), SIZE_MAX);
}

Test(room, no_more_sessions_than_there_may_be)
{
    expect_sessions(&route.sessions_max, REASON_ROUTE_FULL);
    expect_sessions(&source_guest.sessions_max, REASON_GUEST_FULL);
    expect_sessions(&target_guest.sessions_max, REASON_GUEST_FULL);
}

/* A second of them at once, then at an even pace. */
static void expect_rate(uint32_t *max)
{
    uint64_t next_ns;

    *max = 10;
    cr_assert_eq(begun(100 * S, 9), 9);
    cr_assert_eq(room_count(&opening, BOTH, 100 * S), 1);
    cr_assert_eq(enter(100 * S), REASON_NONE);
    cr_assert_eq(room_count(&opening, BOTH, 100 * S), 0);
    cr_assert_eq(enter(100 * S), REASON_RATE_EXCEEDED);
    cr_assert_eq(room_await(&opening, BOTH, 0, 100 * S, &next_ns), 0);
    cr_assert_eq(next_ns, 100 * S + 100 * MS);
    cr_assert_eq(enter(next_ns - 1), REASON_RATE_EXCEEDED);
    cr_assert_eq(begun(next_ns, 50), 1);
    cr_assert_eq(begun(100 * S + 350 * MS, 50), 2);
    cr_assert_eq(begun(200 * S, 50), 10);
    room_give_back(&opening, BOTH);
    cr_assert_eq(begun(200 * S, 50), 1);
    *max = 1000000;
    cr_assert_eq(begun(300 * S, 2000), 2000);
    *max = 0;
    cr_assert_eq(begun(300 * S, 2000), 2000);
}

Test(room, no_more_in_a_second_than_may_begin)
{
    expect_rate(&config.rate_max);
    expect_rate(&route.rate_max);
    expect_rate(&source_guest.rate_max);
    expect_rate(&target_guest.rate_max);
}

/* What divides no second evenly. */
Test(room, exactly_as_many_at_once)
{
    uint64_t now_ns = 0;

    for (route.rate_max = 1; route.rate_max < 3000; route.rate_max += route.rate_max / 7 + 1) {
        now_ns += 10 * S;
        cr_assert_eq(begun(now_ns, route.rate_max + 5), route.rate_max);
        cr_assert_leq(begun(now_ns + S, route.rate_max + 5), route.rate_max);
    }
}

/* Over a long time too. */
Test(room, an_even_pace_is_no_faster)
{
    const uint32_t max = 700000;
    unsigned count = 0;

    for (unsigned i = 0; i < 5; i++)
        while (rate_take(&rate, max, 100 * S + i * S / 2))
            count++;
    cr_assert_leq(count, 3 * max);
    cr_assert_geq(count, 3 * max - max / 1000);
}

Test(room, the_latest_of_several_rates_is_waited_for)
{
    uint64_t next_ns;

    config.rate_max = 1;
    target_guest.rate_max = 4;
    for (unsigned i = 0; i < 3; i++)
        room_enter(&opening, ROOM_OF_OPENING, 100 * S, &(struct guest_use *){0},
                   &(room_workers){0});
    cr_assert_eq(enter(100 * S), REASON_NONE);
    cr_assert_eq(room_await(&opening, BOTH, 0, 100 * S, &next_ns), 0);
    cr_assert_eq(next_ns, 101 * S);
}

/* The guests of several targets are not, nor what a guest's own configuration says. */
Test(room, which_limits_are_looked_at)
{
    struct config parent = {.rate_max = 1};

    target_guest.sessions_max = 1;
    route.target_count = 2;
    cr_assert_eq(begun(100 * S, 10), 10);
    cr_assert_eq(atomic_load(&target.sessions), 0);
    config.parent = &parent;
    cr_assert_eq(begun(200 * S, 10), 1);
}

Test(room, all_or_nothing)
{
    struct guest_use *guest;
    room_workers woken;

    route.sessions_max = 5;
    route.rate_max = 5;
    config.rate_max = 5;
    target_guest.sessions_max = 1;
    cr_assert_eq(enter(0), REASON_NONE);
    atomic_store(&route_use.awaited, 1);
    for (unsigned i = 0; i < 10; i++) {
        cr_assert_eq(room_enter(&opening, BOTH, 0, &guest, &woken), REASON_GUEST_FULL);
        cr_assert_eq(guest, &target);
        cr_assert_eq(woken, 0, "one that takes nothing wakes somebody");
    }
    cr_assert_eq(atomic_load(&route_use.sessions), 1);
    cr_assert_eq(atomic_load(&source.sessions), 1);
    cr_assert_eq(rate_room(&route_use.rate, 5, 0), 4);
    cr_assert_eq(rate_room(&rate, 5, 0), 4);
}

/* Who waits is told once, and only who waits where room was made. */
Test(room, who_waits_is_woken)
{
    uint64_t next_ns;

    route.sessions_max = 1;
    cr_assert_eq(room_await(&opening, BOTH, 3, 0, &next_ns), 1);
    cr_assert_eq(enter(0), REASON_NONE);
    cr_assert_eq(room_await(&opening, BOTH, 3, 0, &next_ns), 0);
    cr_assert_eq(room_await(&opening, BOTH, 66, 0, &next_ns), 0);
    cr_assert_eq(room_await(&opening, BOTH, 33, 0, &next_ns), 0);
    cr_assert_eq(next_ns, 0);
    cr_assert_eq(room_leave(&opening, BOTH),
                 UINT64_C(1) << 3 | UINT64_C(1) << 2 | UINT64_C(1) << 33);
    cr_assert_eq(enter(0), REASON_NONE);
    cr_assert_eq(room_leave(&opening, BOTH), 0);
}

Test(room, where_a_guest_has_none_those_of_other_routes_wait_too)
{
    struct route_use other_use = {0};
    struct route other_route = {.targets = &route_target, .target_count = 1};
    struct opening other = opening;
    uint64_t next_ns;

    other.use = &other_use;
    other.route = &other_route;
    target_guest.sessions_max = 1;
    cr_assert_eq(enter(0), REASON_NONE);
    cr_assert_eq(room_await(&other, BOTH, 7, 0, &next_ns), 0);
    cr_assert_eq(room_leave(&opening, BOTH), UINT64_C(1) << 7);
}

Test(room, what_is_waited_for)
{
    cr_assert_eq(room_waits_for(&opening), ROOM_OVER_ALL);
    route.waits_at_limit = true;
    cr_assert_eq(room_waits_for(&opening), BOTH);
    listen_at.resolved.kind = ENDPOINT_VSOCK_MUX;
    cr_assert_eq(room_waits_for(&opening), ROOM_OVER_ALL);
}

Test(room, where_nobody_counts_there_is_room)
{
    opening = (struct opening){.config = &config, .route = &route, .listen = &listen_at};
    config.rate_max = 1;
    route.sessions_max = 1;
    cr_assert_eq(begun(0, 10), 10);
    cr_assert_eq(room_leave(&opening, BOTH), 0);
}

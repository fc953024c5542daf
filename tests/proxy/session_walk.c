/* Walking over the sessions there are, in pieces, while they come and go. */
#include "proxy/session_view.h"

#include "tests/proxy/cases.h"

#define COUNT 6

static void start(struct world *world)
{
    world_plain(world);
    for (int i = 0; i < COUNT; i++) {
        struct world_session *session = world_add(world, FAKE_TCP, WORLD_TCP);
        session->start_ns = (uint64_t)i * MS;
        world_start(session);
    }
    world_run_for(world, 100 * MS);
    cr_assert_eq(sessions_count(&world->sessions), COUNT);
}

static void end(struct world *world)
{
    sessions_stop_all(&world->sessions, REASON_DRAIN_TIMEOUT);
    world_run(world, 1000 * MS);
    world_deinit(world);
}

static void stop(struct world *world, struct session *session)
{
    session_stop(session, REASON_ENDED_BY_OPERATOR, 0);
    world_run_for(world, MS);
}

Test(session_walk, the_latest_first)
{
    struct world world;

    start(&world);
    sessions_walk_begin(&world.sessions);
    for (uint64_t number = COUNT; number > 0; number--) {
        struct session *session = sessions_walk_next(&world.sessions);
        cr_assert_not_null(session);
        cr_assert_eq(session->number, number);
    }
    cr_assert_null(sessions_walk_next(&world.sessions));
    cr_assert_null(sessions_walk_next(&world.sessions));
    end(&world);
}

Test(session_walk, goes_on_behind_what_ends)
{
    struct world world;

    start(&world);
    sessions_walk_begin(&world.sessions);
    struct session *session = sessions_walk_next(&world.sessions);
    stop(&world, session->next); /* the one it would come to */
    cr_assert_eq(sessions_count(&world.sessions), COUNT - 1);
    struct session *behind = sessions_walk_next(&world.sessions);
    cr_assert_eq(behind->number, COUNT - 2);
    stop(&world, behind); /* the one it stands at */
    stop(&world, session);
    cr_assert_eq(sessions_walk_next(&world.sessions)->number, COUNT - 3);
    sessions_stop_all(&world.sessions, REASON_ENDED_BY_OPERATOR);
    world_run_for(&world, MS);
    cr_assert_null(sessions_walk_next(&world.sessions));
    end(&world);
}

Test(session_walk, views_and_filters)
{
    struct world world;
    struct session_view view;
    struct route_use *use = (struct route_use *)&view; /* another's than any session's */

    start(&world);
    sessions_walk_begin(&world.sessions);
    struct session *session = sessions_walk_next(&world.sessions);
    cr_assert(session_filter_admits(&(struct session_filter){0}, session));
    cr_assert(session_filter_admits(&(struct session_filter){.number = COUNT}, session));
    cr_assert_not(session_filter_admits(&(struct session_filter){.number = 1}, session));
    cr_assert_not(session_filter_admits(&(struct session_filter){.use = use}, session));
    session_view_take(session, &view);
    cr_expect_eq(view.number, COUNT);
    cr_expect_eq(view.state, SESSION_RELAYING);
    cr_expect_not(view.waits);
    cr_expect_eq(view.age_ns, 95 * MS);
    cr_expect_eq(view.told.length, 0);
    cr_expect_eq(view.ways[SIDE_INITIATOR], ROUTE_LANE_SMALL);
    cr_expect_eq(view.port, session->port);
    stop(&world, session);
    cr_expect_str_eq(view.opening->route->name, world.session[COUNT - 1].route.name,
                     "its opening goes with it");
    session_view_drop(&view);
    end(&world);
}

/* Sessions with a bandwidth: how fast they are, that they are as fast as each other, what they hold
 * meanwhile. */
#include "proxy/bucket.h"
#include "proxy/lane.h"
#include "proxy/pace.h"
#include "tests/proxy/cases.h"

#define SECOND (1000 * MS)

static struct world_session *add_pouring(struct world *world, enum fake_kind initiator,
                                         enum world_target target, uint64_t bytes)
{
    struct world_session *session = world_add(world, initiator, target);

    session->initiator_script = world_calm(session, SIDE_INITIATOR, bytes);
    session->initiator_script.room_from = 100000;
    enum fake_mux mux = session->targets[0].script.mux;
    session->targets[0].script = world_calm(session, SIDE_TARGET, bytes / 2);
    session->targets[0].script.mux = mux;
    session->targets[0].script.mux_port = 1024;
    session->targets[0].script.room_from = 100000;
    session->targets[0].script.room_to = 100000;
    return session;
}

static void expect_seconds(uint64_t ns, double bytes, uint64_t rate)
{
    double due = (bytes - (double)bucket_bytes(rate)) / (double)rate;
    double took = (double)ns / 1e9;

    cr_assert(took >= due && took <= due * 1.03 + 0.02, "took %.3f s instead of %.3f", took, due);
}

/* Of all kinds, and in each way. */
Test(session_pace, whole_streams_in_their_time)
{
    for (unsigned kind = FAKE_TCP; kind <= FAKE_VSOCK; kind++)
        for (unsigned target = WORLD_TCP; target <= WORLD_MUX; target++)
            for (unsigned lane = 0; lane < ROUTE_LANE_COUNT; lane++) {
                struct world world;
                world_plain(&world);
                struct world_session *session =
                    add_pouring(&world, (enum fake_kind)kind, (enum world_target)target, 4000000);

                session->route.lane = (enum route_lane)lane;
                world_bandwidth(session, 1000000, 0);
                world_start(session);
                world_run(&world, 100 * SECOND);
                expect_reason(session, REASON_DONE);
                cr_assert_eq(world_target(session)->read, 4000000);
                cr_assert_eq(world_initiator(session)->read, 2000000);
                expect_seconds(session->ended_ns - session->started_ns, 4e6, 1000000);
                world_deinit(&world);
            }
}

/* Where every pipe is borrowed, too. */
Test(session_pace, whole_streams_without_a_pipe)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = add_pouring(&world, FAKE_TCP, WORLD_UNIX, 4000000);

    world.sessions.pool.pipes_max = 0;
    session->route.lane = ROUTE_LANE_SPLICE;
    world_bandwidth(session, 1000000, 0);
    world_start(session);
    world_run(&world, 100 * SECOND);
    expect_reason(session, REASON_DONE);
    cr_assert_eq(world_target(session)->read, 4000000);
    expect_seconds(session->ended_ns - session->started_ns, 4e6, 1000000);
    world_deinit(&world);
}

enum { SHARING = 10 };

/* So far, to its target. */
static uint64_t moved_by(const struct world *world, const struct world_session *session)
{
    const struct session *living = world->sessions.first;

    while (living && living->opening != &session->opening)
        living = living->next;
    return living ? living->lanes[SIDE_INITIATOR].bytes : 0;
}

/* Of each so long as is looked: its part of the rate. */
static void look(struct world *world, struct world_session *const sessions[static SHARING],
                 uint64_t rate, uint64_t seconds)
{
    uint64_t before[SHARING];
    uint64_t moved = 0;

    for (unsigned i = 0; i < SHARING; i++)
        before[i] = moved_by(world, sessions[i]);
    world_run_for(world, seconds * SECOND);
    for (unsigned i = 0; i < SHARING; i++)
        moved += moved_by(world, sessions[i]) - before[i];
    cr_expect_leq(moved, rate * seconds + bucket_bytes(rate));
    cr_expect_geq(moved, rate * seconds - bucket_bytes(rate));
    for (unsigned i = 0; i < SHARING; i++) {
        uint64_t bytes = moved_by(world, sessions[i]) - before[i];
        double part = (double)bytes / (double)moved;
        cr_expect(part > 0.07 && part < 0.13, "session %u moved %.3f of all in %u s", i, part,
                  (unsigned)seconds);
    }
}

/* Together as fast as one would be, and none is behind, in any second. */
static void share(uint64_t own, unsigned trickling)
{
    const uint64_t rate = 1000000;
    struct world world;
    struct world_session *sessions[SHARING];

    world_plain(&world);
    for (unsigned i = 0; i < SHARING; i++) {
        sessions[i] = i == 0 ? add_pouring(&world, FAKE_TCP, WORLD_TCP, 100000000)
                             : world_add_beside(&world, FAKE_TCP, sessions[0]);
        if (i == 0)
            world_bandwidth(sessions[0], own, rate);
        else
            sessions[i]->initiator_script = sessions[0]->initiator_script;
        if (i >= SHARING - trickling) {
            sessions[i]->initiator_script.room_from = 4000;
            sessions[i]->initiator_script.write_pause_ns_max = 5 * MS;
        }
        sessions[i]->start_ns = i * 77 * MS;
        world_start(sessions[i]);
    }
    world_run_for(&world, 2 * SECOND);
    look(&world, sessions, rate, 4);
    unsigned turns = fake_turns(world.fake);
    look(&world, sessions, rate, 1);
    cr_expect(trickling || fake_turns(world.fake) - turns < 500, "they look in vain");
    world_stop_all_at(&world, 0);
    world_run(&world, SECOND);
    world_deinit(&world);
}

Test(session_pace, a_route_is_shared)
{
    share(0, 2);
}

/* What a session may have of its own it keeps for when the route lets it. */
Test(session_pace, a_route_is_shared_by_those_with_a_rate)
{
    share(105000, 0);
}

/* While it waits it holds nothing, and nothing turns. */
Test(session_pace, who_waits_holds_nothing)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = add_pouring(&world, FAKE_TCP, WORLD_UNIX, 1000000);

    session->route.lane = ROUTE_LANE_SPLICE;
    session->route.idle_timeout_ns = 900 * MS;
    world_bandwidth(session, 1024, 0);
    world_start(session);
    world_run_for(&world, 10 * SECOND + 500 * MS);
    cr_assert(pace_waits(world.sessions.first));
    cr_expect_eq(ring_buffers_held(world.ring), 0);
    unsigned turns = fake_turns(world.fake);
    world_run_for(&world, 10 * SECOND);
    cr_expect_lt(fake_turns(world.fake) - turns, 200);
    cr_expect_eq(session->ended, 0, "it was taken for idle");
    cr_expect_leq(world_target(session)->read, 65536 + 21 * 1024);
    cr_expect_geq(world_target(session)->read, 20 * 1024);
    world_stop_all_at(&world, 0);
    world_run(&world, SECOND);
    world_deinit(&world);
}

/* A reset is not kept waiting, from either side. */
Test(session_pace, a_reset_is_heard_of)
{
    for (unsigned side = 0; side < SIDE_COUNT; side++) {
        struct world world;
        world_plain(&world);
        struct world_session *session = add_pouring(&world, FAKE_TCP, WORLD_TCP, 1000000);
        struct fake_script *breaks =
            side ? &session->targets[0].script : &session->initiator_script;

        world_bandwidth(session, 1024, 1024);
        breaks->leave_ns = fake_now_ns(world.fake) + 5 * SECOND;
        breaks->leave = FAKE_RESET;
        world_start(session);
        world_run(&world, 100 * SECOND);
        expect_reason(session, side ? REASON_TARGET_RESET : REASON_INITIATOR_RESET);
        expect_took(session, 5 * SECOND - MS, 5 * SECOND + 10 * MS);
        world_deinit(&world);
    }
}

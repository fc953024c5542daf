/* What a living session does: whole streams between all kinds, bounded memory, nobody stalls
 * another, slots. */
#include "proxy/lane.h"
#include "tests/proxy/cases.h"

static void expect_whole(enum fake_kind kind, enum world_target target)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, kind, target);
    struct fake_script *far = &session->targets[0].script;
    enum fake_mux mux = far->mux;

    session->initiator_script = world_calm(session, SIDE_INITIATOR, 300000);
    *far = world_calm(session, SIDE_TARGET, 200000);
    far->mux = mux;
    far->mux_port = 1024;
    world_start(session);
    world_run(&world, 10000 * MS);
    expect_reason(session, REASON_DONE);
    cr_assert_eq(world_initiator(session)->read, 200000);
    cr_assert_eq(world_target(session)->read, 300000);
    cr_assert(world_initiator(session)->saw_end && world_target(session)->saw_end);
    world_deinit(&world);
}

Test(session_relay, whole_streams_between_all_kinds)
{
    for (unsigned kind = FAKE_TCP; kind <= FAKE_FILE; kind++)
        for (unsigned target = WORLD_TCP; target <= WORLD_MUX; target++)
            expect_whole((enum fake_kind)kind, (enum world_target)target);
}

/* Bursts and pauses make it small now and then; but nothing that it does in bulk is tried in vain
 * and received all the same. */
static void expect_bulk(enum fake_kind kind, enum world_target target)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, kind, target);

    session->initiator_script = world_calm(session, SIDE_INITIATOR, 20000000);
    session->initiator_script.room_from = 300000;
    session->initiator_script.write_pause_ns_max = MS;
    session->targets[0].script = world_calm(session, SIDE_TARGET, 0);
    session->targets[0].script.room_to = 300000;
    world_start(session);
    world_run(&world, 100000 * MS);
    expect_reason(session, REASON_DONE);
    cr_assert_eq(world_target(session)->read, 20000000);
    cr_expect_lt(fake_receives(world.fake), 20000000 / LANE_BUFFER_BYTES);
    world_deinit(&world);
}

Test(session_relay, bulk_ways_do_not_receive_through_the_ring)
{
    expect_bulk(FAKE_TCP, WORLD_UNIX);
    expect_bulk(FAKE_UNIX, WORLD_TCP);
    expect_bulk(FAKE_VSOCK, WORLD_TCP);
}

/* The writer is stopped by the reader: what is under way is the sockets' room and one buffer. */
Test(session_relay, a_slow_reader_slows_the_writer)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_TCP, WORLD_TCP);

    session->initiator_script = world_calm(session, SIDE_INITIATOR, 10000000);
    session->initiator_script.room_from = 20000;
    session->targets[0].script = world_calm(session, SIDE_TARGET, 0);
    session->targets[0].script.room_to = 20000;
    session->targets[0].script.read_start_ns = 30000 * MS;
    world_start(session);
    world_run_for(&world, 20000 * MS);
    cr_assert_leq(ring_buffers_held(world.ring), 1);
    cr_assert_leq(world_initiator(session)->written, 2 * (20000 + 10001) + RING_BUFFER_BYTES);
    cr_assert_geq(world_initiator(session)->written, 40000);
    world_run(&world, 100000 * MS);
    expect_reason(session, REASON_DONE);
    cr_assert_eq(world_target(session)->read, 10000000);
    world_deinit(&world);
}

Test(session_relay, a_blocked_session_does_not_stall_others)
{
    struct world world;
    world_plain(&world);

    for (unsigned i = 0; i < 8; i++) {
        struct world_session *session = world_add(&world, FAKE_TCP, WORLD_UNIX);
        session->initiator_script = world_calm(session, SIDE_INITIATOR, 500000);
        session->targets[0].script = world_calm(session, SIDE_TARGET, 500000);
        if (i % 2)
            session->targets[0].script.read_start_ns = 20000 * MS;
        world_start(session);
    }
    world_run(&world, 60000 * MS);
    for (unsigned i = 0; i < 8; i++) {
        expect_reason(&world.session[i], REASON_DONE);
        expect_took(&world.session[i], i % 2 ? 20000 * MS : 0, i % 2 ? 40000 * MS : 1000 * MS);
    }
    world_deinit(&world);
}

/* An idle session holds no buffer and wakes nobody. */
Test(session_relay, an_idle_session_costs_nothing)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_UNIX, WORLD_TCP);

    session->initiator_script.bytes = 10;
    session->initiator_script.leave_ns = fake_now_ns(world.fake) + 3600000 * MS;
    session->initiator_script.leave = FAKE_CLOSE;
    session->targets[0].script.after_bytes = FAKE_LEAVE_NOT;
    world_start(session);
    world_run_for(&world, 1000 * MS);
    cr_assert_eq(ring_buffers_held(world.ring), 0);
    unsigned turns = fake_turns(world.fake);
    world_run_for(&world, 3000000 * MS);
    cr_assert_leq(fake_turns(world.fake) - turns, 2);
    world_run(&world, 3700000 * MS);
    expect_took(session, 3599000 * MS, 3601000 * MS);
    world_deinit(&world);
}

/* At one less than the bound, at it, and at one more. */
Test(session_relay, slots_are_bounded)
{
    struct world world;
    world_init(&world, &(struct fake_options){.seed = 1}, 3);

    for (unsigned i = 0; i < 4; i++) {
        struct world_session *session = world_add(&world, FAKE_TCP, WORLD_TCP);
        session->initiator_script = world_calm(session, SIDE_INITIATOR, 10);
        session->targets[0].script = world_calm(session, SIDE_TARGET, 10);
        session->targets[0].script.start_ns = 100 * MS;
        session->start_ns = i * MS;
        world_start(session);
        world_run_for(&world, 2 * MS);
        cr_assert_eq(sessions_count(&world.sessions), i < 3 ? i + 1 : 3);
    }
    cr_assert_eq(sessions_count(&world.sessions), 3);
    world_run(&world, 1000 * MS);
    for (unsigned i = 0; i < 3; i++)
        expect_reason(&world.session[i], REASON_DONE);
    cr_assert_eq(world.session[3].start_error, -EAGAIN);
    cr_assert_eq(world.session[3].ended, 0);
    cr_assert(world_initiator(&world.session[3])->saw_reset);
    cr_assert_eq(sessions_count(&world.sessions), 0);
    world_deinit(&world);
}

/* Numbers count up and slots are used again. */
Test(session_relay, slots_are_used_again)
{
    struct world world;
    world_init(&world, &(struct fake_options){.seed = 1}, 2);

    for (unsigned i = 0; i < WORLD_SESSIONS_MAX; i++) {
        struct world_session *session = world_add(&world, FAKE_UNIX, WORLD_UNIX);
        session->initiator_script = world_calm(session, SIDE_INITIATOR, 1000);
        session->targets[0].script = world_calm(session, SIDE_TARGET, 1000);
        world_start(session);
        world_run(&world, 1000 * MS);
        expect_reason(session, REASON_DONE);
    }
    cr_assert_eq(atomic_load(world.sessions.numbers), WORLD_SESSIONS_MAX);
    world_deinit(&world);
}

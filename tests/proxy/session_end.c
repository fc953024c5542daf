/* How sessions end: in good order, by resets, because one side is gone, because they are told to.
 */
#include "tests/proxy/cases.h"

Test(session_end, done)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_TCP, WORLD_VSOCK);

    session->initiator_script = world_calm(session, SIDE_INITIATOR, 100000);
    session->targets[0].script = world_calm(session, SIDE_TARGET, 50000);
    world_start(session);
    world_run(&world, 1000 * MS);
    expect_reason(session, REASON_DONE);
    cr_assert_eq(session->lane_bytes[SIDE_INITIATOR], 100000);
    cr_assert_eq(session->lane_bytes[SIDE_TARGET], 50000);
    cr_assert(world_initiator(session)->saw_end);
    cr_assert(world_target(session)->saw_end);
    cr_assert_not(world_target(session)->saw_gone, "the end of one direction closed both");
    world_deinit(&world);
}

static void expect_reset(enum fake_kind kind, enum fake_leave leave, unsigned side, bool mid_stream)
{
    struct world world;
    world_plain(&world);
    static const enum world_target targets[] = {[FAKE_TCP] = WORLD_TCP, [FAKE_VSOCK] = WORLD_VSOCK};
    bool target = side == SIDE_TARGET;
    struct world_session *session =
        world_add(&world, target ? FAKE_TCP : kind, target ? targets[kind] : WORLD_TCP);
    struct fake_script *breaks = target ? &session->targets[0].script : &session->initiator_script;
    struct fake_script *other = target ? &session->initiator_script : &session->targets[0].script;

    *breaks = world_calm(session, side, mid_stream ? UINT64_MAX : 10);
    *other = world_calm(session, !side, mid_stream ? UINT64_MAX : 10);
    breaks->after_bytes = other->after_bytes = FAKE_LEAVE_NOT;
    breaks->write_pause_ns_max = other->write_pause_ns_max = MS;
    breaks->leave_ns = fake_now_ns(world.fake) + 100 * MS;
    breaks->leave = leave;
    world_start(session);
    world_run(&world, 2000 * MS);
    expect_reason(session, target ? REASON_TARGET_RESET : REASON_INITIATOR_RESET);
    expect_took(session, 99 * MS, 1500 * MS);
    cr_assert((target ? world_initiator(session) : world_target(session))->saw_reset,
              "a reset was carried as an end");
    world_deinit(&world);
}

Test(session_end, a_reset_is_carried_as_a_reset)
{
    for (unsigned side = 0; side < SIDE_COUNT; side++)
        for (int mid_stream = 0; mid_stream < 2; mid_stream++) {
            expect_reset(FAKE_TCP, FAKE_RESET, side, mid_stream);
            expect_reset(FAKE_TCP, FAKE_TIME_OUT, side, mid_stream);
            expect_reset(FAKE_VSOCK, FAKE_DIE, side, mid_stream);
        }
}

/* What stood in the sockets before the reset is the reader's all the same, but never a clean end.
 */
Test(session_end, a_reset_while_nothing_is_received)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_TCP, WORLD_TCP);

    session->initiator_script = world_calm(session, SIDE_INITIATOR, UINT64_MAX);
    session->initiator_script.leave_ns = fake_now_ns(world.fake) + 500 * MS;
    session->initiator_script.leave = FAKE_RESET;
    session->targets[0].script.read_start_ns = 10000 * MS;
    world_start(session);
    world_run(&world, 2000 * MS);
    expect_reason(session, REASON_INITIATOR_RESET);
    expect_took(session, 499 * MS, 600 * MS);
    cr_assert(world_target(session)->saw_reset);
    world_deinit(&world);
}

/* One side closes while the other still sends: it is told, and what was sent before arrives. */
static void expect_gone(unsigned side)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_UNIX, WORLD_UNIX);
    bool target = side == SIDE_TARGET;
    struct fake_script *leaves = target ? &session->targets[0].script : &session->initiator_script;
    struct fake_script *sends = target ? &session->initiator_script : &session->targets[0].script;

    *leaves = world_calm(session, side, 9000);
    leaves->after_bytes = FAKE_CLOSE;
    *sends = world_calm(session, !side, UINT64_MAX);
    sends->write_pause_ns_max = 2 * MS;
    sends->write_bytes_max = 100;
    sends->start_ns = 20 * MS;
    world_start(session);
    world_run(&world, 5000 * MS);
    expect_reason(session, target ? REASON_TARGET_GONE : REASON_INITIATOR_GONE);
    expect_took(session, 0, 1500 * MS);
    const struct fake_record *told = target ? world_initiator(session) : world_target(session);
    cr_assert_eq(told->read, 9000, "%llu bytes of 9000 arrived", (unsigned long long)told->read);
    world_deinit(&world);
}

Test(session_end, a_side_is_gone_while_the_other_still_sends)
{
    expect_gone(SIDE_TARGET);
    expect_gone(SIDE_INITIATOR);
}

/* An error page, and then the server closes without reading the rest: the answer must get through
 * (closing with unread bytes would destroy it). */
Test(session_end, the_last_words_of_a_target_arrive)
{
    static const enum world_target targets[] = {WORLD_TCP, WORLD_UNIX, WORLD_VSOCK};

    for (unsigned i = 0; i < 3; i++) {
        struct world world;
        world_plain(&world);
        struct world_session *session = world_add(&world, FAKE_TCP, targets[i]);
        struct fake_script *server = &session->targets[0].script;

        session->initiator_script = world_calm(session, SIDE_INITIATOR, 1000000);
        session->initiator_script.write_bytes_max = 3000;
        session->initiator_script.write_pause_ns_max = MS;
        *server = world_calm(session, SIDE_TARGET, 4000);
        server->start_after_read = 2000;
        server->after_bytes = FAKE_CLOSE;
        server->read_pause_ns_max = 0;
        world_start(session);
        world_run(&world, 20000 * MS);
        cr_assert(session->reason == REASON_TARGET_GONE || session->reason == REASON_TARGET_RESET,
                  "%s", reason_token(session->reason));
        if (!world_target(session)->broke)
            cr_assert_eq(world_initiator(session)->read, 4000, "target kind %u: %llu bytes", i,
                         (unsigned long long)world_initiator(session)->read);
        world_deinit(&world);
    }
}

Test(session_end, half_close_keeps_the_other_direction_alive)
{
    static const enum world_target targets[] = {WORLD_TCP, WORLD_UNIX, WORLD_VSOCK, WORLD_MUX};

    for (unsigned kind = FAKE_TCP; kind <= FAKE_FILE; kind++)
        for (unsigned i = 0; i < 4; i++) {
            struct world world;
            world_plain(&world);
            struct world_session *session = world_add(&world, (enum fake_kind)kind, targets[i]);
            struct fake_script *target = &session->targets[0].script;
            enum fake_mux mux = target->mux;

            session->initiator_script = world_calm(session, SIDE_INITIATOR, 10);
            *target = world_calm(session, SIDE_TARGET, 4000);
            target->mux = mux;
            target->mux_port = 1024;
            target->start_ns = 30000 * MS;
            target->write_bytes_max = 1000;
            target->write_pause_ns_max = 1000 * MS;
            world_start(session);
            world_run(&world, 200000 * MS);
            expect_reason(session, REASON_DONE);
            cr_assert_eq(world_initiator(session)->read, 4000);
            cr_assert_geq(world_initiator(session)->finished_ns,
                          world_target(session)->finished_ns);
            world_deinit(&world);
        }
}

/* To the side that does not take a half-close; the other one takes it at once. */
static void expect_held(unsigned side)
{
    static const struct guest guest = {.half_close = GUEST_HALF_CLOSE_HOLD};
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_TCP, WORLD_UNIX);
    bool target = side == SIDE_TARGET;
    struct fake_script *holder = target ? &session->targets[0].script : &session->initiator_script;
    struct fake_script *other = target ? &session->initiator_script : &session->targets[0].script;

    session->target.guest = target ? &guest : NULL;
    session->initiator_guest = target ? NULL : &guest;
    *other = world_calm(session, !side, 10);
    *holder = world_calm(session, side, 4000);
    holder->start_ns = 30000 * MS;
    holder->write_bytes_max = 1000;
    holder->write_pause_ns_max = 1000 * MS;
    world_start(session);
    world_run(&world, 200000 * MS);
    expect_reason(session, REASON_DONE);
    const struct fake_record *told = target ? world_target(session) : world_initiator(session);
    const struct fake_record *sender = target ? world_initiator(session) : world_target(session);
    cr_assert_eq(sender->read, 4000);
    cr_assert_eq(told->read, 10);
    cr_assert_geq(told->finished_ns, session->ended_ns, "it was told before it had ended itself");
    world_deinit(&world);
}

Test(session_end, a_half_close_is_held_back_from_who_does_not_take_it)
{
    expect_held(SIDE_TARGET);
    expect_held(SIDE_INITIATOR);
}

/* FACTS.md 2: a half-closed vsock connection is told of nothing when the other end vanishes: a RST
 * reads as the end-of-file that was there before. */
static void expect_vanished(enum fake_kind kind, enum fake_leave leave, uint64_t within_ns)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, kind, WORLD_UNIX);

    session->initiator_script = world_calm(session, SIDE_INITIATOR, 10);
    session->initiator_script.leave_ns = fake_now_ns(world.fake) + 5000 * MS;
    session->initiator_script.leave = leave;
    session->targets[0].script.after_bytes = FAKE_LEAVE_NOT;
    session->targets[0].script.stay = true;
    session->targets[0].script.leave_ns = fake_now_ns(world.fake) + 60000 * MS;
    session->targets[0].script.leave = FAKE_CLOSE;
    world_start(session);
    world_run(&world, 70000 * MS);
    cr_assert_neq(session->reason, REASON_NONE);
    expect_took(session, 4999 * MS, 5000 * MS + within_ns);
    world_deinit(&world);
}

Test(session_end, a_half_closed_session_whose_initiator_vanishes_does_not_leak)
{
    expect_vanished(FAKE_VSOCK, FAKE_RESET, 1200 * MS);
    expect_vanished(FAKE_VSOCK, FAKE_CLOSE, 1200 * MS);
    expect_vanished(FAKE_VSOCK, FAKE_DIE, 1200 * MS);
    expect_vanished(FAKE_UNIX, FAKE_CLOSE, 700 * MS);
    expect_vanished(FAKE_TCP, FAKE_RESET, 700 * MS);
}

/* vsock, no credit, bytes unread: the RST brings no POLLOUT (af_vsock.c: the socket stays
 * ESTABLISHED while it has data), so only the other lane can tell the blocked one. */
Test(session_end, a_vsock_sink_that_vanishes_while_it_is_full)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_UNIX, WORLD_VSOCK);
    struct fake_script *guest = &session->targets[0].script;

    session->initiator_script = world_calm(session, SIDE_INITIATOR, UINT64_MAX);
    session->initiator_script.write_pause_ns_max = MS;
    session->initiator_script.read_start_ns = 2000 * MS;
    *guest = world_calm(session, SIDE_TARGET, 300000);
    guest->read_start_ns = 60000 * MS;
    guest->leave_ns = fake_now_ns(world.fake) + 1000 * MS;
    guest->leave = FAKE_RESET;
    guest->after_bytes = FAKE_LEAVE_NOT;
    world_start(session);
    world_run(&world, 10000 * MS);
    cr_assert_neq(session->reason, REASON_DONE);
    expect_took(session, 999 * MS, 4000 * MS);
    world_deinit(&world);
}

/* The same at both ends: no lane receives, so none reads the end-of-file. */
static void expect_both_vanish(enum fake_leave leave)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_VSOCK, WORLD_VSOCK);
    uint64_t begin_ns = fake_now_ns(world.fake);

    for (unsigned side = 0; side < SIDE_COUNT; side++) {
        struct fake_script script = world_calm(session, side, UINT64_MAX);
        script.write_pause_ns_max = MS;
        script.write_pause_ns_max = MS;
        script.read_start_ns = 60000 * MS;
        script.leave_ns = begin_ns + (1000 + side * 500) * MS;
        script.leave = leave;
        if (side == SIDE_INITIATOR)
            session->initiator_script = script;
        else
            session->targets[0].script = script;
    }
    world_start(session);
    world_run(&world, 10000 * MS);
    cr_assert_neq(session->reason, REASON_DONE);
    expect_took(session, 999 * MS, 4000 * MS);
    world_deinit(&world);
}

Test(session_end, two_vsock_ends_that_vanish_while_they_are_full)
{
    expect_both_vanish(FAKE_RESET);
    expect_both_vanish(FAKE_CLOSE);
    expect_both_vanish(FAKE_DIE);
}

Test(session_end, told_to_stop)
{
    struct world world;
    world_plain(&world);

    for (unsigned i = 0; i < WORLD_SESSIONS_MAX; i++) {
        struct world_session *session =
            world_add(&world, (enum fake_kind)(i % 4), (enum world_target)(i / 4));
        session->initiator_script = world_calm(session, SIDE_INITIATOR, UINT64_MAX);
        session->targets[0].script.read_pause_ns_max = MS;
        world_start(session);
    }
    world_stop_all_at(&world, 50 * MS);
    world_run(&world, 60 * MS);
    for (unsigned i = 0; i < WORLD_SESSIONS_MAX; i++) {
        expect_reason(&world.session[i], REASON_DRAIN_TIMEOUT);
        if (world.session[i].initiator_kind == FAKE_TCP)
            cr_assert(world_initiator(&world.session[i])->write_error ||
                      world_initiator(&world.session[i])->saw_reset);
    }
    world_deinit(&world);
}

/* Who finds no buffer waits for one, and loses nothing; for ever it does not wait. */
static void lack_buffers(struct world *world, uint64_t held_ns)
{
    world_init(world, &(struct fake_options){.seed = 1, .buffers_max = 3}, WORLD_SESSIONS_MAX);
    for (unsigned i = 0; i < 4; i++) {
        struct world_session *session = world_add(world, FAKE_TCP, WORLD_TCP);
        session->route.lane = ROUTE_LANE_SMALL;
        session->initiator_script = world_calm(session, SIDE_INITIATOR, 200000);
        session->targets[0].script = world_calm(session, SIDE_TARGET, 0);
        session->targets[0].script.read_start_ns = held_ns;
        session->start_ns = i * 100 * MS;
        world_start(session);
    }
    world_run(world, 10000 * MS);
}

Test(session_end, no_buffers_left_is_waited_for)
{
    struct world world;

    lack_buffers(&world, 900 * MS);
    for (unsigned i = 0; i < 4; i++)
        expect_reason(&world.session[i], REASON_DONE);
    world_deinit(&world);
}

Test(session_end, no_buffers_left_for_long_ends_that_session_alone)
{
    struct world world;

    lack_buffers(&world, 3000 * MS);
    for (unsigned i = 0; i < 3; i++)
        expect_reason(&world.session[i], REASON_DONE);
    expect_reason(&world.session[3], REASON_NO_MEMORY);
    cr_assert(world_target(&world.session[3])->saw_reset);
    world_deinit(&world);
}

/* A guest that has sent all and closed, while who is to read it takes his time: nothing is lost. */
Test(session_end, a_slow_reader_gets_what_a_closed_vsock_end_sent)
{
    for (unsigned lane = 0; lane < ROUTE_LANE_COUNT; lane++)
        for (unsigned side = 0; side < SIDE_COUNT; side++) {
            struct world world;
            world_plain(&world);
            bool target = side == SIDE_TARGET;
            struct world_session *session =
                world_add(&world, target ? FAKE_TCP : FAKE_VSOCK, target ? WORLD_VSOCK : WORLD_TCP);
            struct fake_script *closes =
                target ? &session->targets[0].script : &session->initiator_script;
            struct fake_script *slow =
                target ? &session->initiator_script : &session->targets[0].script;

            session->route.lane = (enum route_lane)lane;
            *closes = world_calm(session, side, 6000);
            closes->after_bytes = FAKE_CLOSE;
            closes->room_from = 8000;
            *slow = world_calm(session, !side, 0);
            slow->after_bytes = FAKE_LEAVE_NOT;
            slow->read_start_ns = 3000 * MS;
            slow->room_to = 1000;
            world_start(session);
            world_run(&world, 20000 * MS);
            const struct fake_record *read =
                target ? world_initiator(session) : world_target(session);
            cr_assert_eq(read->read, 6000, "%llu bytes arrived, and the session ended for '%s'",
                         (unsigned long long)read->read, reason_token(session->reason));
            cr_assert(read->saw_end);
            world_deinit(&world);
        }
}

/* Sessions of a route with several targets, each in a guest of its own: the next one where one
 * fails, whose guest is passed over, which one is waited for. */
#include "proxy/room.h"
#include "tests/proxy/cases.h"

#define TARGETS 3

struct choice {
    struct world world;
    struct route_use *use; /* of the first session, which the world puts */
    struct guest guests[TARGETS];
    struct route_target targets[TARGETS];
    struct opening_target known[TARGETS];
    struct fake_target_options options[TARGETS];
    struct fake_target *registered[TARGETS];
    struct world_session *session;
};

/* All refuse; by order. */
static void choice_init(struct choice *choice)
{
    static char *const names[] = {"a", "b", "c"};

    *choice = (struct choice){.use = NULL};
    world_plain(&choice->world);
    choice->use = route_use_get(&choice->world.routes, "test");
    choice->session = world_add(&choice->world, FAKE_TCP, WORLD_VSOCK);
    struct world_session *session = choice->session;
    for (unsigned i = 0; i < TARGETS; i++) {
        choice->guests[i] = (struct guest){.name = names[i], .sessions_max = 1};
        choice->targets[i].written = (struct endpoint){ENDPOINT_VSOCK, 22, 50 + i, -1, ""};
        choice->targets[i].resolved = choice->targets[i].written;
        choice->targets[i].port_count = 1;
        choice->targets[i].guest = &choice->guests[i];
        choice->known[i].use = target_use_get(choice->use, names[i]);
        choice->known[i].guest = guest_use_get(&choice->world.uses, &choice->guests[i]);
        choice->options[i] =
            (struct fake_target_options){.answer = FAKE_REFUSES, .error = -ENODEV, .delay_ns = MS};
        choice->options[i].script = world_calm(session, SIDE_TARGET, 100);
    }
    session->initiator_script = world_calm(session, SIDE_INITIATOR, 100);
    session->target_count = 0;
    session->route.targets = choice->targets;
    session->route.target_count = TARGETS;
    session->route.balance = ROUTE_BALANCE_FAILOVER;
    session->route.retries = ROUTE_RETRIES_ALL;
    session->route.fail_max = 3;
    session->route.fail_ns = 10000 * MS;
    session->route.wait_phases = GUEST_PHASES;
    session->route.wait_max = 10;
    session->opening.targets = choice->known;
    session->opening.use = choice->use;
}

static void choice_start(struct choice *choice)
{
    struct address address;

    for (unsigned i = 0; i < TARGETS; i++) {
        address_of_endpoint(&choice->targets[i].resolved, &address);
        choice->registered[i] = fake_target(choice->world.fake, (struct sockaddr *)&address.storage,
                                            address.length, &choice->options[i]);
    }
    world_start(choice->session);
}

static void expect_attempts(const struct choice *choice, unsigned a, unsigned b, unsigned c)
{
    const unsigned expected[] = {a, b, c};

    for (unsigned i = 0; i < TARGETS; i++)
        cr_assert_eq(fake_target_attempts(choice->registered[i]), expected[i],
                     "%u attempts at target %u", fake_target_attempts(choice->registered[i]), i);
}

/* Nothing is counted of anybody any more. */
static void choice_deinit(struct choice *choice)
{
    for (unsigned i = 0; i < TARGETS; i++) {
        cr_assert_eq(atomic_load(&choice->known[i].use->sessions), 0, "target %u has sessions", i);
        cr_assert_eq(atomic_load(&choice->known[i].guest->sessions), 0, "guest %u has sessions", i);
        target_use_put(choice->known[i].use);
        guest_use_put(choice->known[i].guest);
    }
    cr_assert_eq(atomic_load(&choice->use->sessions), 0);
    world_deinit(&choice->world);
}

Test(session_targets, the_next_one_where_one_fails)
{
    for (unsigned good = 0; good < TARGETS; good++) {
        struct choice choice;
        choice_init(&choice);
        choice.options[good].answer = FAKE_ACCEPTS;
        choice_start(&choice);
        world_run(&choice.world, 1000 * MS);
        expect_reason(choice.session, REASON_DONE);
        expect_attempts(&choice, 1, good > 0, good > 1);
        for (unsigned i = 0; i < TARGETS; i++)
            cr_expect_eq(atomic_load(&choice.known[i].use->failures), i < good);
        choice_deinit(&choice);
    }
}

/* And the session ends for what the last one said. */
Test(session_targets, so_many_retries)
{
    for (uint32_t retries = 0; retries <= TARGETS; retries++) {
        struct choice choice;
        choice_init(&choice);
        choice.session->route.retries = retries;
        choice.options[2].error = -ECONNRESET;
        choice_start(&choice);
        world_run(&choice.world, 1000 * MS);
        expect_reason(choice.session, retries < 2 ? REASON_GUEST_OFF : REASON_GUEST_NO_SERVICE);
        expect_attempts(&choice, 1, retries > 0, retries > 1);
        choice_deinit(&choice);
    }
}

Test(session_targets, a_guest_without_room_is_passed_over)
{
    for (unsigned full = 0; full <= TARGETS; full++) {
        struct choice choice;
        choice_init(&choice);
        for (unsigned i = 0; i < TARGETS; i++)
            choice.options[i].answer = FAKE_ACCEPTS;
        for (unsigned i = 0; i < full; i++)
            cr_assert_eq(room_enter_guest(choice.known[i].guest, &choice.guests[i], 0),
                         REASON_NONE);
        choice_start(&choice);
        world_run(&choice.world, 1000 * MS);
        expect_reason(choice.session, full == TARGETS ? REASON_GUEST_FULL : REASON_DONE);
        expect_attempts(&choice, full == 0, full == 1, full == 2);
        for (unsigned i = 0; i < full; i++)
            room_leave_guest(choice.known[i].guest);
        choice_deinit(&choice);
    }
}

/* It is gone to when all others have failed, and waited for until it is thawed. */
Test(session_targets, a_frozen_guest_is_the_last)
{
    for (unsigned others = 0; others < 2; others++) {
        struct choice choice;
        choice_init(&choice);
        choice.session->route.wait_ns = 1000 * MS;
        choice.options[0].answer = FAKE_ACCEPTS;
        choice.options[2].answer = others ? FAKE_ACCEPTS : FAKE_REFUSES;
        guest_use_freeze(choice.known[0].guest, true);
        choice_start(&choice);
        world_run_for(&choice.world, 500 * MS);
        expect_attempts(&choice, 0, 1, 1);
        cr_assert_eq(choice.session->ended, others);
        guest_use_freeze(choice.known[0].guest, false);
        world_run(&choice.world, 2000 * MS);
        expect_reason(choice.session, REASON_DONE);
        expect_attempts(&choice, !others, 1, 1);
        choice_deinit(&choice);
    }
}

Test(session_targets, all_are_tried_before_the_first_is_waited_for)
{
    struct choice choice;
    choice_init(&choice);
    choice.session->route.wait_ns = 5000 * MS;
    choice.session->route.wait_phases = GUEST_PHASE_SERVICE;
    choice.options[1].error = -ECONNRESET;
    choice.options[2].error = -ECONNRESET;
    choice_start(&choice);
    world_run_for(&choice.world, 1500 * MS);
    cr_assert_eq(fake_target_attempts(choice.registered[0]), 1);
    cr_assert_gt(fake_target_attempts(choice.registered[1]), 2);
    cr_assert_eq(fake_target_attempts(choice.registered[2]), 1);
    cr_assert_eq(choice.session->ended, 0);
    choice.options[1].answer = FAKE_ACCEPTS;
    fake_target_change(choice.registered[1], &choice.options[1]);
    world_run(&choice.world, 5000 * MS);
    expect_reason(choice.session, REASON_DONE);
    choice_deinit(&choice);
}

/* At every moment of it, and in the midst of an attempt. */
Test(session_targets, stopped_while_it_chooses)
{
    for (uint64_t at_ns = 0; at_ns < 8 * MS; at_ns += MS / 4) {
        struct choice choice;
        choice_init(&choice);
        choice.session->route.wait_ns = at_ns % MS ? 5000 * MS : 0;
        choice_start(&choice);
        world_stop_all_at(&choice.world, at_ns);
        world_run(&choice.world, 1000 * MS);
        choice_deinit(&choice);
    }
}

/* Not of one that it was not connected to. */
Test(session_targets, ends_with_the_guest_that_it_chose)
{
    struct choice choice;
    choice_init(&choice);
    choice.options[1].answer = FAKE_ACCEPTS;
    choice.options[1].script.after_bytes = FAKE_LEAVE_NOT;
    choice.session->initiator_script.after_bytes = FAKE_LEAVE_NOT;
    choice_start(&choice);
    world_run_for(&choice.world, 100 * MS);
    sessions_stop_guest(&choice.world.sessions, choice.known[0].guest, REASON_GUEST_FROZEN);
    sessions_stop_guest(&choice.world.sessions, choice.known[2].guest, REASON_GUEST_FROZEN);
    world_run_for(&choice.world, 100 * MS);
    cr_assert_eq(choice.session->ended, 0);
    sessions_stop_guest(&choice.world.sessions, choice.known[1].guest, REASON_GUEST_FROZEN);
    world_run(&choice.world, 100 * MS);
    expect_reason(choice.session, REASON_GUEST_FROZEN);
    choice_deinit(&choice);
}

/* Three sessions that fail there take a target out; what is told of it is told once. */
Test(session_targets, out_after_failures)
{
    struct choice choice;
    choice_init(&choice);
    struct world_session *first = choice.session;
    first->route.fail_max = 2;
    choice.options[1].answer = FAKE_ACCEPTS;
    choice_start(&choice);
    for (unsigned i = 1; i < 4; i++) {
        struct world_session *beside = world_add_beside(&choice.world, FAKE_TCP, first);
        beside->opening.targets = choice.known;
        beside->initiator_script = world_calm(first, SIDE_INITIATOR, 100);
        beside->start_ns = i * 100 * MS;
        world_start(beside);
    }
    world_run(&choice.world, 2000 * MS);
    for (unsigned i = 0; i < 4; i++)
        expect_reason(&choice.world.session[i], REASON_DONE);
    expect_attempts(&choice, 2, 4, 0);
    cr_assert_eq(choice.world.target_changes, 1);
    choice_deinit(&choice);
}

/* Guests that are frozen: who comes then waits, in order, and nobody's time runs. */
#include "tests/proxy/cases.h"

#define LINE 5 /* sessions of one route */

static const struct guest web = {.name = "web"};

/* Sessions of one route to one frozen guest, a millisecond apart; the target greets each, so that
 * each initiator's first byte tells when it was connected. */
struct line {
    struct world world;
    struct guest_use *use;
    struct world_session *session[LINE];
    struct fake_target_options target;
};

static void line_init_with(struct line *line, uint64_t wait_ns, const struct fake_options *options,
                           enum world_target kind)
{
    *line = (struct line){0};
    world_init(&line->world, options, WORLD_SESSIONS_MAX);
    struct world_session *first = world_add(&line->world, FAKE_TCP, kind);

    line->use = world_guest(first, SIDE_TARGET, &web);
    first->route.wait_ns = wait_ns;
    first->route.wait_phases = GUEST_PHASES;
    first->route.wait_max = LINE;
    world_counted(first);
    line->target = first->targets[0];
    line->target.script = world_calm(first, SIDE_TARGET, 1);
    line->target.script.mux = first->targets[0].script.mux;
    line->target.script.mux_port = first->targets[0].script.mux_port;
    first->targets[0] = line->target;
    for (unsigned i = 0; i < LINE; i++) {
        line->session[i] = i ? world_add_beside(&line->world, FAKE_TCP, first) : first;
        line->session[i]->initiator_script = world_calm(first, SIDE_INITIATOR, 100);
        line->session[i]->start_ns = i * MS;
    }
}

static void line_init(struct line *line, uint64_t wait_ns)
{
    line_init_with(line, wait_ns, &(struct fake_options){.seed = 1}, WORLD_VSOCK);
}

static void line_start(struct line *line)
{
    for (unsigned i = 0; i < LINE; i++)
        world_start(line->session[i]);
}

static struct fake_target *target_of(const struct line *line)
{
    return line->session[0]->registered[0];
}

static unsigned waiting(const struct line *line)
{
    return atomic_load(&line->use->waiting);
}

static void expect_in_order(const struct line *line)
{
    for (unsigned i = 0; i < LINE; i++) {
        const struct fake_record *record = world_initiator(line->session[i]);
        expect_reason(line->session[i], REASON_DONE);
        cr_assert_eq(record->read, 1);
        if (i)
            cr_assert_geq(record->first_byte_ns,
                          world_initiator(line->session[i - 1])->first_byte_ns,
                          "session %u came before the one before it", i);
        /* A Unix connect is done when it is asked for: to the very order. */
        if (line->session[0]->target_kind == WORLD_UNIX)
            cr_assert_eq(world_target(line->session[i])->accepted, i + 1, "session %u was no. %u",
                         i, world_target(line->session[i])->accepted);
    }
}

static void expect_held_until_thawed(uint64_t wait_ns, uint64_t frozen_ns, enum world_target kind)
{
    struct line line;
    line_init_with(&line, wait_ns, &(struct fake_options){.seed = 1}, kind);
    guest_use_freeze(line.use, true);
    line_start(&line);
    world_run_for(&line.world, frozen_ns);
    cr_assert_eq(waiting(&line), LINE);
    cr_assert_eq(atomic_load(&line.use->sessions), LINE);
    cr_assert_eq(fake_target_attempts(target_of(&line)), 0, "a frozen guest was asked");
    guest_use_freeze(line.use, false);
    uint64_t thawed_ns = fake_now_ns(line.world.fake);
    world_run(&line.world, 1000 * MS);
    expect_in_order(&line);
    for (unsigned i = 0; i < LINE; i++)
        cr_assert_leq(world_initiator(line.session[i])->first_byte_ns, thawed_ns + 150 * MS);
    cr_assert_eq(waiting(&line), 0);
    world_deinit(&line.world);
}

Test(session_frozen, held_until_thawed)
{
    static const enum world_target kinds[] = {WORLD_TCP, WORLD_UNIX, WORLD_VSOCK, WORLD_MUX};

    for (unsigned i = 0; i < 4; i++) {
        expect_held_until_thawed(0, 20 * MS, kinds[i]);
        expect_held_until_thawed(0, 60000 * MS, kinds[i]);
        expect_held_until_thawed(1000 * MS, 20 * MS, kinds[i]);
        expect_held_until_thawed(1000 * MS, 60000 * MS, kinds[i]);
        expect_held_until_thawed(MS, 60000 * MS, kinds[i]);
    }
}

/* Frozen, thawed and frozen again, faster than it is looked at or slower. */
Test(session_frozen, again_and_again)
{
    for (uint64_t period_ns = MS; period_ns < 1000 * MS; period_ns *= 3) {
        struct line line;
        line_init(&line, period_ns % 2 ? 0 : 100 * MS);
        line_start(&line);
        for (unsigned i = 0; i < 20; i++) {
            guest_use_freeze(line.use, i % 2 == 0);
            world_run_for(&line.world, period_ns);
        }
        world_run(&line.world, 1000 * MS);
        expect_in_order(&line);
        world_deinit(&line.world);
    }
}

/* Who comes to a guest that is frozen no more, but for whom others stand there, is not asked to
 * wait for longer than they are. */
Test(session_frozen, who_comes_after_the_thaw)
{
    struct line line;
    line_init(&line, 0);
    line.session[LINE - 1]->start_ns = 310 * MS;
    guest_use_freeze(line.use, true);
    line_start(&line);
    world_run_for(&line.world, 305 * MS);
    guest_use_freeze(line.use, false);
    world_run(&line.world, 1000 * MS);
    for (unsigned i = 0; i < LINE; i++)
        expect_reason(line.session[i], REASON_DONE);
    world_deinit(&line.world);
}

/* One more than there is room for is told at once why. */
Test(session_frozen, so_many_wait)
{
    for (unsigned max = 1; max <= LINE; max++) {
        struct line line;
        line_init(&line, 0);
        line.session[0]->route.wait_max = max;
        guest_use_freeze(line.use, true);
        line_start(&line);
        world_run_for(&line.world, 2000 * MS);
        cr_assert_eq(waiting(&line), max);
        for (unsigned i = max; i < LINE; i++) {
            expect_reason(line.session[i], REASON_GUEST_FROZEN);
            expect_took(line.session[i], 0, MS);
        }
        guest_use_freeze(line.use, false);
        world_run(&line.world, 1000 * MS);
        for (unsigned i = 0; i < max; i++)
            expect_reason(line.session[i], REASON_DONE);
        world_deinit(&line.world);
    }
}

/* Whichever of them: the others go on. */
Test(session_frozen, initiators_leave_while_held)
{
    for (unsigned leaver = 0; leaver < LINE; leaver++) {
        struct line line;
        line_init(&line, 0);
        line.session[leaver]->initiator_script = (struct fake_script){
            .leave_ns = fake_now_ns(line.world.fake) + 700 * MS,
            .leave = FAKE_RESET,
        };
        guest_use_freeze(line.use, true);
        line_start(&line);
        world_run_for(&line.world, 2000 * MS);
        expect_reason(line.session[leaver], REASON_INITIATOR_LEFT);
        expect_took(line.session[leaver], 690 * MS, 710 * MS);
        cr_assert_eq(waiting(&line), LINE - 1);
        guest_use_freeze(line.use, false);
        world_run(&line.world, 1000 * MS);
        for (unsigned i = 0; i < LINE; i++)
            if (i != leaver)
                expect_reason(line.session[i], REASON_DONE);
        world_deinit(&line.world);
    }
}

/* A Unix initiator that closes is known to have left, and one that has said something is not. */
Test(session_frozen, a_unix_initiator_closes_while_held)
{
    for (unsigned bytes = 0; bytes < 2; bytes++) {
        struct world world;
        world_plain(&world);
        struct world_session *session = world_add(&world, FAKE_UNIX, WORLD_VSOCK);
        struct guest_use *use = world_guest(session, SIDE_TARGET, &web);

        session->route.wait_max = 1;
        session->initiator_script.bytes = bytes;
        session->initiator_script.leave_ns = fake_now_ns(world.fake) + 500 * MS;
        session->initiator_script.leave = FAKE_CLOSE;
        session->targets[0].script = world_calm(session, SIDE_TARGET, 0);
        session->targets[0].script.expected = 0;
        guest_use_freeze(use, true);
        world_start(session);
        world_run_for(&world, 2000 * MS);
        cr_assert_eq(session->ended, !bytes);
        guest_use_freeze(use, false);
        world_run(&world, 2000 * MS);
        expect_reason(session, bytes ? REASON_DONE : REASON_INITIATOR_LEFT);
        world_deinit(&world);
    }
}

/* They wait for a guest that boots, it is frozen for longer than they may wait, and they have all
 * their time once it is thawed. */
static void expect_time_stands(uint64_t freeze_ns, uint64_t attempt_ns)
{
    struct line line;
    line_init(&line, 3000 * MS);
    line.target.answer = FAKE_REFUSES;
    line.target.error = -ETIMEDOUT;
    line.target.delay_ns = attempt_ns;
    line.session[0]->targets[0] = line.target;
    line_start(&line);
    world_run_for(&line.world, freeze_ns);
    cr_assert_eq(waiting(&line), LINE - (attempt_ns > freeze_ns));
    guest_use_freeze(line.use, true);
    world_run_for(&line.world, 20000 * MS);
    for (unsigned i = 0; i < LINE; i++)
        cr_assert_eq(line.session[i]->ended, 0, "frozen at %llu ms: session %u ended for '%s'",
                     (unsigned long long)(freeze_ns / MS), i,
                     reason_token(line.session[i]->reason));
    unsigned attempts = fake_target_attempts(target_of(&line));
    world_run_for(&line.world, 5000 * MS);
    cr_assert_eq(fake_target_attempts(target_of(&line)), attempts, "a frozen guest was asked");
    guest_use_freeze(line.use, false);
    world_run_for(&line.world, 1900 * MS);
    for (unsigned i = 0; i < LINE; i++)
        cr_assert_eq(line.session[i]->ended, 0, "its time did not run anew");
    line.target.answer = FAKE_ACCEPTS;
    fake_target_change(target_of(&line), &line.target);
    world_run(&line.world, 10000 * MS);
    expect_in_order(&line);
    world_deinit(&line.world);
}

Test(session_frozen, nobodys_time_runs)
{
    for (uint64_t freeze_ns = 100 * MS; freeze_ns < 3000 * MS; freeze_ns += 190 * MS) {
        expect_time_stands(freeze_ns, 0);
        expect_time_stands(freeze_ns, 70 * MS);
    }
}

/* And no more than their time: they end where the guest does not come. */
Test(session_frozen, their_time_ends_after_the_thaw)
{
    struct line line;
    line_init(&line, 1000 * MS);
    line.target.answer = FAKE_REFUSES;
    line.target.error = -ENODEV;
    line.session[0]->targets[0] = line.target;
    guest_use_freeze(line.use, true);
    line_start(&line);
    world_run_for(&line.world, 10000 * MS);
    guest_use_freeze(line.use, false);
    world_run(&line.world, 10000 * MS);
    for (unsigned i = 0; i < LINE; i++) {
        expect_reason(line.session[i], REASON_GUEST_OFF);
        expect_took(line.session[i], 10990 * MS, 11200 * MS);
    }
    world_deinit(&line.world);
}

/* Without wait-for-guest each asks once, and tells what it was told. */
Test(session_frozen, each_asks_once)
{
    struct line line;
    line_init(&line, 0);
    line.target.answer = FAKE_REFUSES;
    line.session[0]->targets[0] = line.target;
    guest_use_freeze(line.use, true);
    line_start(&line);
    world_run_for(&line.world, 2000 * MS);
    guest_use_freeze(line.use, false);
    world_run(&line.world, 1000 * MS);
    for (unsigned i = 0; i < LINE; i++)
        expect_reason(line.session[i], REASON_GUEST_NO_SERVICE);
    cr_assert_eq(fake_target_attempts(target_of(&line)), LINE);
    world_deinit(&line.world);
}

Test(session_frozen, stopped_while_held)
{
    for (uint64_t after_ns = 0; after_ns < 400 * MS; after_ns += 7 * MS) {
        struct line line;
        line_init(&line, after_ns % 2 ? 0 : 1000 * MS);
        guest_use_freeze(line.use, true);
        line_start(&line);
        world_stop_all_at(&line.world, after_ns);
        world_run_for(&line.world, 200 * MS);
        guest_use_freeze(line.use, false);
        world_run(&line.world, 2000 * MS);
        for (unsigned i = 0; i < LINE; i++)
            cr_assert_eq(line.session[i]->ended, 1);
        world_deinit(&line.world);
    }
}

/* One is frozen, the other is not; and who relays already goes on. */
Test(session_frozen, only_that_guest)
{
    static const struct guest db = {.name = "db"};
    struct world world;
    world_plain(&world);
    struct world_session *frozen = world_add(&world, FAKE_TCP, WORLD_VSOCK);
    struct world_session *other = world_add(&world, FAKE_TCP, WORLD_VSOCK);
    struct world_session *early = world_add(&world, FAKE_TCP, WORLD_VSOCK);
    struct world_session *from = world_add(&world, FAKE_VSOCK, WORLD_TCP);
    struct guest_use *use = world_guest(frozen, SIDE_TARGET, &web);

    world_guest(other, SIDE_TARGET, &db);
    world_guest(early, SIDE_TARGET, &web);
    world_guest(from, SIDE_INITIATOR, &web);
    for (unsigned i = 0; i < 4; i++) {
        struct world_session *session = &world.session[i];
        session->route.wait_max = 1;
        session->start_ns = session == early ? 0 : 20 * MS;
        session->initiator_script = world_calm(session, SIDE_INITIATOR, 1000);
        session->initiator_script.start_ns = 50 * MS;
        session->targets[0].script = world_calm(session, SIDE_TARGET, 1000);
        world_start(session);
    }
    world_run_for(&world, 10 * MS);
    guest_use_freeze(use, true);
    world_run_for(&world, 500 * MS);
    expect_reason(early, REASON_DONE);
    expect_reason(other, REASON_DONE);
    expect_reason(from, REASON_DONE);
    cr_assert_eq(frozen->ended, 0);
    guest_use_freeze(use, false);
    world_run(&world, 500 * MS);
    expect_reason(frozen, REASON_DONE);
    world_deinit(&world);
}

/* It begins while the guest is not frozen, and its attempt fails while it is. */
Test(session_frozen, in_the_middle_of_an_attempt)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_TCP, WORLD_VSOCK);
    struct guest_use *use = world_guest(session, SIDE_TARGET, &web);
    struct fake_target_options options = {.answer = FAKE_IGNORES};

    session->route.wait_ns = 1000 * MS;
    session->route.wait_phases = GUEST_PHASES;
    session->route.wait_max = 1;
    session->route.connect_timeout_ns = 5000 * MS;
    options.script = world_calm(session, SIDE_TARGET, 10);
    session->targets[0] = options;
    session->initiator_script = world_calm(session, SIDE_INITIATOR, 10);
    world_start(session);
    world_run_for(&world, 500 * MS);
    guest_use_freeze(use, true);
    world_run_for(&world, 20000 * MS);
    cr_assert_eq(session->ended, 0, "ended for '%s'", reason_token(session->reason));
    options.answer = FAKE_ACCEPTS;
    fake_target_change(session->registered[0], &options);
    guest_use_freeze(use, false);
    world_run(&world, 1000 * MS);
    expect_reason(session, REASON_DONE);
    world_deinit(&world);
}

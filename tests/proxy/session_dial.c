/* Connecting to the target: what each refusal is called, deadlines, addresses in turn, backlogs,
 * the vsock-mux handshake. */
#include "tests/proxy/cases.h"

#include <netdb.h>

struct refused {
    enum world_target target;
    int error; /* 0: the address is not registered at all */
    enum reason reason;
};

static void expect_refused(const struct refused *refused)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_TCP, refused->target);

    session->targets[0].answer = FAKE_REFUSES;
    session->targets[0].error = refused->error;
    session->targets[0].delay_ns = 3 * MS;
    if (!refused->error)
        session->target_count = 0;
    world_start(session);
    world_run(&world, 1000 * MS);
    expect_reason(session, refused->reason);
    expect_took(session, 0, 10 * MS);
    cr_assert(world_initiator(session)->saw_reset);
    world_deinit(&world);
}

Test(session_dial, every_refusal_has_its_reason)
{
    static const struct refused table[] = {
        {WORLD_TCP, 0, REASON_TARGET_REFUSED},
        {WORLD_TCP, -ECONNREFUSED, REASON_TARGET_REFUSED},
        {WORLD_TCP, -EHOSTUNREACH, REASON_TARGET_UNREACHABLE},
        {WORLD_TCP, -ENETUNREACH, REASON_TARGET_UNREACHABLE},
        {WORLD_TCP, -ETIMEDOUT, REASON_TARGET_TIMEOUT},
        {WORLD_TCP, -EACCES, REASON_TARGET_DENIED},
        {WORLD_UNIX, 0, REASON_TARGET_MISSING},
        {WORLD_UNIX, -ECONNREFUSED, REASON_TARGET_REFUSED},
        {WORLD_UNIX, -EACCES, REASON_TARGET_DENIED},
        {WORLD_VSOCK, 0, REASON_GUEST_OFF},
        {WORLD_VSOCK, -ENODEV, REASON_GUEST_OFF},
        {WORLD_VSOCK, -ETIMEDOUT, REASON_GUEST_BOOTING},
        {WORLD_VSOCK, -ECONNRESET, REASON_GUEST_NO_SERVICE},
        {WORLD_MUX, 0, REASON_TARGET_MISSING},
        {WORLD_MUX, -ECONNREFUSED, REASON_TARGET_REFUSED},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        expect_refused(&table[i]);
}

/* Through all phases of its life, in their order, each for a while. */
Test(session_dial, waits_for_a_guest)
{
    static const int phases[] = {-ENODEV, -ETIMEDOUT, -ECONNRESET};
    struct fake_target_options options = {.answer = FAKE_REFUSES, .error = -ENODEV};
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_TCP, WORLD_VSOCK);

    session->route.wait_ns = 60000 * MS;
    session->route.wait_phases = GUEST_PHASES;
    session->route.wait_max = 1;
    session->initiator_script = world_calm(session, SIDE_INITIATOR, 100);
    options.script = world_calm(session, SIDE_TARGET, 5000);
    session->targets[0] = options;
    world_start(session);
    for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
        world_run_for(&world, 5000 * MS);
        unsigned attempts = fake_target_attempts(session->registered[0]);
        cr_assert(attempts >= 4 * (i + 1) && attempts <= 15 * (i + 1), "%u attempts", attempts);
        options.error = phases[i];
        fake_target_change(session->registered[0], &options);
    }
    options.answer = FAKE_ACCEPTS;
    fake_target_change(session->registered[0], &options);
    world_run(&world, 3000 * MS);
    expect_reason(session, REASON_DONE);
    cr_assert_eq(world_initiator(session)->read, 5000);
    cr_assert_eq(world_target(session)->read, 100);
    world_deinit(&world);
}

static void expect_waited(unsigned phases, uint64_t wait_ns, uint64_t min_ns, uint64_t max_ns)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_TCP, WORLD_VSOCK);

    session->route.wait_ns = wait_ns;
    session->route.wait_phases = phases;
    session->route.wait_max = 1;
    session->targets[0].answer = FAKE_REFUSES;
    session->targets[0].error = -ENODEV;
    world_start(session);
    world_run(&world, 100000 * MS);
    expect_reason(session, REASON_GUEST_OFF);
    expect_took(session, min_ns, max_ns);
    world_deinit(&world);
}

Test(session_dial, waits_so_long_and_only_for_what_it_is_told)
{
    expect_waited(GUEST_PHASES, 7000 * MS, 7000 * MS, 7001 * MS);
    expect_waited(GUEST_PHASE_OFF, 50 * MS, 50 * MS, 51 * MS);
    expect_waited(GUEST_PHASE_BOOTING | GUEST_PHASE_SERVICE, 7000 * MS, 0, 1 * MS);
    expect_waited(GUEST_PHASES, 0, 0, 1 * MS);
}

/* Whatever it is doing just then: pausing, or connecting. */
Test(session_dial, stops_while_it_waits)
{
    for (uint64_t after_ns = MS; after_ns < 2000 * MS; after_ns += 50 * MS) {
        struct world world;
        world_plain(&world);
        struct world_session *session = world_add(&world, FAKE_TCP, WORLD_VSOCK);

        session->route.wait_ns = 60000 * MS;
        session->route.wait_phases = GUEST_PHASES;
        session->route.wait_max = 1;
        session->targets[0].answer = FAKE_REFUSES;
        session->targets[0].error = -ETIMEDOUT;
        session->targets[0].delay_ns = 120 * MS;
        world_stop_all_at(&world, after_ns);
        world_start(session);
        world_run(&world, 3000 * MS);
        cr_assert_eq(session->ended, 1);
        world_deinit(&world);
    }
}

static void expect_silence(enum world_target target, enum reason reason)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_TCP, target);

    session->route.connect_timeout_ns = 7000 * MS;
    session->targets[0].answer = FAKE_IGNORES;
    world_start(session);
    world_run(&world, 20000 * MS);
    expect_reason(session, reason);
    expect_took(session, 6999 * MS, 7010 * MS);
    world_deinit(&world);
}

Test(session_dial, silence_ends_at_the_deadline)
{
    expect_silence(WORLD_TCP, REASON_TARGET_TIMEOUT);
    /* The kernel's own vsock timeout of 2 s would come first. */
    expect_silence(WORLD_VSOCK, REASON_GUEST_BOOTING);
}

Test(session_dial, names_that_do_not_resolve)
{
    struct world world;
    world_plain(&world);
    struct world_session *unknown = world_add(&world, FAKE_TCP, WORLD_TCP_NAME);
    struct world_session *silent = world_add(&world, FAKE_TCP, WORLD_TCP_NAME);

    unknown->resolve_error = EAI_NONAME;
    unknown->resolve_ns = 5 * MS;
    silent->resolve_ns = UINT64_MAX;
    silent->route.connect_timeout_ns = 800 * MS;
    world_start(unknown);
    world_start(silent);
    world_run(&world, 2000 * MS);
    expect_reason(unknown, REASON_NAME_UNRESOLVED);
    cr_assert_eq(unknown->error, EAI_NONAME);
    expect_took(unknown, 5 * MS, 10 * MS);
    expect_reason(silent, REASON_NAME_UNRESOLVED);
    expect_took(silent, 800 * MS, 805 * MS);
    world_deinit(&world);
}

Test(session_dial, every_address_is_tried_in_order)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_TCP, WORLD_TCP_NAME);

    session->target_count = 4;
    session->route.connect_timeout_ns = 4000 * MS;
    session->resolve_ns = 100 * MS;
    session->targets[0].answer = FAKE_REFUSES;
    session->targets[1].answer = FAKE_IGNORES;
    session->targets[2].answer = FAKE_REFUSES;
    session->targets[2].error = -EHOSTUNREACH;
    session->initiator_script = world_calm(session, SIDE_INITIATOR, 1000);
    session->targets[3].script = world_calm(session, SIDE_TARGET, 1000);
    world_start(session);
    world_run(&world, 10000 * MS);
    expect_reason(session, REASON_DONE);
    for (unsigned i = 0; i < 4; i++) {
        cr_assert_eq(fake_target_attempts(session->registered[i]), 1);
        if (i)
            cr_assert_geq(fake_target_attempt_ns(session->registered[i]),
                          fake_target_attempt_ns(session->registered[i - 1]));
    }
    cr_assert_eq(fake_target_accepts(session->registered[3]), 1);
    cr_assert_eq(world_target(session)->read, 1000);
    world_deinit(&world);
}

Test(session_dial, silent_addresses_leave_time_for_the_others)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_TCP, WORLD_TCP_NAME);

    session->target_count = 4;
    session->route.connect_timeout_ns = 4000 * MS;
    for (unsigned i = 0; i < 4; i++)
        session->targets[i].answer = FAKE_IGNORES;
    world_start(session);
    world_run(&world, 10000 * MS);
    expect_reason(session, REASON_TARGET_TIMEOUT);
    expect_took(session, 3999 * MS, 4010 * MS);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(fake_target_attempts(session->registered[i]), 1, "address %u", i);
    world_deinit(&world);
}

Test(session_dial, a_full_unix_backlog_is_tried_again)
{
    struct world world;
    world_plain(&world);
    struct world_session *later = world_add(&world, FAKE_TCP, WORLD_UNIX);
    struct world_session *never = world_add(&world, FAKE_TCP, WORLD_UNIX);

    later->targets[0].busy_until_ns = fake_now_ns(world.fake) + 700 * MS;
    later->initiator_script = world_calm(later, SIDE_INITIATOR, 10);
    later->targets[0].script = world_calm(later, SIDE_TARGET, 10);
    never->targets[0].busy_until_ns = UINT64_MAX;
    never->route.connect_timeout_ns = 1000 * MS;
    world_start(later);
    world_start(never);
    world_run(&world, 5000 * MS);
    expect_reason(later, REASON_DONE);
    expect_took(later, 700 * MS, 800 * MS);
    expect_reason(never, REASON_TARGET_BUSY);
    expect_took(never, 999 * MS, 1010 * MS);
    cr_assert_geq(fake_target_attempts(never->registered[0]), 5);
    cr_assert_leq(fake_target_attempts(never->registered[0]), 100);
    world_deinit(&world);
}

Test(session_dial, no_descriptor_is_left)
{
    struct world world;
    world_init(&world, &(struct fake_options){.seed = 1, .faults.no_descriptors = 1000}, 4);
    struct world_session *session = world_add(&world, FAKE_UNIX, WORLD_VSOCK);

    world_start(session);
    world_run(&world, 1000 * MS);
    expect_reason(session, REASON_NO_DESCRIPTORS);
    cr_assert_eq(session->error, -EMFILE);
    world_deinit(&world);
}

static void expect_left(enum fake_kind kind, enum fake_leave leave)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, kind, WORLD_VSOCK);

    session->targets[0].answer = FAKE_IGNORES;
    session->route.connect_timeout_ns = 60000 * MS;
    session->initiator_script.leave_ns = fake_now_ns(world.fake) + 1000 * MS;
    session->initiator_script.leave = leave;
    world_start(session);
    world_run(&world, 61000 * MS);
    expect_reason(session, REASON_INITIATOR_LEFT);
    expect_took(session, 999 * MS, 1100 * MS);
    world_deinit(&world);
}

Test(session_dial, the_initiator_leaves_while_dialing)
{
    expect_left(FAKE_TCP, FAKE_RESET);
    expect_left(FAKE_VSOCK, FAKE_DIE);
}

/* A request that is sent and ended before the target answers is a whole request. */
Test(session_dial, an_initiator_that_only_ended_its_sending_is_still_there)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_TCP, WORLD_TCP);

    session->initiator_script = world_calm(session, SIDE_INITIATOR, 100);
    session->targets[0].delay_ns = 2000 * MS;
    session->targets[0].script = world_calm(session, SIDE_TARGET, 5000);
    world_start(session);
    world_run(&world, 5000 * MS);
    expect_reason(session, REASON_DONE);
    cr_assert_eq(world_target(session)->read, 100);
    cr_assert_eq(world_initiator(session)->read, 5000);
    world_deinit(&world);
}

static void expect_mux(enum fake_mux mux, enum reason reason, uint64_t min_ns, uint64_t max_ns)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_TCP, WORLD_MUX);
    struct fake_script *vmm = &session->targets[0].script;

    session->route.connect_timeout_ns = 2000 * MS;
    session->initiator_script = world_calm(session, SIDE_INITIATOR, 5000);
    *vmm = world_calm(session, SIDE_TARGET, 5000);
    vmm->mux = mux;
    vmm->mux_port = 1024;
    vmm->mux_delay_ns = 50 * MS;
    world_start(session);
    world_run(&world, 5000 * MS);
    expect_reason(session, reason);
    expect_took(session, min_ns, max_ns);
    cr_assert_eq(world_target(session)->request_pieces, 1);
    if (reason == REASON_DONE) {
        cr_assert_eq(world_target(session)->read, 5000);
        cr_assert_eq(world_initiator(session)->read, 5000);
        cr_assert(world_initiator(session)->saw_end);
    } else {
        cr_assert_eq(world_initiator(session)->read, 0);
        cr_assert(world_initiator(session)->saw_reset);
    }
    world_deinit(&world);
}

Test(session_dial, every_mux_behaviour)
{
    expect_mux(FAKE_MUX_OK, REASON_DONE, 0, 100 * MS);
    expect_mux(FAKE_MUX_OK_IN_PIECES, REASON_DONE, 0, 100 * MS);
    expect_mux(FAKE_MUX_OK_WITH_DATA, REASON_DONE, 0, 100 * MS);
    expect_mux(FAKE_MUX_REFUSES, REASON_MUX_REFUSED, 0, 100 * MS);
    expect_mux(FAKE_MUX_BREAKS_OFF, REASON_MUX_GARBAGE, 0, 100 * MS);
    expect_mux(FAKE_MUX_GARBAGE, REASON_MUX_GARBAGE, 0, 100 * MS);
    expect_mux(FAKE_MUX_TOO_LONG, REASON_MUX_GARBAGE, 0, 100 * MS);
    expect_mux(FAKE_MUX_SILENT, REASON_MUX_SILENT, 1999 * MS, 2010 * MS);
}

/* The VMM loses what it is sent before it says OK (FACTS.md 4); end_mux.c fails at the first such
 * byte. */
Test(session_dial, payload_waits_for_ok)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_UNIX, WORLD_MUX);
    struct fake_script *vmm = &session->targets[0].script;

    session->initiator_script = world_calm(session, SIDE_INITIATOR, 60000);
    vmm->mux_delay_ns = 1500 * MS;
    vmm->expected = session->initiator_script.stream;
    vmm->after_bytes = FAKE_HALF_CLOSE;
    world_start(session);
    world_run(&world, 5000 * MS);
    expect_reason(session, REASON_DONE);
    cr_assert_geq(world_target(session)->first_byte_ns, session->started_ns + 500 * MS);
    cr_assert_eq(world_target(session)->read, 60000);
    world_deinit(&world);
}

/* A guest that speaks first (ssh): its bytes stand right behind the newline of OK, and are not the
 * handshake's. */
Test(session_dial, a_guest_that_speaks_first_loses_nothing)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct world world;
        world_init(&world,
                   &(struct fake_options){.seed = seed,
                                          .faults = {.short_receive = 500, .interrupted = 100}},
                   4);
        struct world_session *session = world_add(&world, FAKE_TCP, WORLD_MUX);
        struct fake_script *guest = &session->targets[0].script;

        *guest = world_calm(session, SIDE_TARGET, 3000);
        guest->mux = FAKE_MUX_OK_WITH_DATA;
        guest->mux_port = 1024;
        session->initiator_script = world_calm(session, SIDE_INITIATOR, 1);
        session->initiator_script.start_after_read = 3000;
        world_start(session);
        world_run(&world, 5000 * MS);
        expect_reason(session, REASON_DONE);
        cr_assert_eq(world_initiator(session)->read, 3000);
        cr_assert_eq(world_target(session)->read, 1);
        world_deinit(&world);
    }
}

Test(session_dial, sessions_stop_while_they_dial)
{
    struct world world;
    world_plain(&world);
    static const enum world_target targets[] = {WORLD_TCP, WORLD_TCP_NAME, WORLD_UNIX, WORLD_VSOCK,
                                                WORLD_MUX};
    for (unsigned i = 0; i < 5; i++) {
        struct world_session *session = world_add(&world, FAKE_TCP, targets[i]);
        if (targets[i] == WORLD_UNIX)
            session->targets[0].busy_until_ns = UINT64_MAX;
        else if (targets[i] == WORLD_MUX)
            session->targets[0].script.mux = FAKE_MUX_SILENT;
        else
            session->targets[0].answer = FAKE_IGNORES;
        session->resolve_ns = UINT64_MAX;
        world_start(session);
    }
    world_stop_all_at(&world, 500 * MS);
    world_run(&world, 510 * MS);
    for (unsigned i = 0; i < 5; i++)
        expect_reason(&world.session[i], REASON_DRAIN_TIMEOUT);
    world_deinit(&world);
}

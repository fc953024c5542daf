/* Initiators of a `mux:` listener: what they say, in which pieces, and what they are told. */
#include "tests/proxy/cases.h"

/* What comes right behind the line, before OK. */
enum behind { NOTHING, MORE };

static void expect_greeted(uint64_t seed, enum world_target target, size_t piece_bytes,
                           enum behind behind, uint64_t bytes)
{
    struct world world;
    world_init(&world,
               &(struct fake_options){.seed = seed,
                                      .faults = {.short_receive = seed > 1 ? 500 : 0,
                                                 .interrupted = seed > 1 ? 100 : 0,
                                                 .delay_ns_max = seed > 1 ? MS : 0}},
               WORLD_SESSIONS_MAX);
    struct world_session *session = world_add(&world, FAKE_UNIX, target);
    struct fake_script *says = &session->initiator_script;

    *says = world_calm(session, SIDE_INITIATOR, bytes);
    world_mux(session);
    says->says_bytes_max = piece_bytes;
    says->says_pause_ns_max = 3 * MS;
    says->says_more = behind == MORE;
    struct fake_script *script = &session->targets[0].script;
    struct fake_script calm = world_calm(session, SIDE_TARGET, 5000);
    calm.mux = script->mux;
    calm.mux_port = script->mux_port;
    *script = calm;
    session->targets[0].delay_ns = 20 * MS;
    world_start(session);
    world_run(&world, 2000 * MS);
    expect_reason(session, REASON_DONE);
    const struct fake_record *initiator = world_initiator(session);
    const struct fake_record *connected = world_target(session);
    cr_assert_eq(connected->read, bytes, "%llu bytes of %llu arrived",
                 (unsigned long long)connected->read, (unsigned long long)bytes);
    cr_assert_eq(initiator->read, 5000);
    cr_assert_geq(initiator->heard_ns, connected->connected_ns, "OK came too early");
    world_deinit(&world);
}

Test(session_greeting, in_one_piece_and_in_many)
{
    static const enum world_target targets[] = {WORLD_TCP, WORLD_TCP_NAME, WORLD_VSOCK, WORLD_MUX};

    for (unsigned i = 0; i < 4; i++)
        for (uint64_t seed = 1; seed <= 8; seed++) {
            expect_greeted(seed, targets[i], 0, NOTHING, 100);
            expect_greeted(seed, targets[i], 1, NOTHING, 100);
            expect_greeted(seed, targets[i], 4, NOTHING, 3000);
            expect_greeted(seed, targets[i], 0, MORE, 1);
            expect_greeted(seed, targets[i], 0, MORE, 40000);
            expect_greeted(seed, targets[i], 1, MORE, 40000);
        }
}

/* What it says, word for word, and how it goes on; it is never told a byte. */
struct refused {
    const char *says;
    enum fake_leave leave; /* after it */
    enum reason reason;
    uint64_t took_ns;
};

static void expect_refused(const struct refused *refused, size_t piece_bytes)
{
    static struct port_range ports[] = {{22, 22}, {1000, 1010}};
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_UNIX, WORLD_TCP);

    session->route.connect_timeout_ns = 700 * MS;
    session->route.ports = ports;
    session->route.port_range_count = 2;
    world_mux(session);
    session->initiator_script.says = refused->says;
    session->initiator_script.says_bytes_max = piece_bytes;
    session->initiator_script.hears = refused->leave ? NULL : "";
    session->initiator_script.after_bytes = refused->leave;
    world_start(session);
    world_run(&world, 2000 * MS);
    expect_reason(session, refused->reason);
    expect_took(session, refused->took_ns, refused->took_ns + 10 * MS);
    cr_assert_eq(fake_target_attempts(session->registered[0]), 0, "the target was asked");
    cr_assert_eq(world_initiator(session)->read, 0);
    world_deinit(&world);
}

Test(session_greeting, refused)
{
    static const struct refused table[] = {
        {NULL, FAKE_LEAVE_NOT, REASON_CONNECT_SILENT, 700 * MS},
        {"CONNECT 22", FAKE_LEAVE_NOT, REASON_CONNECT_SILENT, 700 * MS},
        {"CONNECT 22\r", FAKE_LEAVE_NOT, REASON_CONNECT_SILENT, 700 * MS},
        {"GET / HTTP/1.1\r\n", FAKE_LEAVE_NOT, REASON_CONNECT_GARBAGE, 0},
        {"CONNECT ssh\n", FAKE_LEAVE_NOT, REASON_CONNECT_GARBAGE, 0},
        {"CONNECT 4294967295\n", FAKE_LEAVE_NOT, REASON_CONNECT_GARBAGE, 0},
        {"CONNECT                       22\n", FAKE_LEAVE_NOT, REASON_CONNECT_GARBAGE, 0},
        {"CONNECT 23\n", FAKE_LEAVE_NOT, REASON_PORT_DENIED, 0},
        {"CONNECT 999\n", FAKE_LEAVE_NOT, REASON_PORT_DENIED, 0},
        {"CONNECT 1011\n", FAKE_LEAVE_NOT, REASON_PORT_DENIED, 0},
        {NULL, FAKE_CLOSE, REASON_INITIATOR_LEFT, 0},
        {NULL, FAKE_HALF_CLOSE, REASON_INITIATOR_LEFT, 0},
        {"CONN", FAKE_CLOSE, REASON_CONNECT_GARBAGE, 0},
        {"CONNECT 22", FAKE_HALF_CLOSE, REASON_CONNECT_GARBAGE, 0},
    };
    cr_assert_eq(strlen(table[6].says), GREETING_BYTES_MAX + 1);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        expect_refused(&table[i], 0);
        expect_refused(&table[i], 1);
    }
}

/* All of 32 bytes; and the last of the ports that are allowed. */
Test(session_greeting, allowed)
{
    static struct port_range ports[] = {{22, 22}, {1000, 1010}};
    static const char *const says[] = {"CONNECT                      22\n", "CONNECT 1000\n",
                                       "CONNECT 1010\n"};
    static const char *const hears[] = {"OK 22\n", "OK 1000\n", "OK 1010\n"};
    static const uint32_t names[] = {22, 1000, 1010};

    cr_assert_eq(strlen(says[0]), GREETING_BYTES_MAX);
    for (unsigned i = 0; i < 3; i++) {
        struct world world;
        world_plain(&world);
        struct world_session *session = world_add(&world, FAKE_UNIX, WORLD_VSOCK);

        session->route.ports = ports;
        session->route.port_range_count = 2;
        session->target.resolved.port = names[i];
        session->initiator_script = world_calm(session, SIDE_INITIATOR, 10);
        world_mux(session);
        session->initiator_script.says = says[i];
        session->initiator_script.hears = hears[i];
        session->targets[0].script = world_calm(session, SIDE_TARGET, 10);
        world_start(session);
        world_run(&world, 1000 * MS);
        expect_reason(session, REASON_DONE);
        cr_assert_eq(world_target(session)->read, 10);
        world_deinit(&world);
    }
}

/* The VMM's way to say no: end-of-file and not a byte. */
Test(session_greeting, nothing_is_said_where_the_target_refuses)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_UNIX, WORLD_VSOCK);

    world_mux(session);
    session->targets[0].answer = FAKE_REFUSES;
    session->targets[0].delay_ns = 30 * MS;
    world_start(session);
    world_run(&world, 1000 * MS);
    expect_reason(session, REASON_GUEST_NO_SERVICE);
    expect_took(session, 30 * MS, 40 * MS);
    cr_assert_eq(world_initiator(session)->heard_ns, 0);
    cr_assert(world_initiator(session)->saw_end);
    cr_assert_eq(world_initiator(session)->read, 0);
    world_deinit(&world);
}

/* Time passes while a line comes in pieces: the timeout is of the whole of it, and the connect then
 * has its own. */
Test(session_greeting, the_line_has_one_timeout)
{
    for (unsigned slow = 0; slow < 2; slow++) {
        struct world world;
        world_plain(&world);
        struct world_session *session = world_add(&world, FAKE_UNIX, WORLD_VSOCK);

        session->route.connect_timeout_ns = slow ? 40 * MS : 1000 * MS;
        world_mux(session);
        session->initiator_script.says_bytes_max = 1;
        session->initiator_script.says_pause_ns_max = 90 * MS;
        session->targets[0].answer = FAKE_IGNORES;
        world_start(session);
        world_run(&world, 4000 * MS);
        expect_reason(session, slow ? REASON_CONNECT_SILENT : REASON_GUEST_BOOTING);
        expect_took(session, slow ? 40 * MS : 1100 * MS, slow ? 50 * MS : 2010 * MS);
        world_deinit(&world);
    }
}

/* A session whose line comes byte by byte and whose target takes its time, ended at any time of it:
 * by `stop`, or by its initiator. */
static void expect_ended(uint64_t after_ns, bool stop, enum fake_leave leave, uint64_t seed)
{
    struct world world;
    world_init(&world,
               &(struct fake_options){
                   .seed = seed,
                   .faults = {.late_cancel = seed % 2 ? 0 : 800, .delay_ns_max = seed % 3 * MS}},
               WORLD_SESSIONS_MAX);
    struct world_session *session = world_add(&world, FAKE_UNIX, WORLD_VSOCK);

    session->initiator_script = world_calm(session, SIDE_INITIATOR, 100);
    world_mux(session);
    session->initiator_script.says_bytes_max = 1;
    session->initiator_script.says_pause_ns_max = 5 * MS;
    session->initiator_script.leave = leave;
    session->initiator_script.leave_ns = stop ? 0 : fake_now_ns(world.fake) + after_ns;
    session->targets[0].script = world_calm(session, SIDE_TARGET, 100);
    session->targets[0].delay_ns = 50 * MS;
    if (stop)
        world_stop_all_at(&world, after_ns);
    world_start(session);
    world_run(&world, 3000 * MS);
    cr_assert_eq(session->ended, 1);
    if (session->reason == REASON_DONE)
        cr_assert_eq(world_target(session)->read, world_initiator(session)->written);
    else
        cr_assert(stop == (session->reason == REASON_DRAIN_TIMEOUT), "ended for '%s'",
                  reason_token(session->reason));
    world_deinit(&world);
}

Test(session_greeting, ended_at_any_time)
{
    static const enum fake_leave leaves[] = {FAKE_CLOSE, FAKE_HALF_CLOSE};

    for (uint64_t after_ns = 0; after_ns < 110 * MS; after_ns += MS / 2) {
        uint64_t seed = after_ns / (MS / 2);
        expect_ended(after_ns, true, FAKE_LEAVE_NOT, seed);
        for (unsigned i = 0; i < 2; i++)
            expect_ended(after_ns, false, leaves[i], seed);
    }
}

/* The initiator is gone when its OK is to be sent. */
Test(session_greeting, left_before_ok)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_UNIX, WORLD_VSOCK);

    world_mux(session);
    session->initiator_script.leave_ns = fake_now_ns(world.fake) + 20 * MS;
    session->initiator_script.leave = FAKE_CLOSE;
    session->targets[0].delay_ns = 50 * MS;
    world_start(session);
    world_run(&world, 1000 * MS);
    expect_reason(session, REASON_INITIATOR_LEFT);
    cr_assert_eq(world_target(session)->read, 0);
    cr_assert(world_target(session)->saw_end, "a vsock reset reads as an end");
    world_deinit(&world);
}

/* Want of memory is not the initiator's fault. */
Test(session_greeting, no_memory_for_ok)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_UNIX, WORLD_VSOCK);

    world_mux(session);
    session->targets[0].delay_ns = 50 * MS;
    world_start(session);
    world_run_for(&world, 20 * MS);
    fake_set_faults(world.fake, &(struct fake_faults){.no_memory = 1000});
    world_run(&world, 1000 * MS);
    expect_reason(session, REASON_NO_MEMORY);
    cr_assert_lt(session->error, 0);
    world_deinit(&world);
}

/* Its guest boots, and it waits in line as others do. */
Test(session_greeting, waits_for_a_guest)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_UNIX, WORLD_VSOCK);
    struct fake_target_options options = {.answer = FAKE_REFUSES, .error = -ETIMEDOUT};

    session->route.wait_ns = 60000 * MS;
    session->route.wait_phases = GUEST_PHASES;
    session->route.wait_max = 1;
    session->initiator_script = world_calm(session, SIDE_INITIATOR, 100);
    world_mux(session);
    options.script = world_calm(session, SIDE_TARGET, 5000);
    session->targets[0] = options;
    world_start(session);
    world_run_for(&world, 5000 * MS);
    cr_assert_eq(world_initiator(session)->heard_ns, 0);
    options.answer = FAKE_ACCEPTS;
    fake_target_change(session->registered[0], &options);
    world_run(&world, 3000 * MS);
    expect_reason(session, REASON_DONE);
    cr_assert_eq(world_initiator(session)->read, 5000);
    world_deinit(&world);
}

/* Whatever port each names: wait-max is of the route. */
Test(session_greeting, all_ports_wait_together)
{
    static const char *const says[] = {"CONNECT 22\n", "CONNECT 23\n", "CONNECT 24\n"};
    struct world world;
    world_plain(&world);
    struct world_session *first = world_add(&world, FAKE_UNIX, WORLD_VSOCK);

    first->route.wait_ns = 5000 * MS;
    first->route.wait_phases = GUEST_PHASES;
    first->route.wait_max = 2;
    world_counted(first);
    for (unsigned i = 0; i < 3; i++) {
        struct world_session *session = i ? world_add_beside(&world, FAKE_UNIX, first) : first;
        session->target_count = 0;
        session->start_ns = i * MS;
        world_mux(session);
        session->initiator_script.says = says[i];
        world_start(session);
    }
    world_run(&world, 6000 * MS);
    for (unsigned i = 0; i < 3; i++) {
        expect_reason(&world.session[i], REASON_GUEST_OFF);
        expect_took(&world.session[i], i < 2 ? 5000 * MS : 0, i < 2 ? 5100 * MS : 100 * MS);
    }
    world_deinit(&world);
}

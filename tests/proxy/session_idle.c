/* Sessions that are idle: when they end, and when a guest is asked whether it is still there. */
#include "tests/proxy/cases.h"

#define SECOND (1000 * MS)
#define DAY    (86400 * SECOND)

/* A session that relays from its start on, and says nothing. */
static struct world_session *add_silent(struct world *world, enum fake_kind initiator,
                                        enum world_target target)
{
    struct world_session *session = world_add(world, initiator, target);

    session->initiator_script.after_bytes = FAKE_LEAVE_NOT;
    session->targets[0].script.after_bytes = FAKE_LEAVE_NOT;
    return session;
}

/* A session that never is idle, and runs for so long: something moves in the network. */
static void add_ticker(struct world *world, uint64_t for_ns, uint64_t every_ns)
{
    struct world_session *ticker = add_silent(world, FAKE_TCP, WORLD_TCP);

    ticker->initiator_script.bytes = for_ns / every_ns;
    ticker->initiator_script.stream = 7;
    ticker->initiator_script.write_bytes_max = 1;
    ticker->initiator_script.write_pause_ns_max = 2 * every_ns;
    ticker->initiator_script.after_bytes = FAKE_RESET;
    world_start(ticker);
}

/* What a time is exceeded by at most. */
static uint64_t slack_ns(uint64_t time_ns)
{
    return time_ns / 20 > 100 * MS ? time_ns / 20 : 100 * MS;
}

static void expect_idle_end(const struct world_session *session, uint64_t last_ns,
                            uint64_t timeout_ns)
{
    expect_reason(session, REASON_IDLE_TIMEOUT);
    uint64_t after_ns = session->ended_ns - last_ns;
    cr_assert_geq(after_ns, timeout_ns, "ended %llu ms after its last byte, too early",
                  (unsigned long long)(after_ns / MS));
    cr_assert_leq(after_ns, timeout_ns + slack_ns(timeout_ns),
                  "ended %llu ms after its last byte, too late",
                  (unsigned long long)(after_ns / MS));
}

/* Whatever the phase of the sweeps is when it begins. */
Test(session_idle, ends_in_time)
{
    for (uint64_t start_ns = 0; start_ns < 500 * MS; start_ns += 23 * MS)
        for (uint64_t timeout_ns = 100 * MS; timeout_ns <= 100 * SECOND; timeout_ns *= 10) {
            struct world world;
            world_plain(&world);
            struct world_session *session = add_silent(&world, FAKE_TCP, WORLD_VSOCK);

            session->start_ns = start_ns;
            session->route.idle_timeout_ns = timeout_ns;
            world_start(session);
            world_run(&world, 3 * timeout_ns + SECOND);
            expect_idle_end(session, session->started_ns, timeout_ns);
            cr_assert(world_initiator(session)->saw_reset);
            world_deinit(&world);
        }
}

/* Bytes of either side count, from the last one on. */
Test(session_idle, bytes_put_it_off)
{
    for (unsigned side = 0; side < SIDE_COUNT; side++)
        for (uint64_t pause_ns = 100 * MS; pause_ns < SECOND; pause_ns += 97 * MS) {
            struct world world;
            world_plain(&world);
            struct world_session *session = add_silent(&world, FAKE_TCP, WORLD_VSOCK);
            struct fake_script *talks =
                side == SIDE_TARGET ? &session->targets[0].script : &session->initiator_script;

            session->route.idle_timeout_ns = SECOND;
            talks->bytes = 60;
            talks->stream = 3;
            talks->write_bytes_max = 1;
            talks->write_pause_ns_max = pause_ns;
            world_start(session);
            world_run(&world, 100 * SECOND);
            const struct fake_record *hears =
                side == SIDE_TARGET ? world_initiator(session) : world_target(session);
            cr_assert_eq(hears->read, 60);
            expect_idle_end(session, hears->latest_byte_ns, SECOND);
            world_deinit(&world);
        }
}

/* A half-closed session is as idle as another. */
Test(session_idle, half_closed)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = add_silent(&world, FAKE_TCP, WORLD_VSOCK);

    session->route.idle_timeout_ns = 3 * SECOND;
    session->initiator_script.after_bytes = FAKE_HALF_CLOSE;
    session->targets[0].script.stay = true;
    world_start(session);
    world_run(&world, 100 * SECOND);
    expect_idle_end(session, session->started_ns, 3 * SECOND);
    world_deinit(&world);
}

/* A sink that takes nothing: no byte is relayed. */
Test(session_idle, blocked)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = add_silent(&world, FAKE_TCP, WORLD_UNIX);

    session->route.idle_timeout_ns = 3 * SECOND;
    session->initiator_script = world_calm(session, SIDE_INITIATOR, UINT64_MAX);
    session->targets[0].script.read_start_ns = 1000 * SECOND;
    world_start(session);
    world_run(&world, 100 * SECOND);
    expect_idle_end(session, session->started_ns, 3 * SECOND);
    world_deinit(&world);
}

/* It has its own end; what is dropped is not relayed, and is no reason either. */
Test(session_idle, discarding_is_left_alone)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_UNIX, WORLD_UNIX);

    session->route.idle_timeout_ns = 100 * MS;
    session->initiator_script = world_calm(session, SIDE_INITIATOR, UINT64_MAX);
    session->initiator_script.write_bytes_max = 100;
    session->initiator_script.write_pause_ns_max = 2 * MS;
    session->targets[0].script = world_calm(session, SIDE_TARGET, 100);
    session->targets[0].script.after_bytes = FAKE_CLOSE;
    world_start(session);
    world_run(&world, 10 * SECOND);
    expect_reason(session, REASON_TARGET_GONE);
    expect_took(session, SESSION_DISCARD_NS, 2 * SESSION_DISCARD_NS);
    world_deinit(&world);
}

/* Nobody is idle before it relays: greeting, connecting and waiting have times of their own. */
Test(session_idle, not_while_connecting)
{
    struct world world;
    world_plain(&world);
    struct world_session *connects = world_add(&world, FAKE_TCP, WORLD_TCP);
    struct world_session *greets = world_add(&world, FAKE_UNIX, WORLD_TCP);

    connects->route.idle_timeout_ns = greets->route.idle_timeout_ns = 100 * MS;
    connects->targets[0].answer = FAKE_IGNORES;
    world_mux(greets);
    greets->initiator_script.says = NULL;
    world_start(connects);
    world_start(greets);
    world_run(&world, 10 * SECOND);
    expect_reason(connects, REASON_TARGET_TIMEOUT);
    expect_reason(greets, REASON_CONNECT_SILENT);
    world_deinit(&world);
}

/* Two routes share the sweeps: each session keeps its own time, by whatever factor they differ, and
 * whichever comes first. */
static void expect_beside(uint64_t long_ns, uint64_t short_ns, bool short_first, uint64_t probe_ns)
{
    struct world world;
    world_plain(&world);
    struct world_session *one = add_silent(&world, FAKE_TCP, WORLD_TCP);
    struct world_session *other = add_silent(&world, FAKE_TCP, WORLD_TCP);
    struct world_session *lasting = short_first ? other : one;
    struct world_session *brief = short_first ? one : other;

    lasting->route.idle_timeout_ns = long_ns;
    lasting->route.guest_probe_ns = probe_ns;
    brief->route.idle_timeout_ns = short_ns;
    world_start(one);
    world_start(other);
    add_ticker(&world, 4 * long_ns, short_ns * 500 < long_ns ? short_ns * 500 : long_ns / 3);
    world_run(&world, 20 * long_ns);
    expect_idle_end(lasting, lasting->started_ns, long_ns);
    expect_idle_end(brief, brief->started_ns, short_ns);
    world_deinit(&world);
}

Test(session_idle, any_two_times_side_by_side)
{
    for (uint64_t factor = 10; factor < 400; factor += 1 + factor / 12)
        for (int short_first = 0; short_first < 2; short_first++)
            expect_beside(factor * SECOND / 10, SECOND, short_first, 0);
    expect_beside(DAY, 300 * SECOND, true, 0);
    expect_beside(DAY, 299 * SECOND, false, 0);
}

Test(session_idle, a_day_beside_a_second)
{
    expect_beside(DAY / 4, SECOND, false, 0);
}

/* A probe every second of one, beside the other's sweeps. */
Test(session_idle, probes_beside_another)
{
    expect_beside(DAY / 2, 3 * SECOND + 600 * MS, true, SECOND);
    expect_beside(DAY / 2, 1 * SECOND + 800 * MS, true, SECOND);
}

/* However much is said, and whatever it does. */
Test(session_idle, the_longest_time)
{
    for (uint64_t time_ns = 100 * MS; time_ns <= 100 * SECOND; time_ns *= 10)
        for (int relays = 0; relays < 2; relays++) {
            struct world world;
            world_plain(&world);
            struct world_session *session = add_silent(&world, FAKE_TCP, WORLD_TCP);

            session->route.session_time_ns = time_ns;
            session->route.connect_timeout_ns = DAY;
            session->targets[0].answer = relays ? FAKE_ACCEPTS : FAKE_IGNORES;
            session->initiator_script.bytes = UINT64_MAX;
            session->initiator_script.stream = 1;
            session->initiator_script.write_bytes_max = 1;
            session->initiator_script.write_pause_ns_max = time_ns / 10;
            world_start(session);
            world_run(&world, 2 * time_ns + SECOND);
            expect_reason(session, REASON_SESSION_TIME);
            expect_took(session, time_ns, time_ns + slack_ns(time_ns));
            world_deinit(&world);
        }
}

/* From the half-close on, however long nothing was said before, and put off by each byte. */
Test(session_idle, half_closed_for_so_long)
{
    for (uint64_t before_ns = 0; before_ns < 3 * SECOND; before_ns += 410 * MS)
        for (uint64_t bytes = 0; bytes < 10; bytes += 9) {
            struct world world;
            world_plain(&world);
            struct world_session *session = add_silent(&world, FAKE_TCP, WORLD_TCP);
            struct fake_script *talks = &session->targets[0].script;

            session->route.half_close_ns = SECOND;
            session->initiator_script.start_ns = before_ns;
            session->initiator_script.after_bytes = FAKE_HALF_CLOSE;
            talks->stay = true;
            talks->bytes = bytes;
            talks->stream = 3;
            talks->start_ns = before_ns;
            talks->write_bytes_max = 1;
            talks->write_pause_ns_max = 900 * MS;
            world_start(session);
            world_run(&world, 100 * SECOND);
            expect_reason(session, REASON_HALF_CLOSE_TIMEOUT);
            uint64_t from_ns =
                bytes ? world_initiator(session)->latest_byte_ns : session->started_ns + before_ns;
            uint64_t after_ns = session->ended_ns - from_ns;
            cr_assert(after_ns >= SECOND && after_ns <= SECOND + slack_ns(SECOND), "after %llu ms",
                      (unsigned long long)(after_ns / MS));
            world_deinit(&world);
        }
}

/* A route that comes later, whose sweeps are more: nobody ends early for it. */
Test(session_idle, a_route_that_comes_later)
{
    for (uint64_t later_ns = 0; later_ns < 5000 * MS; later_ns += 110 * MS) {
        struct world world;
        world_plain(&world);
        struct world_session *session = add_silent(&world, FAKE_TCP, WORLD_TCP);
        struct world_session *later = add_silent(&world, FAKE_TCP, WORLD_TCP);

        session->route.idle_timeout_ns = 4 * SECOND;
        session->start_ns = 8500 * MS;
        later->route.idle_timeout_ns = 400 * MS;
        world_start(session);
        world_run_for(&world, 8500 * MS + later_ns);
        world_start(later);
        world_run(&world, 30 * SECOND);
        expect_reason(session, REASON_IDLE_TIMEOUT);
        expect_took(session, 4 * SECOND, 4 * SECOND + slack_ns(4 * SECOND));
        expect_idle_end(later, later->started_ns, 400 * MS);
        world_deinit(&world);
    }
}

static void expect_asked(enum fake_kind initiator, enum world_target target, bool idle_timeout)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = add_silent(&world, initiator, target);
    unsigned asked[SIDE_COUNT] = {0};

    session->route.guest_probe_ns = 10 * SECOND;
    session->route.idle_timeout_ns = idle_timeout ? DAY : 0;
    world_start(session);
    world_run_for(&world, 9900 * MS);
    cr_assert_eq(world_initiator(session)->asked + world_target(session)->asked, 0, "too early");
    for (unsigned round = 1; round <= 5; round++) {
        world_run_for(&world, 10 * SECOND);
        const struct fake_record *records[] = {world_initiator(session), world_target(session)};
        for (unsigned side = 0; side < SIDE_COUNT; side++) {
            bool vsock = side ? target == WORLD_VSOCK : initiator == FAKE_VSOCK;
            asked[side] += vsock;
            cr_assert_eq(records[side]->asked, asked[side], "round %u: side %u was asked %u times",
                         round, side, records[side]->asked);
        }
    }
    cr_assert_eq(session->ended, 0);
    world_stop_all_at(&world, 0);
    world_run(&world, SECOND);
    world_deinit(&world);
}

Test(session_idle, vsock_sides_are_asked)
{
    for (int idle_timeout = 0; idle_timeout < 2; idle_timeout++) {
        expect_asked(FAKE_TCP, WORLD_VSOCK, idle_timeout);
        expect_asked(FAKE_VSOCK, WORLD_TCP, idle_timeout);
        expect_asked(FAKE_VSOCK, WORLD_VSOCK, idle_timeout);
        expect_asked(FAKE_UNIX, WORLD_UNIX, idle_timeout);
        expect_asked(FAKE_UNIX, WORLD_MUX, idle_timeout);
    }
}

/* Bytes put the question off as they put off the end. */
Test(session_idle, who_speaks_is_not_asked)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = add_silent(&world, FAKE_TCP, WORLD_VSOCK);

    session->route.guest_probe_ns = 2 * SECOND;
    session->initiator_script.bytes = 100;
    session->initiator_script.stream = 1;
    session->initiator_script.write_bytes_max = 1;
    session->initiator_script.write_pause_ns_max = 1900 * MS;
    world_start(session);
    while (world_target(session) == NULL || world_target(session)->read < 100)
        world_run_for(&world, SECOND);
    cr_assert_eq(world_target(session)->asked, 0);
    uint64_t last_ns = world_target(session)->latest_byte_ns;
    while (world_target(session)->asked == 0)
        world_run_for(&world, 100 * MS);
    uint64_t after_ns = world_target(session)->asked_ns - last_ns;
    cr_assert(after_ns >= 2 * SECOND && after_ns <= 2 * SECOND + slack_ns(2 * SECOND),
              "after %llu ms", (unsigned long long)(after_ns / MS));
    world_stop_all_at(&world, 0);
    world_run(&world, SECOND);
    world_deinit(&world);
}

/* A guest that was booted anew knows nothing of the session, and says so when it is asked. */
static void expect_forgotten(unsigned side, uint64_t forgets_ns)
{
    struct world world;
    world_plain(&world);
    bool target = side == SIDE_TARGET;
    struct world_session *session =
        add_silent(&world, target ? FAKE_TCP : FAKE_VSOCK, target ? WORLD_VSOCK : WORLD_TCP);
    struct fake_script *guest = target ? &session->targets[0].script : &session->initiator_script;

    session->route.guest_probe_ns = 4 * SECOND;
    guest->leave_ns = fake_now_ns(world.fake) + forgets_ns;
    guest->leave = FAKE_FORGET;
    world_start(session);
    world_run(&world, forgets_ns + 20 * SECOND);
    cr_assert_eq(session->ended, 1);
    cr_assert(session->ended_in == SESSION_RELAYING && session->reason != REASON_NONE);
    expect_took(session, forgets_ns, forgets_ns + 4 * SECOND + slack_ns(4 * SECOND));
    world_deinit(&world);
}

Test(session_idle, a_guest_that_was_booted_anew)
{
    for (uint64_t forgets_ns = 100 * MS; forgets_ns < 10 * SECOND; forgets_ns += 700 * MS) {
        expect_forgotten(SIDE_TARGET, forgets_ns);
        expect_forgotten(SIDE_INITIATOR, forgets_ns);
    }
}

/* Without a probe it would be there still. */
Test(session_idle, nobody_asks)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = add_silent(&world, FAKE_TCP, WORLD_VSOCK);

    session->targets[0].script.leave_ns = fake_now_ns(world.fake) + SECOND;
    session->targets[0].script.leave = FAKE_FORGET;
    world_start(session);
    world_run_for(&world, 1000 * SECOND);
    cr_assert_eq(session->ended, 0);
    world_stop_all_at(&world, 0);
    world_run(&world, SECOND);
    world_deinit(&world);
}

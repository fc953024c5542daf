/* How many sessions a guest has, and whose end with it. */
#include "tests/proxy/cases.h"

#include "proxy/room.h"
#include "proxy/vmm.h"

#include <sys/prctl.h>
#include <unistd.h>

#define SESSIONS 4

/* Sessions to one guest, with room for `max`, which stay until they are ended. */
struct crowd {
    struct world world;
    struct guest guest;
    struct guest_use *use;
    struct world_session *session[SESSIONS];
};

static void crowd_init(struct crowd *crowd, uint32_t max, enum fake_kind initiator)
{
    *crowd = (struct crowd){.guest = {.name = "web", .sessions_max = max}};
    world_plain(&crowd->world);
    for (unsigned i = 0; i < SESSIONS; i++) {
        struct world_session *session = world_add(&crowd->world, initiator, WORLD_VSOCK);
        crowd->use = world_guest(session, SIDE_TARGET, &crowd->guest);
        session->initiator_script = world_calm(session, SIDE_INITIATOR, 10);
        session->initiator_script.after_bytes = FAKE_LEAVE_NOT;
        session->targets[0].script = world_calm(session, SIDE_TARGET, 10);
        session->targets[0].script.after_bytes = FAKE_LEAVE_NOT;
        session->start_ns = i * MS;
        crowd->session[i] = session;
    }
}

static unsigned sessions(const struct crowd *crowd)
{
    return atomic_load(&crowd->use->sessions);
}

Test(session_guest, as_many_as_it_may)
{
    for (uint32_t max = 1; max <= SESSIONS + 1; max++) {
        struct crowd crowd;
        crowd_init(&crowd, max, FAKE_TCP);
        for (unsigned i = 0; i < SESSIONS; i++)
            world_start(crowd.session[i]);
        world_run_for(&crowd.world, 100 * MS);
        cr_assert_eq(sessions(&crowd), max < SESSIONS ? max : SESSIONS);
        for (unsigned i = max; i < SESSIONS; i++) {
            expect_reason(crowd.session[i], REASON_GUEST_FULL);
            expect_took(crowd.session[i], 0, 0);
            cr_assert_eq(crowd.session[i]->start_error, 0);
            cr_assert_eq(fake_target_attempts(crowd.session[i]->registered[0]), 0);
            cr_assert(world_initiator(crowd.session[i])->saw_reset);
        }
        world_stop_all_at(&crowd.world, 0);
        world_run(&crowd.world, 100 * MS);
        cr_assert_eq(sessions(&crowd), 0);
        world_deinit(&crowd.world);
    }
}

/* The first of two, in all kinds of ways; the second then has its room. */
static void expect_released(struct crowd *crowd, enum reason reason)
{
    crowd->session[1]->start_ns = 500 * MS;
    world_start(crowd->session[0]);
    world_start(crowd->session[1]);
    world_run_for(&crowd->world, 600 * MS);
    expect_reason(crowd->session[0], reason);
    cr_assert_eq(crowd->session[1]->ended, 0, "there was no room: '%s'",
                 reason_token(crowd->session[1]->reason));
    cr_assert_eq(sessions(crowd), 1);
    world_stop_all_at(&crowd->world, 0);
    world_run(&crowd->world, 100 * MS);
    world_deinit(&crowd->world);
}

Test(session_guest, room_again_however_it_ended)
{
    struct crowd crowd;

    crowd_init(&crowd, 1, FAKE_TCP);
    crowd.session[0]->initiator_script.after_bytes = FAKE_HALF_CLOSE;
    expect_released(&crowd, REASON_DONE);
    crowd_init(&crowd, 1, FAKE_TCP);
    crowd.session[0]->initiator_script.after_bytes = FAKE_RESET;
    expect_released(&crowd, REASON_INITIATOR_RESET);
    crowd_init(&crowd, 1, FAKE_TCP);
    crowd.session[0]->targets[0].script.after_bytes = FAKE_DIE;
    expect_released(&crowd, REASON_TARGET_RESET);
    crowd_init(&crowd, 1, FAKE_TCP);
    crowd.session[0]->targets[0].answer = FAKE_REFUSES;
    expect_released(&crowd, REASON_GUEST_NO_SERVICE);
    crowd_init(&crowd, 1, FAKE_TCP);
    crowd.session[0]->targets[0].answer = FAKE_IGNORES;
    crowd.session[0]->route.connect_timeout_ns = 300 * MS;
    expect_released(&crowd, REASON_GUEST_BOOTING);
    crowd_init(&crowd, 1, FAKE_TCP);
    crowd.session[0]->route.idle_timeout_ns = 200 * MS;
    expect_released(&crowd, REASON_IDLE_TIMEOUT);
    crowd_init(&crowd, 1, FAKE_UNIX);
    world_mux(crowd.session[0]);
    crowd.session[0]->initiator_script.says = "what?\n";
    expect_released(&crowd, REASON_CONNECT_GARBAGE);
    crowd_init(&crowd, 1, FAKE_UNIX);
    world_mux(crowd.session[0]);
    crowd.session[0]->initiator_script.says = NULL;
    crowd.session[0]->route.connect_timeout_ns = 300 * MS;
    expect_released(&crowd, REASON_CONNECT_SILENT);
}

/* Who has yet to name its port counts already. */
Test(session_guest, full_of_silent_initiators)
{
    struct crowd crowd;
    crowd_init(&crowd, 2, FAKE_UNIX);

    for (unsigned i = 0; i < SESSIONS; i++) {
        world_mux(crowd.session[i]);
        crowd.session[i]->initiator_script.says = NULL;
        world_start(crowd.session[i]);
    }
    world_run_for(&crowd.world, 100 * MS);
    cr_assert_eq(sessions(&crowd), 2);
    expect_reason(crowd.session[2], REASON_GUEST_FULL);
    expect_reason(crowd.session[3], REASON_GUEST_FULL);
    world_stop_all_at(&crowd.world, 0);
    world_run(&crowd.world, 100 * MS);
    world_deinit(&crowd.world);
}

/* The session is from one guest to another: room in both, or it is counted in none. */
Test(session_guest, from_one_to_another)
{
    static const struct guest source = {.name = "a", .sessions_max = 3};
    struct guest target = {.name = "b", .sessions_max = 1};
    struct world world;
    world_plain(&world);
    struct guest_use *from = NULL, *to = NULL;

    for (unsigned i = 0; i < SESSIONS; i++) {
        struct world_session *session = world_add(&world, FAKE_VSOCK, WORLD_VSOCK);
        from = world_guest(session, SIDE_INITIATOR, &source);
        to = world_guest(session, SIDE_TARGET, &target);
        session->initiator_script = world_calm(session, SIDE_INITIATOR, 10);
        session->initiator_script.after_bytes = FAKE_LEAVE_NOT;
        session->targets[0].script = world_calm(session, SIDE_TARGET, 10);
        session->targets[0].script.after_bytes = FAKE_LEAVE_NOT;
        world_start(session);
        world_run_for(&world, 10 * MS);
        if (i == 1)
            target.sessions_max = 0;
    }
    expect_reason(&world.session[1], REASON_GUEST_FULL);
    cr_assert_eq(atomic_load(&from->sessions), 3, "who found the target full is counted");
    cr_assert_eq(atomic_load(&to->sessions), 3);
    for (unsigned i = 0; i < SESSIONS; i++)
        cr_assert_eq(world.session[i].ended, i == 1);
    world_stop_all_at(&world, 0);
    world_run(&world, 100 * MS);
    cr_assert_eq(atomic_load(&from->sessions), 0);
    cr_assert_eq(atomic_load(&to->sessions), 0);
    world_deinit(&world);
}

/* A guest that connects to itself takes two places. */
Test(session_guest, both_sides_in_one_guest)
{
    static const struct guest guest = {.name = "web", .sessions_max = 3};
    struct world world;
    world_plain(&world);
    struct guest_use *use = NULL;

    for (unsigned i = 0; i < 2; i++) {
        struct world_session *session = world_add(&world, FAKE_VSOCK, WORLD_VSOCK);
        use = world_guest(session, SIDE_INITIATOR, &guest);
        world_guest(session, SIDE_TARGET, &guest);
        world_start(session);
        world_run_for(&world, 10 * MS);
    }
    expect_reason(&world.session[1], REASON_GUEST_FULL);
    cr_assert_eq(atomic_load(&use->sessions), 2);
    world_stop_all_at(&world, 0);
    world_run(&world, 100 * MS);
    world_deinit(&world);
}

/* No slot is left for it: refused before any guest is asked. */
Test(session_guest, no_slot)
{
    static const struct guest guest = {.name = "web", .sessions_max = 2};
    struct world world;
    world_init(&world, &(struct fake_options){.seed = 1}, 1);
    struct guest_use *use = NULL;

    for (unsigned i = 0; i < 2; i++) {
        struct world_session *session = world_add(&world, FAKE_TCP, WORLD_VSOCK);
        use = world_guest(session, SIDE_TARGET, &guest);
        world_start(session);
        world_run_for(&world, 10 * MS);
    }
    cr_assert_eq(world.session[1].start_error, -EAGAIN);
    cr_assert_eq(atomic_load(&use->sessions), 1);
    world_stop_all_at(&world, 0);
    world_run(&world, 100 * MS);
    world_deinit(&world);
}

/* The VMM is known from the first connection on, and with it how many it takes. */
static void expect_recognised(const char *process, enum guest_vmm vmm, bool full)
{
    static const struct guest guest = {
        .name = "web",
        .address.kind = ENDPOINT_VSOCK_MUX,
        .sessions_max = GUEST_SESSIONS_AUTO,
    };
    struct world world;
    world_plain(&world);
    struct world_session *first = world_add(&world, FAKE_TCP, WORLD_MUX);
    struct world_session *second = world_add(&world, FAKE_TCP, WORLD_MUX);
    struct guest_use *use = world_guest(first, SIDE_TARGET, &guest);

    world_guest(second, SIDE_TARGET, &guest);
    prctl(PR_SET_NAME, process);
    fake_peer_process(world.fake, (int)getpid());
    for (unsigned i = 0; i < VMM_SESSIONS_MAX - 1; i++)
        cr_assert_eq(room_enter_guest(use, &guest, 0), REASON_NONE);
    second->start_ns = 100 * MS;
    world_start(first);
    world_start(second);
    world_run_for(&world, 200 * MS);
    cr_assert_eq(atomic_load(&use->vmm), vmm);
    cr_assert_eq(first->ended, 0);
    cr_assert_eq(second->ended, full, "%s", process);
    cr_assert_eq(atomic_load(&use->sessions), VMM_SESSIONS_MAX + !full);
    if (full)
        expect_reason(second, REASON_GUEST_FULL);
    for (unsigned i = 0; i < VMM_SESSIONS_MAX - 1; i++)
        room_leave_guest(use);
    world_stop_all_at(&world, 0);
    world_run(&world, 100 * MS);
    world_deinit(&world);
}

Test(session_guest, as_many_as_its_vmm_takes)
{
    expect_recognised("firecracker", GUEST_VMM_FIRECRACKER, true);
    expect_recognised("cloud-hypervisor", GUEST_VMM_CLOUD_HYPERVISOR, true);
    expect_recognised("qemu", GUEST_VMM_AUTO, false);
}

static void end_guest(struct world *world, const struct guest_use *use)
{
    sessions_stop_guest(&world->sessions, use, REASON_GUEST_FROZEN);
    world_run_for(world, 10 * MS);
}

/* Those that relay to it or from it; not those that greet, connect or wait, nor another's. */
Test(session_guest, end_those_that_relay)
{
    static const struct guest web = {.name = "web"};
    static const struct guest db = {.name = "db"};
    struct world world;
    world_plain(&world);
    struct world_session *to = world_add(&world, FAKE_TCP, WORLD_VSOCK);
    struct world_session *from = world_add(&world, FAKE_VSOCK, WORLD_TCP);
    struct world_session *other = world_add(&world, FAKE_TCP, WORLD_VSOCK);
    struct world_session *none = world_add(&world, FAKE_TCP, WORLD_TCP);
    struct world_session *greets = world_add(&world, FAKE_UNIX, WORLD_VSOCK);
    struct world_session *connects = world_add(&world, FAKE_TCP, WORLD_VSOCK);
    struct world_session *waits = world_add(&world, FAKE_TCP, WORLD_VSOCK);
    struct guest_use *use = world_guest(to, SIDE_TARGET, &web);

    world_guest(from, SIDE_INITIATOR, &web);
    world_guest(other, SIDE_TARGET, &db);
    world_guest(greets, SIDE_TARGET, &web);
    world_guest(connects, SIDE_TARGET, &web);
    world_guest(waits, SIDE_TARGET, &web);
    world_mux(greets);
    greets->initiator_script.says = NULL;
    connects->targets[0].answer = FAKE_IGNORES;
    waits->targets[0].answer = FAKE_REFUSES;
    waits->route.wait_ns = 60000 * MS;
    waits->route.wait_phases = GUEST_PHASES;
    waits->route.wait_max = 1;
    for (unsigned i = 0; i < world.count; i++)
        world_start(&world.session[i]);
    world_run_for(&world, 100 * MS);
    cr_assert_eq(atomic_load(&use->waiting), 1);
    end_guest(&world, use);
    expect_reason(to, REASON_GUEST_FROZEN);
    expect_reason(from, REASON_GUEST_FROZEN);
    cr_assert(world_initiator(to)->saw_reset, "a truncated stream looks whole");
    struct world_session *const left[] = {other, none, greets, connects, waits};
    for (unsigned i = 0; i < 5; i++)
        cr_assert_eq(left[i]->ended, 0, "session %u ended", left[i]->number);
    cr_assert_eq(atomic_load(&use->sessions), 3);
    end_guest(&world, use);
    cr_assert_eq(atomic_load(&use->sessions), 3);
    world_stop_all_at(&world, 0);
    world_run(&world, 100 * MS);
    world_deinit(&world);
}

/* While bytes move through it, each way. */
Test(session_guest, end_those_that_move_much)
{
    static const struct guest web = {.name = "web"};

    for (unsigned lane = 0; lane < ROUTE_LANE_COUNT; lane++) {
        struct world world;
        world_plain(&world);
        struct guest_use *use = NULL;
        for (unsigned i = 0; i < 6; i++) {
            struct world_session *session = world_add(&world, FAKE_TCP, WORLD_VSOCK);
            use = world_guest(session, SIDE_TARGET, &web);
            session->route.lane = (enum route_lane)lane;
            session->initiator_script = world_calm(session, SIDE_INITIATOR, UINT64_MAX);
            session->initiator_script.write_pause_ns_max = MS / 10;
            session->targets[0].script = world_calm(session, SIDE_TARGET, UINT64_MAX);
            session->targets[0].script.write_pause_ns_max = MS / 10;
            world_start(session);
        }
        world_run_for(&world, 4 * MS);
        sessions_stop_guest(&world.sessions, use, REASON_GUEST_FROZEN);
        world_run_for(&world, MS);
        for (unsigned i = 0; i < 6; i++)
            expect_reason(&world.session[i], REASON_GUEST_FROZEN);
        world_run(&world, 100 * MS);
        world_deinit(&world);
    }
}

/* PROXY headers of initiators, and those that targets are told. */
#include "tests/proxy/cases.h"

#define LINE "PROXY TCP4 192.0.2.77 192.0.2.1 56324 443\r\n"

/* The header as the beginning of what the initiator says. */
static void says_header(struct world_session *session, char text[static 100], const char *header)
{
    const char *more = session->initiator_script.says;

    snprintf(text, 100, "%s%s", header, more ? more : "");
    session->route.accept_proxy = true;
    session->initiator_script.says = text;
}

struct chosen {
    enum fake_kind initiator;
    enum world_target target;
    bool mux; /* names its port behind the header */
    size_t piece_bytes;
    bool more;           /* its stream begins in the same piece */
    const char *sent_on; /* by send-proxy = v1; NULL: no */
};

static void expect_relayed(const struct chosen *chosen, uint64_t seed)
{
    struct world world;
    char text[100];
    bool faults = seed > 1;

    world_init(&world,
               &(struct fake_options){.seed = seed,
                                      .faults = {.short_receive = faults ? 500 : 0,
                                                 .interrupted = faults ? 100 : 0,
                                                 .delay_ns_max = faults ? MS : 0}},
               WORLD_SESSIONS_MAX);
    struct world_session *session = world_add(&world, chosen->initiator, chosen->target);
    struct fake_script *says = &session->initiator_script;
    struct fake_script *script = &session->targets[0].script;

    *says = world_calm(session, SIDE_INITIATOR, 3000);
    if (chosen->mux)
        world_mux(session);
    says_header(session, text, LINE);
    says->says_bytes_max = chosen->piece_bytes;
    says->says_pause_ns_max = 3 * MS;
    says->says_more = chosen->more;
    struct fake_script calm = world_calm(session, SIDE_TARGET, 5000);
    calm.mux = script->mux;
    calm.mux_port = script->mux_port;
    calm.hears = chosen->sent_on;
    *script = calm;
    session->route.send_proxy = chosen->sent_on ? ROUTE_SEND_PROXY_V1 : ROUTE_SEND_PROXY_NO;
    world_start(session);
    world_run(&world, 2000 * MS);
    expect_reason(session, REASON_DONE);
    cr_assert_eq(world_target(session)->read, 3000U);
    cr_assert_eq(world_initiator(session)->read, 5000U);
    cr_assert_eq(session->lane_bytes[SIDE_INITIATOR], 3000U, "the header is no relayed byte");
    world_deinit(&world);
}

Test(session_proxy, in_one_piece_and_in_many)
{
    static const enum fake_kind kinds[] = {FAKE_TCP, FAKE_UNIX, FAKE_VSOCK};

    for (unsigned kind = 0; kind < 3; kind++)
        for (unsigned target = 0; target < 5; target++)
            for (unsigned i = 0; i < 16; i++) {
                struct chosen chosen = {
                    .initiator = kinds[kind],
                    .target = (enum world_target)target,
                    .mux = i & 1 && kinds[kind] == FAKE_UNIX && target != WORLD_UNIX,
                    .piece_bytes = i & 2 ? 1 : 0,
                    .more = i & 4,
                    .sent_on = i & 8 ? LINE : NULL,
                };
                expect_relayed(&chosen, 1);
                expect_relayed(&chosen, 2 + i);
            }
}

/* Without a header of its own it is the socket that tells who it is. */
Test(session_proxy, told_of_the_socket)
{
    static const enum fake_kind kinds[] = {FAKE_TCP, FAKE_UNIX, FAKE_VSOCK, FAKE_FILE};

    for (unsigned kind = 0; kind < 4; kind++)
        for (unsigned target = 0; target < 5; target++) {
            struct world world;
            world_plain(&world);
            struct world_session *session =
                world_add(&world, kinds[kind], (enum world_target)target);
            struct fake_script *script = &session->targets[0].script;
            session->route.send_proxy = ROUTE_SEND_PROXY_V1;
            session->initiator_script = world_calm(session, SIDE_INITIATOR, 100);
            struct fake_script calm = world_calm(session, SIDE_TARGET, 100);
            calm.mux = script->mux;
            calm.mux_port = script->mux_port;
            calm.hears = kinds[kind] == FAKE_TCP ? "PROXY TCP4 203.0.113.7 203.0.113.1 40000 80\r\n"
                                                 : "PROXY UNKNOWN\r\n";
            *script = calm;
            world_start(session);
            world_run(&world, 1000 * MS);
            expect_reason(session, REASON_DONE);
            cr_assert_eq(world_target(session)->read, 100U);
            world_deinit(&world);
        }
}

/* A header that leaves open who is connected. */
Test(session_proxy, unknown_is_told_as_the_socket)
{
    struct world world;
    char text[100];
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_TCP, WORLD_TCP);

    session->initiator_script = world_calm(session, SIDE_INITIATOR, 100);
    says_header(session, text, "PROXY UNKNOWN\r\n");
    session->route.send_proxy = ROUTE_SEND_PROXY_V1;
    session->targets[0].script = world_calm(session, SIDE_TARGET, 100);
    session->targets[0].script.hears = "PROXY TCP4 203.0.113.7 203.0.113.1 40000 80\r\n";
    world_start(session);
    world_run(&world, 1000 * MS);
    expect_reason(session, REASON_DONE);
    world_deinit(&world);
}

struct refused {
    const char *says;
    enum fake_leave leave; /* after it */
    bool mux;
    enum reason reason;
    uint64_t took_ns;
};

static void expect_refused(const struct refused *refused, size_t piece_bytes)
{
    struct world world;
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_UNIX, WORLD_TCP);

    session->route.connect_timeout_ns = 700 * MS;
    session->route.accept_proxy = true;
    if (refused->mux)
        world_mux(session);
    session->initiator_script.says = refused->says;
    session->initiator_script.says_bytes_max = piece_bytes;
    session->initiator_script.hears = refused->leave ? NULL : "";
    session->initiator_script.after_bytes = refused->leave;
    world_start(session);
    world_run(&world, 2000 * MS);
    expect_reason(session, refused->reason);
    expect_took(session, refused->took_ns, refused->took_ns + 10 * MS);
    cr_assert_eq(fake_target_attempts(session->registered[0]), 0U, "the target was asked");
    world_deinit(&world);
}

Test(session_proxy, refused)
{
    static const struct refused table[] = {
        {NULL, FAKE_LEAVE_NOT, false, REASON_PROXY_SILENT, 700 * MS},
        {"PROXY TCP4 ", FAKE_LEAVE_NOT, false, REASON_PROXY_SILENT, 700 * MS},
        {"\r\n\r\n", FAKE_LEAVE_NOT, false, REASON_PROXY_SILENT, 700 * MS},
        {"GET / HTTP/1.1\r\n", FAKE_LEAVE_NOT, false, REASON_PROXY_GARBAGE, 0},
        {"PROXY TCP4 x y 1 2\r\n", FAKE_LEAVE_NOT, false, REASON_PROXY_GARBAGE, 0},
        {"\r\n\r\n\r", FAKE_LEAVE_NOT, false, REASON_PROXY_GARBAGE, 0},
        {"CONNECT 22\n", FAKE_LEAVE_NOT, true, REASON_PROXY_GARBAGE, 0},
        {NULL, FAKE_CLOSE, false, REASON_INITIATOR_LEFT, 0},
        {NULL, FAKE_HALF_CLOSE, true, REASON_INITIATOR_LEFT, 0},
        {"PROXY TCP4", FAKE_CLOSE, false, REASON_PROXY_GARBAGE, 0},
        {"PROXY TCP4", FAKE_HALF_CLOSE, true, REASON_PROXY_GARBAGE, 0},
        {LINE, FAKE_LEAVE_NOT, true, REASON_CONNECT_SILENT, 700 * MS},
        {LINE "CONN", FAKE_LEAVE_NOT, true, REASON_CONNECT_SILENT, 700 * MS},
        {LINE LINE, FAKE_LEAVE_NOT, true, REASON_CONNECT_GARBAGE, 0},
        {LINE, FAKE_HALF_CLOSE, true, REASON_INITIATOR_LEFT, 0},
        {LINE "CONN", FAKE_CLOSE, true, REASON_CONNECT_GARBAGE, 0},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        expect_refused(&table[i], 0);
        expect_refused(&table[i], 1);
    }
}

/* The target's socket takes the header whole, or the session ends. */
Test(session_proxy, no_room_for_the_header)
{
    static const struct {
        struct fake_faults faults;
        size_t room; /* 0: enough */
        enum reason reason;
    } table[] = {
        {{.send_again = 1000}, 0, REASON_PROXY_UNSENT},
        {{.short_send = 1000}, 0, REASON_PROXY_UNSENT},
        {{0}, 20, REASON_PROXY_UNSENT},
        {{.no_memory = 1000}, 0, REASON_NO_MEMORY},
    };

    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct world world;
        world_plain(&world);
        struct world_session *session = world_add(&world, FAKE_TCP, WORLD_TCP);
        session->route.send_proxy = ROUTE_SEND_PROXY_V1;
        session->targets[0].delay_ns = 50 * MS;
        session->targets[0].script.room_to = table[i].room;
        world_start(session);
        world_run_for(&world, 20 * MS);
        fake_set_faults(world.fake, &table[i].faults);
        world_run(&world, 1000 * MS);
        expect_reason(session, table[i].reason);
        cr_assert_eq(world_initiator(session)->read, 0U);
        world_deinit(&world);
    }
}

/* The initiator of a `mux:` listener hears OK once the header is out. */
Test(session_proxy, header_before_ok)
{
    struct world world;
    char text[100];
    world_plain(&world);
    struct world_session *session = world_add(&world, FAKE_UNIX, WORLD_VSOCK);

    world_mux(session);
    says_header(session, text, LINE);
    session->route.send_proxy = ROUTE_SEND_PROXY_V1;
    session->targets[0].delay_ns = 50 * MS;
    world_start(session);
    world_run_for(&world, 20 * MS);
    fake_set_faults(world.fake, &(struct fake_faults){.send_again = 1000});
    world_run(&world, 1000 * MS);
    expect_reason(session, REASON_PROXY_UNSENT);
    cr_assert_eq(world_initiator(session)->heard_ns, 0U);
    world_deinit(&world);
}

/* A session that says its header byte by byte, ended at any time. */
Test(session_proxy, ended_at_any_time)
{
    for (uint64_t after_ns = 0; after_ns < 300 * MS; after_ns += MS) {
        struct world world;
        char text[100];
        world_init(&world,
                   &(struct fake_options){.seed = after_ns / MS,
                                          .faults = {.late_cancel = after_ns / MS % 2 ? 0 : 800}},
                   WORLD_SESSIONS_MAX);
        struct world_session *session = world_add(&world, FAKE_UNIX, WORLD_VSOCK);
        session->initiator_script = world_calm(session, SIDE_INITIATOR, 100);
        world_mux(session);
        says_header(session, text, LINE);
        session->initiator_script.says_bytes_max = 1;
        session->initiator_script.says_pause_ns_max = 7 * MS;
        session->route.send_proxy = ROUTE_SEND_PROXY_V1;
        session->targets[0].script = world_calm(session, SIDE_TARGET, 100);
        session->targets[0].script.hears = LINE;
        session->targets[0].delay_ns = 50 * MS;
        world_stop_all_at(&world, after_ns);
        world_start(session);
        world_run(&world, 3000 * MS);
        cr_assert_eq(session->ended, 1U);
        cr_assert(session->reason == REASON_DRAIN_TIMEOUT || session->reason == REASON_DONE);
        world_deinit(&world);
    }
}

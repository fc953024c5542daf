/* Configurations without a mistake: what of them is read, and what holds where they say nothing. */
#include "config/config.h"

#include "tests/config/scratch.h"
#include "vsock/vsock.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define S UINT64_C(1000000000)

static struct scratch_result read_right(const char *text)
{
    struct scratch_result result = scratch_read_text(text, NULL, 0);
    char *problems = scratch_problems(&result);

    cr_assert_str_eq(problems, "", "%s\n%s", text, problems);
    free(problems);
    return result;
}

static void expect_endpoint(const struct endpoint *endpoint, const char *expected)
{
    char text[ENDPOINT_TEXT_BYTES];

    endpoint_format(endpoint, text);
    cr_expect_str_eq(text, expected);
}

Test(config, the_example_of_the_manual)
{
    struct scratch_result result = read_right("[global]\n"
                                              "workers = 0\n"
                                              "; 0: one per CPU\n"
                                              "\n"
                                              "[guest web1]\n"
                                              "address = vsock:3\n"
                                              "\n"
                                              "[guest fc7]\n"
                                              "address = vsock-mux:/run/fc7/v.sock\n"
                                              "vmm = firecracker\n"
                                              "\n"
                                              "[route web]\n"
                                              "listen = tcp:127.0.0.1:8080\n"
                                              "target = guest:web1:80\n"
                                              "\n"
                                              "[route ssh]\n"
                                              "listen = unix:/run/vsluice/web1.ssh\n"
                                              "target = vsock:3:22\n"
                                              "connect-timeout = 3s\n"
                                              "\n"
                                              "; guests reach a host service\n"
                                              "[route db]\n"
                                              "listen = vsock:any:5432\n"
                                              "target = tcp:127.0.0.1:5432\n");
    const struct config *config = result.config;

    cr_assert_eq(config->guest_count, 2);
    cr_expect_str_eq(config->guests[0].name, "web1");
    cr_expect_eq(config->guests[0].address.kind, ENDPOINT_VSOCK);
    cr_expect_eq(config->guests[0].address.cid, 3);
    cr_expect_eq(config->guests[0].address.port, 0);
    cr_expect_eq(config->guests[0].vmm, GUEST_VMM_AUTO);
    cr_expect_str_eq(config->guests[0].file, SCRATCH_FILE);
    cr_expect_eq(config->guests[0].line, 5);
    cr_expect_eq(config->guests[1].address.kind, ENDPOINT_VSOCK_MUX);
    cr_expect_str_eq(config->guests[1].address.name, "/run/fc7/v.sock");
    cr_expect_eq(config->guests[1].vmm, GUEST_VMM_FIRECRACKER);
    cr_assert_eq(config->route_count, 3);
    cr_expect_str_eq(config->routes[0].name, "web");
    cr_expect_eq(config->routes[0].targets[0].guest, &config->guests[0]);
    cr_expect_str_eq(config->routes[0].file, SCRATCH_FILE);
    cr_expect_eq(config->routes[0].line, 12);
    expect_endpoint(&config->routes[0].targets[0].written, "guest:web1:80");
    expect_endpoint(&config->routes[0].targets[0].resolved, "vsock:3:80");
    cr_expect_null(config->routes[1].targets[0].guest);
    expect_endpoint(&config->routes[1].targets[0].resolved, "vsock:3:22");
    cr_expect_eq(config->routes[1].connect_timeout_ns, 3 * S);
    cr_assert_eq(config->routes[2].listen_count, 1);
    expect_endpoint(&config->routes[2].listens[0].written, "vsock:any:5432");
    expect_endpoint(&config->routes[2].listens[0].resolved, "vsock:any:5432");
    cr_expect_eq(config->routes[2].listens[0].line, 23);
    cr_expect_eq(config->file_count, 1);
    cr_expect_str_eq(config->files[0], SCRATCH_FILE);
    scratch_free(&result);
    scratch_leaks_check();
}

Test(config, what_holds_where_nothing_is_said)
{
    struct scratch_result result = read_right("[route a]\nlisten=tcp:*:1\ntarget=tcp:b:2");
    const struct route *route = result.config->routes;

    cr_expect_eq(result.config->workers, 0);
    cr_expect_eq(result.config->sessions_max, 0);
    cr_expect_eq(result.config->drain_timeout_ns, 30 * S);
    cr_expect_eq(route->connect_timeout_ns, 5 * S);
    cr_expect_eq(route->keepalive_ns, 60 * S);
    cr_expect_eq(route->backlog, 4096);
    cr_expect_eq(route->mode, -1);
    cr_expect_eq(route->owner_uid, (uid_t)-1);
    cr_expect_eq(route->owner_gid, (gid_t)-1);
    cr_expect_eq(route->listens[0].peer_cid, VSOCK_CID_ANY);
    cr_expect_eq(route->listens[0].port_offset, 0);
    cr_expect_eq(route->listens[0].port_count, 1);
    cr_expect_eq(route_target_port(&route->targets[0], &route->listens[0]), 2);
    cr_expect_eq(route->targets[0].port_count, 1);
    cr_expect_eq(route->port_range_count, 0);
    cr_expect_eq(route->idle_timeout_ns, 0);
    cr_expect_eq(route->guest_probe_ns, 60 * S);
    cr_expect_eq(route->lane, ROUTE_LANE_AUTO);
    cr_expect_null(result.config->admin_path);
    cr_expect_null(result.config->admin_listen);
    cr_expect_null(result.config->guest_each);
    cr_expect_eq(result.config->template_count, 0);
    scratch_free(&result);
    result = read_right("[guest g]\naddress = vsock:3");
    cr_expect_eq(result.config->guests[0].sessions_max, GUEST_SESSIONS_AUTO);
    scratch_free(&result);
}

Test(config, every_key_of_what_stands_for_many)
{
    struct scratch_result result = read_right("[global]\n"
                                              "admin-socket = /run/a b.sock\n"
                                              "[guest f]\n"
                                              "address = vsock-mux:/f\n"
                                              "max-sessions = 0\n"
                                              "[guest m]\n"
                                              "max-sessions = 10000000\n"
                                              "machine = web-1.x\n"
                                              "[route a]\n"
                                              "listen = mux:/a b mux:@c\n"
                                              "target = guest:m:*\n"
                                              "ports = 22,80-80, 8000-8080\n"
                                              "  1-4294967294\n"
                                              "ports = 4294967294\n"
                                              "idle-timeout = 1s\n"
                                              "dead-guest-probe = 24h\n"
                                              "[route b]\n"
                                              "listen = tcp:*:1\n"
                                              "target = machine:web2:1\n"
                                              "idle-timeout = off\n"
                                              "dead-guest-probe = off\n"
                                              "wait-for-guest = 1s\n"
                                              "[route c]\n"
                                              "listen = tcp:*:2\n"
                                              "target = vsock:3:1\n"
                                              "idle-timeout = 0\n"
                                              "dead-guest-probe = 1s\n");
    static const struct port_range ports[] = {
        {22, 22}, {80, 80}, {8000, 8080}, {1, 4294967294}, {4294967294, 4294967294}};
    const struct route *routes = result.config->routes;

    cr_expect_str_eq(result.config->admin_path, "/run/a b.sock");
    cr_expect_eq(result.config->guests[0].sessions_max, 0);
    cr_expect_eq(result.config->guests[1].sessions_max, 10000000);
    cr_expect_eq(result.config->guests[1].address.kind, ENDPOINT_MACHINE);
    expect_endpoint(&result.config->guests[1].address, "machine:web-1.x:0");
    cr_assert_eq(routes[0].listen_count, 2);
    expect_endpoint(&routes[0].listens[0].resolved, "mux:/a b");
    expect_endpoint(&routes[0].listens[1].resolved, "mux:@c");
    cr_expect_eq(route_target_port(&routes[0].targets[0], &routes[0].listens[1]),
                 ENDPOINT_PORT_NAMED);
    expect_endpoint(&routes[0].targets[0].resolved, "machine:web-1.x:*");
    cr_expect_eq(routes[0].targets[0].guest, &result.config->guests[1]);
    cr_assert_eq(routes[0].port_range_count, COUNT_OF(ports));
    for (size_t i = 0; i < COUNT_OF(ports); i++) {
        cr_expect_eq(routes[0].ports[i].first, ports[i].first);
        cr_expect_eq(routes[0].ports[i].last, ports[i].last);
    }
    cr_expect_eq(routes[0].idle_timeout_ns, S);
    cr_expect_eq(routes[0].guest_probe_ns, 24 * 3600 * S);
    cr_expect_eq(routes[1].idle_timeout_ns, 0);
    cr_expect_eq(routes[1].guest_probe_ns, 0);
    cr_expect_null(routes[1].targets[0].guest);
    expect_endpoint(&routes[1].targets[0].resolved, "machine:web2:1");
    cr_expect_eq(routes[2].idle_timeout_ns, 0);
    cr_expect_eq(routes[2].guest_probe_ns, S);
    scratch_free(&result);
    scratch_leaks_check();
}

Test(config, the_last_admin_socket_holds)
{
    static const struct scratch_file files[] = {
        {SCRATCH_FILE, "[global]\nadmin-socket = /a\nadmin-listen = tcp:[::1]:1\n", 0},
        {SCRATCH_FILE ".d/b.conf", "[global]\nadmin-socket = /b\nadmin-listen = tcp:*:9100\n", 0},
    };
    static const struct config_sources sources = {.path = SCRATCH_FILE};
    struct scratch_result result = scratch_read(files, COUNT_OF(files), &sources);

    cr_expect_eq(result.problems.count, 0);
    cr_expect_str_eq(result.config->admin_path, "/b");
    cr_assert_not_null(result.config->admin_listen);
    cr_expect_str_eq(result.config->admin_listen->name, "*");
    cr_expect_eq(result.config->admin_listen->port, 9100);
    scratch_free(&result);
    scratch_leaks_check();
}

/* A listener for each port; each knows the port it leads to. */
Test(config, ranges_of_ports)
{
    struct scratch_result result =
        read_right("[guest v]\naddress = vsock:3\n[guest m]\naddress = vsock-mux:/m\n"
                   "[route equal]\nlisten = tcp:*:8000-8002 tcp:*:9000-9002 guest:v:1-3\n"
                   "target = guest:m:80-82\n"
                   "[route to_one]\nlisten = tcp:*:7000-7001 tcp:*:6000\ntarget = guest:v:22\n"
                   "[route one]\nlisten = tcp:*:1-1\ntarget = guest:m:2-2\n"
                   "[route mux]\nlisten = guest:m:9-10 vsock-mux:/n:5-6\ntarget = vsock:4:5-6\n");
    static const struct {
        size_t route;
        const char *written;
        const char *resolved;
        uint32_t target_port;
        uint32_t offset;
        uint32_t count;
    } cases[] = {
        {0, "tcp:*:8000", "tcp:*:8000", 80, 0, 3},
        {0, "tcp:*:8001", "tcp:*:8001", 81, 1, 3},
        {0, "tcp:*:8002", "tcp:*:8002", 82, 2, 3},
        {0, "tcp:*:9000", "tcp:*:9000", 80, 0, 3},
        {0, "tcp:*:9001", "tcp:*:9001", 81, 1, 3},
        {0, "tcp:*:9002", "tcp:*:9002", 82, 2, 3},
        {0, "guest:v:1", "vsock:any:1", 80, 0, 3},
        {0, "guest:v:2", "vsock:any:2", 81, 1, 3},
        {0, "guest:v:3", "vsock:any:3", 82, 2, 3},
        {1, "tcp:*:7000", "tcp:*:7000", 22, 0, 2},
        {1, "tcp:*:7001", "tcp:*:7001", 22, 1, 2},
        {1, "tcp:*:6000", "tcp:*:6000", 22, 0, 1},
        {2, "tcp:*:1", "tcp:*:1", 2, 0, 1},
        {3, "guest:m:9", "vsock-mux:/m:9", 5, 0, 2},
        {3, "guest:m:10", "vsock-mux:/m:10", 6, 1, 2},
        {3, "vsock-mux:/n:5", "vsock-mux:/n:5", 5, 0, 2},
        {3, "vsock-mux:/n:6", "vsock-mux:/n:6", 6, 1, 2},
    };
    const struct route *routes = result.config->routes;
    size_t at = 0;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        at = i > 0 && cases[i].route == cases[i - 1].route ? at + 1 : 0;
        cr_assert_lt(at, routes[cases[i].route].listen_count);
        const struct route_listen *listen = &routes[cases[i].route].listens[at];
        expect_endpoint(&listen->written, cases[i].written);
        expect_endpoint(&listen->resolved, cases[i].resolved);
        cr_expect_eq(route_target_port(routes[cases[i].route].targets, listen),
                     cases[i].target_port, "%s", cases[i].written);
        cr_expect_eq(listen->port_offset, cases[i].offset, "%s", cases[i].written);
        cr_expect_eq(listen->port_count, cases[i].count, "%s", cases[i].written);
        cr_expect_eq(listen->peer_cid,
                     strncmp(cases[i].written, "guest:v", 7) == 0 ? 3 : VSOCK_CID_ANY);
    }
    cr_expect_eq(routes[0].listen_count, 9);
    cr_expect_eq(routes[0].targets[0].port_count, 3);
    expect_endpoint(&routes[0].targets[0].resolved, "vsock-mux:/m:80");
    scratch_free(&result);
    scratch_leaks_check();
}

/* As many ports as a range may have, in one list, are read in no time to speak of. */
Test(config, the_longest_range, .timeout = 20)
{
    struct scratch_result result =
        read_right("[route a]\nlisten = vsock-mux:/a:1-10000\ntarget = vsock:3:1-10000\n");
    const struct route *route = result.config->routes;

    cr_assert_eq(route->listen_count, 10000);
    expect_endpoint(&route->listens[9999].resolved, "vsock-mux:/a:10000");
    cr_expect_eq(route_target_port(&route->targets[0], &route->listens[9999]), 10000);
    scratch_free(&result);
}

Test(config, every_key)
{
    struct scratch_result result = read_right("[global]\n"
                                              "workers = 1024\n"
                                              "max-sessions = 10000000\n"
                                              "max-rate = 1000000\n"
                                              "drain-timeout = 0\n"
                                              "connect-timeout = 1.5s\n"
                                              "[guest g]\n"
                                              "address = vsock-mux:/g\n"
                                              "vmm = libkrun\n"
                                              "half-close = hold\n"
                                              "max-rate = 7\n"
                                              "[route a]\n"
                                              "listen = unix:/a\n"
                                              "target = tcp:b:2\n"
                                              "keepalive = off\n"
                                              "backlog = 65535\n"
                                              "max-sessions-per-source = 10000000\n"
                                              "max-rate-per-source = 1000000\n"
                                              "at-limit = wait\n"
                                              "mode = 0660\n"
                                              "owner = root:7\n"
                                              "[route b]\n"
                                              "listen = unix:/b\n"
                                              "target = guest:g:2\n"
                                              "connect-timeout = 250ms\n"
                                              "keepalive = 9h\n"
                                              "backlog = 1\n"
                                              "at-limit = refuse\n"
                                              "mode = 0\n"
                                              "owner = :0\n");
    const struct route *a = &result.config->routes[0];
    const struct route *b = &result.config->routes[1];

    cr_expect_eq(result.config->workers, 1024);
    cr_expect_eq(result.config->sessions_max, 10000000);
    cr_expect_eq(result.config->drain_timeout_ns, 0);
    cr_expect_eq(result.config->guests[0].vmm, GUEST_VMM_LIBKRUN);
    cr_expect_eq(result.config->guests[0].half_close, GUEST_HALF_CLOSE_HOLD);
    cr_expect_eq(a->connect_timeout_ns, 3 * S / 2);
    cr_expect_eq(result.config->rate_max, 1000000);
    cr_expect_eq(result.config->guests[0].rate_max, 7);
    cr_expect_eq(a->source_sessions_max, 10000000);
    cr_expect_eq(a->source_rate_max, 1000000);
    cr_expect(a->waits_at_limit);
    cr_expect_not(b->waits_at_limit);
    cr_expect_eq(a->keepalive_ns, 0);
    cr_expect_eq(a->backlog, 65535);
    cr_expect_eq(a->mode, 0660);
    cr_expect_eq(a->owner_uid, 0);
    cr_expect_eq(a->owner_gid, 7);
    cr_expect_eq(b->connect_timeout_ns, S / 4);
    cr_expect_eq(b->keepalive_ns, 9 * 3600 * S);
    cr_expect_eq(b->backlog, 1);
    cr_expect_eq(b->mode, 0);
    cr_expect_eq(b->owner_uid, (uid_t)-1);
    cr_expect_eq(b->owner_gid, 0);
    expect_endpoint(&b->targets[0].resolved, "unix:/g_2");
    scratch_free(&result);
}

Test(config, every_vmm)
{
    static const struct {
        const char *text;
        enum guest_vmm vmm;
    } cases[] = {
        {"vsock:3\nvmm = auto", GUEST_VMM_AUTO},
        {"vsock:3\nvmm = kernel", GUEST_VMM_KERNEL},
        {"vsock-mux:/a\nvmm = auto", GUEST_VMM_AUTO},
        {"vsock-mux:/a\nvmm = firecracker", GUEST_VMM_FIRECRACKER},
        {"vsock-mux:/a\nvmm = cloud-hypervisor", GUEST_VMM_CLOUD_HYPERVISOR},
        {"vsock-mux:/a\nvmm = vhost-device", GUEST_VMM_VHOST_DEVICE},
        {"vsock-mux:/a\nvmm = libkrun", GUEST_VMM_LIBKRUN},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[256];
        snprintf(text, sizeof(text), "[guest g]\naddress = %s\n", cases[i].text);
        struct scratch_result result = read_right(text);
        cr_expect_eq(result.config->guests[0].vmm, cases[i].vmm, "%s", text);
        scratch_free(&result);
    }
}

Test(config, every_half_close)
{
    static const struct {
        const char *text;
        enum guest_half_close half_close;
    } cases[] = {
        {"", GUEST_HALF_CLOSE_AUTO},
        {"half-close = auto\n", GUEST_HALF_CLOSE_AUTO},
        {"half-close = pass\n", GUEST_HALF_CLOSE_PASS},
        {"half-close = hold\n", GUEST_HALF_CLOSE_HOLD},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[256];
        snprintf(text, sizeof(text), "[guest g]\naddress = vsock-mux:/a\n%s", cases[i].text);
        struct scratch_result result = read_right(text);
        cr_expect_eq(result.config->guests[0].half_close, cases[i].half_close, "%s", text);
        scratch_free(&result);
    }
}

Test(config, waiting_for_a_guest)
{
    struct scratch_result result =
        read_right("[route a]\nlisten = tcp:*:1\ntarget = vsock:3:80\nwait-for-guest = 60s\n"
                   "wait-for = booting, service\nwait-max = 7\n"
                   "[route b]\nlisten = tcp:*:2\ntarget = vsock:3:80\nwait-for=off\n");
    const struct route *a = &result.config->routes[0];
    const struct route *b = &result.config->routes[1];

    cr_expect_eq(a->wait_ns, UINT64_C(60000000000));
    cr_expect_eq(a->wait_phases, GUEST_PHASE_BOOTING | GUEST_PHASE_SERVICE);
    cr_expect_eq(a->wait_max, 7);
    cr_expect_eq(b->wait_ns, 0);
    cr_expect_eq(b->wait_phases, GUEST_PHASE_OFF);
    cr_expect_eq(b->wait_max, 1000);
    scratch_free(&result);
}

Test(config, libkrun_has_a_socket_for_each_port)
{
    struct scratch_result result = read_right("[guest k]\naddress = vsock-mux:/run/k\n"
                                              "vmm = libkrun\n[route r]\nlisten = guest:k:5000\n"
                                              "target = guest:k:80\n");
    const struct route *route = &result.config->routes[0];

    expect_endpoint(&route->targets[0].resolved, "unix:/run/k_80");
    expect_endpoint(&route->listens[0].resolved, "vsock-mux:/run/k:5000");
    cr_expect_eq(route->listens[0].guest, &result.config->guests[0]);
    scratch_free(&result);
}

/* Every way to write a list, with comments and blank lines between. */
Test(config, a_list_is_repeated_continued_and_on_one_line)
{
    struct scratch_result result = read_right("[route a]\n"
                                              "listen = tcp:*:1\n"
                                              "listen=tcp:*:2 tcp:*:3\ttcp:*:4 ; comment\n"
                                              "  tcp:*:5\n"
                                              "; comment\n"
                                              "\n"
                                              "\ttcp:*:6   unix:/a b c ; comment ; more\n"
                                              "   # comment\n"
                                              "  unix:/d=e unix:/f;g\n"
                                              "target = tcp:b:1\n"
                                              "listen =\n"
                                              "  vsock-mux:/h i:7 tcp:*:8\n"
                                              "listen = ; nothing yet\n"
                                              "  tcp:*:9 ; comment\n");
    static const char *const expected[] = {
        "tcp:*:1",     "tcp:*:2",   "tcp:*:3",   "tcp:*:4",          "tcp:*:5", "tcp:*:6",
        "unix:/a b c", "unix:/d=e", "unix:/f;g", "vsock-mux:/h i:7", "tcp:*:8", "tcp:*:9"};
    static const unsigned lines[] = {2, 3, 3, 3, 4, 7, 7, 9, 9, 12, 12, 14};
    const struct route *route = result.config->routes;

    cr_assert_eq(route->listen_count, COUNT_OF(expected));
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        expect_endpoint(&route->listens[i].written, expected[i]);
        cr_expect_eq(route->listens[i].line, lines[i], "%s", expected[i]);
    }
    scratch_free(&result);
}

Test(config, a_listener_of_a_guest_is_what_its_kind_makes_of_it)
{
    struct scratch_result result =
        read_right("[guest v]\naddress = vsock:7\n"
                   "[guest m]\naddress = vsock-mux:/m.sock\n"
                   "[guest l]\naddress = vsock:local\n"
                   "[route a]\n"
                   "listen = guest:v:80 guest:m:80 guest:v:0 guest:l:81\n"
                   "target = unix:@x\n");
    const struct route_listen *listens = result.config->routes[0].listens;

    expect_endpoint(&listens[0].written, "guest:v:80");
    expect_endpoint(&listens[0].resolved, "vsock:any:80");
    cr_expect_eq(listens[0].peer_cid, 7);
    expect_endpoint(&listens[1].resolved, "vsock-mux:/m.sock:80");
    cr_expect_eq(listens[1].peer_cid, VSOCK_CID_ANY);
    expect_endpoint(&listens[2].resolved, "vsock:any:0");
    cr_expect_eq(listens[2].peer_cid, 7);
    cr_expect_eq(listens[3].peer_cid, VSOCK_CID_LOCAL);
    cr_expect_null(result.config->routes[0].targets[0].guest);
    scratch_free(&result);
}

/* Byte order mark, CRLF, no final newline, `key: value`, blanks everywhere, long comments. */
Test(config, odd_but_right_files)
{
    char long_comment[3000];
    static const char *const texts[] = {
        "\xEF\xBB\xBF[route a]\r\nlisten = tcp:*:1\r\n  tcp:*:2\r\ntarget = tcp:b:1\r\n",
        "[route a]\nlisten: tcp:*:1\ntarget:tcp:b:1\n  \nlisten=tcp:*:2",
        "[ route \t a ]  ; comment\nlisten\t=\ttcp:*:1   tcp:*:2\t\ntarget=tcp:b:1\t ; x\n",
        "\n\n# x\n[route a] # comment\nlisten=tcp:*:1\nlisten=tcp:*:2\ntarget=tcp:b:1 ;=[x\n\n",
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct scratch_result result = read_right(texts[i]);
        cr_assert_eq(result.config->route_count, 1, "%s", texts[i]);
        cr_expect_str_eq(result.config->routes[0].name, "a");
        cr_expect_eq(result.config->routes[0].listen_count, 2, "%s", texts[i]);
        scratch_free(&result);
    }
    memset(long_comment, 'x', sizeof(long_comment));
    memcpy(long_comment, "[global]\n  ; ", 13);
    long_comment[sizeof(long_comment) - 1] = '\0';
    struct scratch_result result = read_right(long_comment);
    scratch_free(&result);
    result = read_right("");
    cr_expect_eq(result.config->route_count, 0);
    scratch_free(&result);
}

/* The longest line that is read, and one byte more (mistakes.c has the words). */
Test(config, lines_have_a_bound)
{
    static const char line[] = "listen = tcp:*:1";

    for (int length = 190; length < 210; length++) {
        char text[400];
        snprintf(text, sizeof(text), "[route a]\ntarget = tcp:b:1\n%s%*s\r\n", line,
                 length - (int)strlen(line), "tcp:*:2");
        struct scratch_result result = scratch_read_text(text, NULL, 0);
        cr_expect_eq(result.problems.count == 0, length <= 198, "%d", length);
        cr_expect_eq(result.config->routes[0].listen_count, length <= 198 ? 2 : 0, "%d", length);
        scratch_free(&result);
    }
}

Test(config, holds_many_guests_and_routes)
{
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);

    for (unsigned i = 0; i < 500; i++)
        fprintf(stream,
                "[guest g%u]\naddress = vsock:%u\n[route r%u]\nlisten = tcp:127.0.0.1:%u\n"
                "target = guest:g%u:80\n",
                i, 3 + i, i, 1000 + i, 499 - i);
    fclose(stream);
    /* a target may name a guest that stands further down */
    struct scratch_result result = scratch_read_text(text, NULL, 0);
    char *problems = scratch_problems(&result);
    cr_expect_str_eq(problems, "");
    cr_assert_eq(result.config->route_count, 500);
    for (unsigned i = 0; i < 500; i++) {
        cr_expect_eq(result.config->routes[i].targets[0].guest, &result.config->guests[499 - i]);
        cr_expect_eq(result.config->routes[i].targets[0].resolved.cid, 3 + 499 - i);
    }
    free(problems);
    free(text);
    scratch_free(&result);
    scratch_leaks_check();
}

Test(config, freeing_nothing_is_fine)
{
    config_free(NULL);
}

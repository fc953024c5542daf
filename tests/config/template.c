/* Routes for each guest: what named guests make of them when a configuration is read, and what a
 * guest makes of them that appears later.
 */
#include "config/config.h"

#include "tests/config/scratch.h"
#include "vsock/vsock.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define S      UINT64_C(1000000000)
#define NAME48 "123456789012345678901234567890123456789012345678"

static struct scratch_result read_right(const char *text, const char *const *routes, size_t count)
{
    struct scratch_result result = scratch_read_text(text, routes, count);
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

/* name, written listener, what it is resolved to, the same of the target */
static void expect_route(const struct route *route, const char *name, const char *listen,
                         const char *listen_resolved, const char *target, const char *resolved)
{
    cr_expect_str_eq(route->name, name);
    cr_assert_gt(route->listen_count, 0);
    expect_endpoint(&route->listens[0].written, listen);
    expect_endpoint(&route->listens[0].resolved, listen_resolved);
    expect_endpoint(&route->targets[0].written, target);
    expect_endpoint(&route->targets[0].resolved, resolved);
}

Test(template, named_guests_have_routes_of_their_own_and_templates_stand_behind)
{
    static const char *const routes[] = {"mux:/run/{name}.mux=guest:{name}:*"};
    struct scratch_result result =
        read_right("[route ssh]\nlisten = unix:/run/{name}/{name}.ssh\ntarget = guest:{name}:22\n"
                   "[guest web]\naddress = vsock:3\n"
                   "[route plain]\nlisten = tcp:*:1\ntarget = guest:web:1\n"
                   "[guest *]\naddress = vsock-mux:/run/vms/{name}/v\n"
                   "[guest fc]\naddress = vsock-mux:/fc\n",
                   routes, 1);
    const struct config *config = result.config;
    const struct route *route = config->routes;

    cr_assert_eq(config->route_count, 5);
    cr_assert_eq(config->template_count, 2);
    expect_route(&route[0], "plain", "tcp:*:1", "tcp:*:1", "guest:web:1", "vsock:3:1");
    expect_route(&route[1], "ssh@web", "unix:/run/web/web.ssh", "unix:/run/web/web.ssh",
                 "guest:web:22", "vsock:3:22");
    expect_route(&route[2], "ssh@fc", "unix:/run/fc/fc.ssh", "unix:/run/fc/fc.ssh", "guest:fc:22",
                 "vsock-mux:/fc:22");
    expect_route(&route[3], "mux:/run/{name}.mux@web", "mux:/run/web.mux", "mux:/run/web.mux",
                 "guest:web:*", "vsock:3:*");
    expect_route(&route[4], "mux:/run/{name}.mux@fc", "mux:/run/fc.mux", "mux:/run/fc.mux",
                 "guest:fc:*", "vsock-mux:/fc:*");
    expect_route(&route[5], "ssh", "unix:/run/{name}/{name}.ssh", "unix:/run/{name}/{name}.ssh",
                 "guest:{name}:22", "guest:{name}:22");
    cr_expect_str_eq(route[6].name, "mux:/run/{name}.mux");
    cr_expect_eq(route[1].targets[0].guest, &config->guests[0]);
    cr_expect_eq(route[2].targets[0].guest, &config->guests[2]);
    cr_expect_eq(config->guest_each, &config->guests[1]);
    cr_expect_eq(route[2].line, 1);
    cr_expect_eq(route_target_port(&route[4].targets[0], &route[4].listens[0]),
                 ENDPOINT_PORT_NAMED);
    cr_expect_null(route[4].file);
    scratch_free(&result);
    scratch_leaks_check();
}

Test(template, without_a_guest_each_there_is_none)
{
    struct scratch_result result = read_right("[guest web]\naddress = vsock:3\n", NULL, 0);

    cr_expect_null(result.config->guest_each);
    cr_expect_eq(result.config->template_count, 0);
    scratch_free(&result);
}

Test(template, guests_dial_through_listeners_of_their_own)
{
    struct scratch_result result =
        read_right("[guest a]\naddress = vsock:3\n[guest b]\naddress = vsock-mux:/b\n"
                   "[guest db]\naddress = vsock-mux:/db\n"
                   "[route db]\nlisten = guest:{name}:5000-5001\ntarget = guest:db:1-2\n",
                   NULL, 0);
    const struct route *route = result.config->routes;

    cr_assert_eq(result.config->route_count, 3);
    expect_route(&route[0], "db@a", "guest:a:5000", "vsock:any:5000", "guest:db:1",
                 "vsock-mux:/db:1");
    cr_expect_eq(route[0].listens[0].peer_cid, 3);
    cr_expect_eq(route[0].listens[1].peer_cid, 3);
    cr_expect_eq(route_target_port(&route[0].targets[0], &route[0].listens[1]), 2);
    expect_route(&route[1], "db@b", "guest:b:5000", "vsock-mux:/b:5000", "guest:db:1",
                 "vsock-mux:/db:1");
    expect_endpoint(&route[1].listens[1].resolved, "vsock-mux:/b:5001");
    cr_expect_eq(route[1].listens[1].guest, &result.config->guests[1]);
    cr_expect_eq(route[1].targets[0].guest, &result.config->guests[2]);
    scratch_free(&result);
}

static const char each_text[] =
    "[guest *]\naddress = vsock-mux:/run/{name}/{name}.sock\nvmm = firecracker\n"
    "half-close = pass\nmax-sessions = 7\n"
    "[guest db]\naddress = vsock:9\n"
    "[global]\nconnect-timeout = 7s\n"
    "[route plain]\nlisten = tcp:*:1\ntarget = guest:db:1\n"
    "[route all]\nlisten = mux:/run/{name}.mux\nlisten = mux:/run/{name}.too\n"
    "target = guest:{name}:*\nports = 22 8000-8080\nwait-for-guest = 60s\nwait-for = booting\n"
    "wait-max = 3\nidle-timeout = 2m\ndead-guest-probe = off\nkeepalive = off\nbacklog = 17\n"
    "lane = copy\nmode = 0660\nowner = 7:8\n"
    "[route in]\nlisten = guest:{name}:5000-5009\ntarget = guest:db:1-10\n";

static void expect_all(const struct config *config)
{
    const struct guest *guest = &config->guests[0];
    const struct route *all = &config->routes[0];
    const struct route *in = &config->routes[1];

    cr_assert_eq(config->guest_count, 1);
    cr_expect_str_eq(guest->name, "vm1");
    expect_endpoint(&guest->address, "vsock-mux:/run/vm1/vm1.sock:0");
    cr_expect_eq(guest->vmm, GUEST_VMM_FIRECRACKER);
    cr_expect_eq(guest->half_close, GUEST_HALF_CLOSE_PASS);
    cr_expect_eq(guest->sessions_max, 7);
    cr_expect_str_eq(guest->file, SCRATCH_FILE);
    cr_expect_eq(guest->line, 1);

    cr_assert_eq(config->route_count, 2);
    cr_expect_eq(config->template_count, 0);
    expect_route(all, "all@vm1", "mux:/run/vm1.mux", "mux:/run/vm1.mux", "guest:vm1:*",
                 "vsock-mux:/run/vm1/vm1.sock:*");
    cr_assert_eq(all->listen_count, 2);
    expect_endpoint(&all->listens[1].resolved, "mux:/run/vm1.too");
    cr_expect_eq(all->targets[0].guest, guest);
    cr_assert_eq(all->port_range_count, 2);
    cr_expect_eq(all->ports[1].first, 8000);
    cr_expect_eq(all->ports[1].last, 8080);
    cr_expect_eq(all->connect_timeout_ns, 7 * S);
    cr_expect_eq(all->wait_ns, 60 * S);
    cr_expect_eq(all->wait_phases, GUEST_PHASE_BOOTING);
    cr_expect_eq(all->wait_max, 3);
    cr_expect_eq(all->idle_timeout_ns, 120 * S);
    cr_expect_eq(all->guest_probe_ns, 0);
    cr_expect_eq(all->keepalive_ns, 0);
    cr_expect_eq(all->backlog, 17);
    cr_expect_eq(all->lane, ROUTE_LANE_COPY);
    cr_expect_eq(all->mode, 0660);
    cr_expect_eq(all->owner_uid, 7);
    cr_expect_eq(all->owner_gid, 8);
    cr_expect_str_eq(all->file, SCRATCH_FILE);

    expect_route(in, "in@vm1", "guest:vm1:5000", "vsock-mux:/run/vm1/vm1.sock:5000", "guest:db:1",
                 "vsock:9:1");
    cr_assert_eq(in->listen_count, 10);
    expect_endpoint(&in->listens[9].resolved, "vsock-mux:/run/vm1/vm1.sock:5009");
    cr_expect_eq(route_target_port(&in->targets[0], &in->listens[9]), 10);
    cr_expect_eq(in->listens[9].guest, guest);
    cr_expect_str_eq(in->targets[0].guest->name, "db");
}

/* Its strings and its other guests are its parent's, which lives on for it. */
Test(template, a_guest_that_appears_outlives_the_configuration_it_is_of)
{
    struct scratch_result result = read_right(each_text, NULL, 0);
    struct config *first = config_of_guest(result.config, "vm1", &result.problems);
    struct config *second = config_of_guest(result.config, "vm2", &result.problems);

    cr_assert_not_null(first);
    cr_assert_not_null(second);
    cr_expect_eq(result.config->references, 3);
    config_free(second);
    cr_expect_eq(result.config->references, 2);
    scratch_free(&result);
    cr_expect_eq(first->parent->references, 1);
    expect_all(first);
    config_ref(first);
    config_free(first);
    expect_all(first);
    config_free(first);
    scratch_leaks_check();
}

/* They are made anew, and alike. */
Test(template, a_guest_may_come_again)
{
    struct scratch_result result = read_right(each_text, NULL, 0);

    for (unsigned i = 0; i < 3; i++) {
        struct config *guest = config_of_guest(result.config, "vm1", &result.problems);
        cr_assert_not_null(guest);
        expect_all(guest);
        config_free(guest);
        cr_expect_eq(result.config->references, 1);
    }
    scratch_free(&result);
    scratch_leaks_check();
}

static const char *const routes_of_command_line[] = {
    "unix:/run/{name}.123456789012345678901234567890123456789012345678901234=guest:{name}:80"};

Test(template, a_guest_with_too_long_a_path_is_told)
{
    static const struct {
        const char *text;
        size_t route_count;
        const char *problem; /* NULL: it fits */
    } cases[] = {
        {"[guest *]\naddress = vsock-mux:/{name}/{name}/12345678\n", 0, NULL},
        {"[guest *]\naddress = vsock-mux:/{name}/{name}/123456789\n", 0,
         SCRATCH_FILE ":1: the path of guest '" NAME48
                      "' is longer than that of a Unix socket may be"},
        {"[guest *]\naddress = vsock-mux:/{name}/v\n\n[route a]\n"
         "listen = unix:/{name}/{name}/1234567890\ntarget = guest:{name}:1\n",
         0,
         SCRATCH_FILE ":4: 'unix:/{name}/{name}/1234567890' is too long for guest '" NAME48
                      "'; the path of a Unix socket has at most 107 bytes"},
        {"[guest *]\naddress = vsock-mux:/{name}/v\n[route a]\nlisten = unix:/{name}\n"
         "target = unix:/{name}/{name}/1234567890\n",
         0,
         SCRATCH_FILE ":3: 'unix:/{name}/{name}/1234567890' is too long for guest '" NAME48
                      "'; the path of a Unix socket has at most 107 bytes"},
        {"[guest *]\naddress = vsock-mux:/{name}/{name}/v1234\n[route a]\n"
         "listen = guest:{name}:99\n\n  guest:{name}:99-100\ntarget = tcp:b:1\n",
         0,
         SCRATCH_FILE ":6: 'guest:" NAME48 ":100' binds '/" NAME48 "/" NAME48
                      "/v1234_100', of 108 bytes; the path of a Unix socket has at most 107"},
        {"[guest *]\naddress = vsock-mux:/{name}/v\n", 1,
         "'unix:/run/{name}.123456789012345678901234567890123456789012345678901234': "
         "'unix:/run/{name}.123456789012345678901234567890123456789012345678901234' is too long "
         "for "
         "guest '" NAME48 "'; the path of a Unix socket has at most 107 bytes"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct scratch_result result =
            read_right(cases[i].text, routes_of_command_line, cases[i].route_count);
        struct problems problems;
        problems_init(&problems);
        struct config *guest = config_of_guest(result.config, NAME48, &problems);
        cr_expect_eq(guest == NULL, cases[i].problem != NULL, "%s", cases[i].text);
        cr_expect_eq(problems.count, cases[i].problem ? 1 : 0, "%s", cases[i].text);
        if (cases[i].problem && problems.first)
            cr_expect_str_eq(problems.first->text, cases[i].problem);
        problems_deinit(&problems);
        config_free(guest);
        cr_expect_eq(result.config->references, 1);
        /* a shorter name fits */
        guest = config_of_guest(result.config, "a", &result.problems);
        cr_expect_not_null(guest, "%s", cases[i].text);
        config_free(guest);
        scratch_free(&result);
    }
    scratch_leaks_check();
}

/* Templates without [guest *], and [guest *] without templates. */
Test(template, either_may_be_alone)
{
    struct scratch_result result =
        read_right("[guest *]\naddress = vsock-mux:/{name}/v\n", NULL, 0);
    struct config *guest = config_of_guest(result.config, "a", &result.problems);

    cr_assert_not_null(guest);
    cr_expect_eq(guest->route_count, 0);
    config_free(guest);
    scratch_free(&result);

    result = read_right("[guest a]\naddress = vsock:3\n[route r]\nlisten = unix:/{name}\n"
                        "target = guest:{name}:1\n",
                        NULL, 0);
    cr_expect_null(result.config->guest_each);
    cr_expect_eq(result.config->route_count, 1);
    cr_expect_eq(result.config->template_count, 1);
    scratch_free(&result);
}

Test(template, many_guests_and_templates)
{
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);

    for (unsigned i = 0; i < 40; i++)
        fprintf(stream,
                "[guest g%u]\naddress = vsock:%u\n[route r%u]\nlisten = unix:/{name}/%u\n"
                "target = guest:{name}:80\n",
                i, 3 + i, i, i);
    fclose(stream);
    struct scratch_result result = read_right(text, NULL, 0);
    cr_assert_eq(result.config->route_count, 1600);
    cr_assert_eq(result.config->template_count, 40);
    for (unsigned i = 0; i < 1600; i++) {
        const struct route *route = &result.config->routes[i];
        char name[64];
        snprintf(name, sizeof(name), "r%u@g%u", i / 40, i % 40);
        cr_expect_str_eq(route->name, name);
        cr_expect_eq(route->targets[0].resolved.cid, 3 + i % 40);
    }
    free(text);
    scratch_free(&result);
    scratch_leaks_check();
}

/* Several targets of a route: what is read, what a template makes of it, what is shown. */
#include "tests/config/scratch.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define S UINT64_C(1000000000)

static struct scratch_result read_right(const char *text)
{
    struct scratch_result result = scratch_read_text(text, NULL, 0);
    char *problems = scratch_problems(&result);

    cr_assert_str_eq(problems, "", "of:\n%s\nis:\n%s", text, problems);
    free(problems);
    return result;
}

static void expect_target(const struct route_target *target, const char *written,
                          const char *resolved)
{
    char text[ENDPOINT_TEXT_BYTES];

    endpoint_format_ports(&target->written, target->port_count, text);
    cr_expect_str_eq(text, written);
    endpoint_format_ports(&target->resolved, target->port_count, text);
    cr_expect_str_eq(text, resolved);
}

Test(targets, a_list_and_its_keys)
{
    struct scratch_result result = read_right(
        "[guest g]\naddress = vsock:3\n"
        "[route a]\nlisten = tcp:*:8000-8001\ntarget = tcp:b:80\n  guest:g:80-81 unix:/a b\n"
        "target = vsock-mux:/m:80\nbalance = least-sessions\nretries = 2\nfail-max = 0\n"
        "fail-time = 500ms\ncheck = connect\ncheck-interval = 250ms\ncheck-timeout = 1s\n"
        "check-send = a\\r\\n\\x00\\\\\ncheck-expect = \\x41b\ncheck-rise = 4\ncheck-fall = 5\n"
        "[route b]\nlisten = tcp:*:1\ntarget = tcp:b:1\n");
    const struct route *route = result.config->routes;

    cr_assert_eq(route->target_count, 4);
    expect_target(&route->targets[0], "tcp:b:80", "tcp:b:80");
    expect_target(&route->targets[1], "guest:g:80-81", "vsock:3:80-81");
    expect_target(&route->targets[2], "unix:/a b", "unix:/a b");
    expect_target(&route->targets[3], "vsock-mux:/m:80", "vsock-mux:/m:80");
    cr_expect_eq(route_target_port(&route->targets[0], &route->listens[1]), 80);
    cr_expect_eq(route_target_port(&route->targets[1], &route->listens[1]), 81);
    cr_expect_null(route->targets[0].guest);
    cr_expect_eq(route->targets[1].guest, result.config->guests);
    cr_expect_eq(route->balance, ROUTE_BALANCE_LEAST_SESSIONS);
    cr_expect_eq(route->retries, 2);
    cr_expect_eq(route->fail_max, 0);
    cr_expect_eq(route->fail_ns, S / 2);
    cr_expect(route->check.connects);
    cr_expect_eq(route->check.interval_ns, S / 4);
    cr_expect_eq(route->check.timeout_ns, S);
    cr_expect_eq(route->check.rise, 4);
    cr_expect_eq(route->check.fall, 5);
    cr_assert_eq(route->check.send.length, 5);
    cr_expect_arr_eq(route->check.send.bytes, "a\r\n\0\\", 5);
    cr_assert_eq(route->check.expect.length, 2);
    cr_expect_arr_eq(route->check.expect.bytes, "Ab", 2);
    route++;
    cr_expect_eq(route->balance, ROUTE_BALANCE_ROUND_ROBIN);
    cr_expect_eq(route->retries, ROUTE_RETRIES_ALL);
    cr_expect_eq(route->fail_max, 3);
    cr_expect_eq(route->fail_ns, 10 * S);
    cr_expect(!route->check.connects);
    cr_expect_eq(route->check.interval_ns, 5 * S);
    cr_expect_eq(route->check.timeout_ns, 2 * S);
    cr_expect_eq(route->check.rise, 2);
    cr_expect_eq(route->check.fall, 3);
    scratch_free(&result);
    scratch_leaks_check();
}

/* A guest that the template names besides is one target. */
Test(targets, a_template_names_its_guest_among_others)
{
    struct scratch_result result =
        read_right("[guest g]\naddress = vsock:3\n[guest spare]\naddress = vsock:4\n"
                   "[route a]\nlisten = unix:/run/{name}\ntarget = guest:{name}:1 guest:spare:1\n"
                   "balance = failover\ncheck = connect\ncheck-expect = x\n");
    const struct route *routes = result.config->routes;

    cr_assert_eq(result.config->route_count, 2);
    cr_assert_eq(routes[0].target_count, 2);
    expect_target(&routes[0].targets[0], "guest:g:1", "vsock:3:1");
    expect_target(&routes[0].targets[1], "guest:spare:1", "vsock:4:1");
    cr_assert_eq(routes[1].target_count, 1);
    expect_target(&routes[1].targets[0], "guest:spare:1", "vsock:4:1");
    cr_expect_eq(routes[1].check.expect.bytes[0], 'x');
    cr_expect_neq(routes[1].check.expect.bytes, routes[0].check.expect.bytes);
    scratch_free(&result);
    scratch_leaks_check();
}

Test(targets, in_the_table)
{
    struct scratch_result result =
        read_right("[route a]\nlisten = tcp:*:1\ntarget = tcp:b:1 tcp:c:1\nbalance = failover\n"
                   "retries = 0\nfail-max = 1\nfail-time = 1m\ncheck = connect\n"
                   "check-interval = 1s\ncheck-timeout = 100ms\ncheck-send = ab\n"
                   "check-expect = c\ncheck-rise = 1\ncheck-fall = 1\n");
    char *table = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&table, &bytes);

    cr_assert_eq(config_print(result.config, stream), 0);
    fclose(stream);
    cr_expect_str_eq(table,
                     "ROUTE  LISTEN   TARGET           OPTIONS\n"
                     "a      tcp:*:1  tcp:b:1 tcp:c:1  balance=failover retries=0 fail-max=1 "
                     "fail-time=1m check=connect check-interval=1s check-timeout=100ms "
                     "check-send=(2 bytes) check-expect=(1 bytes) check-rise=1 check-fall=1\n");
    free(table);
    scratch_free(&result);
}

/* The routing table as it is printed. */
#include "tests/config/scratch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void expect_table(const char *text, const char *const *routes, size_t route_count,
                         const char *expected)
{
    struct scratch_result result = scratch_read_text(text, routes, route_count);
    char *table = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&table, &bytes);

    cr_assert_eq(config_print(result.config, stream), 0);
    fclose(stream);
    cr_expect_str_eq(table, expected, "is:\n%s\nshould be:\n%s", table, expected);
    free(table);
    scratch_free(&result);
    scratch_leaks_check();
}

Test(table, a_row_for_each_listener_and_what_differs_from_the_defaults)
{
    static const char *const routes[] = {"tcp:[::1]:82=vsock:host:80"};

    expect_table(
        "[guest web1]\naddress = vsock:3\n"
        "[guest fc7]\naddress = vsock-mux:/run/fc7/v.sock\n"
        "[route web]\nlisten = tcp:127.0.0.1:8080 unix:/run/web\ntarget = guest:web1:80\n"
        "mode = 0660\nowner = root:7\nkeepalive = off\n"
        "[route ssh]\nlisten = unix:@ssh\ntarget = guest:fc7:22\nconnect-timeout = 1500ms\n"
        "backlog = 17\n"
        "[route db]\nlisten = guest:web1:5432 guest:fc7:5432\ntarget = tcp:db:5432\n"
        "keepalive = 2m\nowner = :7\n",
        routes, 1,
        "ROUTE         LISTEN                                           TARGET                     "
        "                  OPTIONS\n"
        "web           tcp:127.0.0.1:8080                               guest:web1:80 (vsock:3:80) "
        "                  keepalive=off\n"
        "web           unix:/run/web                                    guest:web1:80 (vsock:3:80) "
        "                  keepalive=off mode=0660 owner=0:7\n"
        "ssh           unix:@ssh                                        guest:fc7:22 "
        "(vsock-mux:/run/fc7/v.sock:22)  connect-timeout=1500ms backlog=17\n"
        "db            guest:web1:5432 (vsock:any:5432)                 tcp:db:5432                "
        "                  keepalive=2m only-from-cid=3\n"
        "db            guest:fc7:5432 (vsock-mux:/run/fc7/v.sock:5432)  tcp:db:5432                "
        "                  keepalive=2m owner=:7\n"
        "tcp:[::1]:82  tcp:[::1]:82                                     vsock:host:80\n");
}

Test(table, no_options_no_column)
{
    expect_table("[route a]\nlisten = tcp:*:1\ntarget = tcp:b:1\n", NULL, 0,
                 "ROUTE  LISTEN   TARGET\n"
                 "a      tcp:*:1  tcp:b:1\n");
    expect_table("", NULL, 0, "ROUTE  LISTEN  TARGET\n");
}

Test(table, waiting_for_a_guest)
{
    expect_table("[route a]\nlisten = tcp:*:1\ntarget = vsock:3:1\nwait-for-guest = 90s\n"
                 "wait-max = 5\n",
                 NULL, 0,
                 "ROUTE  LISTEN   TARGET     OPTIONS\n"
                 "a      tcp:*:1  vsock:3:1  wait-for-guest=90s wait-max=5\n");
}

Test(table, bandwidths)
{
    expect_table("[route a]\nlisten = tcp:*:1\ntarget = tcp:b:1\nbandwidth = 100G\n"
                 "session-bandwidth = 1K\n"
                 "[route b]\nlisten = tcp:*:2\ntarget = tcp:b:1\nbandwidth = 1500000\n"
                 "session-bandwidth = off\n"
                 "[route c]\nlisten = tcp:*:3\ntarget = tcp:b:1\nbandwidth = 0\n",
                 NULL, 0,
                 "ROUTE  LISTEN   TARGET   OPTIONS\n"
                 "a      tcp:*:1  tcp:b:1  bandwidth=100G session-bandwidth=1K\n"
                 "b      tcp:*:2  tcp:b:1  bandwidth=1500000\n"
                 "c      tcp:*:3  tcp:b:1\n");
}

Test(table, limits)
{
    expect_table("[route a]\nlisten = tcp:*:1\ntarget = tcp:b:1\nmax-sessions-per-source = 5\n"
                 "max-rate-per-source = 6\nat-limit = wait\n"
                 "[route b]\nlisten = tcp:*:2\ntarget = tcp:b:1\nat-limit = refuse\n",
                 NULL, 0,
                 "ROUTE  LISTEN   TARGET   OPTIONS\n"
                 "a      tcp:*:1  tcp:b:1  max-sessions-per-source=5 max-rate-per-source=6 "
                 "at-limit=wait\n"
                 "b      tcp:*:2  tcp:b:1\n");
}

Test(table, proxy_headers)
{
    expect_table("[route a]\nlisten = tcp:*:1\ntarget = tcp:b:1\naccept-proxy = yes\n"
                 "send-proxy = v2\n"
                 "[route b]\nlisten = tcp:*:2\ntarget = tcp:b:1\naccept-proxy = no\n"
                 "send-proxy = v1\n"
                 "[route c]\nlisten = tcp:*:3\ntarget = tcp:b:1\nsend-proxy = no\n",
                 NULL, 0,
                 "ROUTE  LISTEN   TARGET   OPTIONS\n"
                 "a      tcp:*:1  tcp:b:1  accept-proxy=yes send-proxy=v2\n"
                 "b      tcp:*:2  tcp:b:1  send-proxy=v1\n"
                 "c      tcp:*:3  tcp:b:1\n");
}

Test(table, a_range_is_one_row)
{
    expect_table("[guest web1]\naddress = vsock:3\n"
                 "[route a]\nlisten = tcp:*:8000-8009 tcp:*:90\ntarget = guest:web1:80\n"
                 "[route b]\nlisten = guest:web1:1-3\ntarget = tcp:db:4-6\n",
                 NULL, 0,
                 "ROUTE  LISTEN                          TARGET                      OPTIONS\n"
                 "a      tcp:*:8000-8009                 guest:web1:80 (vsock:3:80)\n"
                 "a      tcp:*:90                        guest:web1:80 (vsock:3:80)\n"
                 "b      guest:web1:1-3 (vsock:any:1-3)  tcp:db:4-6                  "
                 "only-from-cid=3\n");
}

Test(table, templates_stand_below_what_they_made)
{
    static const char *const routes[] = {"mux:/run/{name}=machine:m:*"};

    expect_table(
        "[route ssh]\nlisten = unix:/run/{name}.ssh\ntarget = guest:{name}:22\n"
        "mode = 0600\n"
        "[guest *]\naddress = vsock-mux:/run/vms/{name}/v\n"
        "[guest fc]\naddress = vsock-mux:/fc\n"
        "[route z]\nlisten = tcp:*:1\ntarget = guest:fc:1\n",
        routes, 1,
        "ROUTE               LISTEN                TARGET                          OPTIONS\n"
        "z                   tcp:*:1               guest:fc:1 (vsock-mux:/fc:1)\n"
        "ssh@fc              unix:/run/fc.ssh      guest:fc:22 (vsock-mux:/fc:22)  mode=0600\n"
        "mux:/run/{name}@fc  mux:/run/fc           machine:m:*\n"
        "ssh                 unix:/run/{name}.ssh  guest:{name}:22                 mode=0600\n"
        "mux:/run/{name}     mux:/run/{name}       machine:m:*\n");
}

Test(table, ports_and_times)
{
    expect_table("[route a]\nlisten = mux:/a\ntarget = vsock:3:*\nports = 22, 80-80 8000-8080\n"
                 "  4294967294\nidle-timeout = 90s\ndead-guest-probe = off\n"
                 "[route b]\nlisten = mux:@b\ntarget = vsock:3:*\ndead-guest-probe = 2m\n"
                 "[route c]\nlisten = tcp:*:1\ntarget = vsock:3:1\ndead-guest-probe = 60s\n"
                 "idle-timeout = off\n",
                 NULL, 0,
                 "ROUTE  LISTEN   TARGET     OPTIONS\n"
                 "a      mux:/a   vsock:3:*  ports=22,80,8000-8080,4294967294 idle-timeout=90s "
                 "dead-guest-probe=off\n"
                 "b      mux:@b   vsock:3:*  dead-guest-probe=2m\n"
                 "c      tcp:*:1  vsock:3:1\n");
}

Test(table, columns_are_as_wide_as_characters_not_bytes)
{
    expect_table("[route a]\nlisten = unix:/\xc3\xa4\xe2\x82\xac unix:/abc\ntarget = tcp:b:1\n",
                 NULL, 0,
                 "ROUTE  LISTEN     TARGET\n"
                 "a      unix:/\xc3\xa4\xe2\x82\xac   tcp:b:1\n"
                 "a      unix:/abc  tcp:b:1\n");
}

/* What could be read of a wrong configuration is printed too. */
Test(table, a_wrong_configuration_does_no_harm)
{
    expect_table("[route a]\nlisten = guest:x:1\n[route b]\ntarget = guest:x:1\n", NULL, 0,
                 "ROUTE  LISTEN     TARGET\n"
                 "a      guest:x:1\n");
}

Test(table, a_full_disk_is_told)
{
    struct scratch_result result = scratch_read_text("", NULL, 0);
    FILE *stream = fopen("/dev/full", "w");

    cr_assert_not_null(stream);
    cr_expect_eq(config_print(result.config, stream), -ENOSPC);
    fclose(stream);
    scratch_free(&result);
}

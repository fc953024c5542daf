/* The endpoint grammar: every spelling of every kind in each role, and the words for every refusal.
 */
#include "config/endpoint.h"

#include "vsock/vsock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define BOTH -1

static const char *const role_names[] = {
    [ENDPOINT_LISTEN] = "listen", [ENDPOINT_TARGET] = "target"};

/* 100 bytes */
#define LONG100                                          \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

Test(endpoint, reads_every_spelling)
{
    static const struct {
        const char *text;
        int role;
        struct endpoint endpoint;
    } cases[] = {
        {"tcp:127.0.0.1:8080", BOTH, {ENDPOINT_TCP, 8080, 0, -1, "127.0.0.1"}},
        {"tcp://127.0.0.1:8080", BOTH, {ENDPOINT_TCP, 8080, 0, -1, "127.0.0.1"}},
        {"tcp:localhost:1", BOTH, {ENDPOINT_TCP, 1, 0, -1, "localhost"}},
        {"tcp:my_host.example.:65535", BOTH, {ENDPOINT_TCP, 65535, 0, -1, "my_host.example."}},
        {"tcp:[::1]:80", BOTH, {ENDPOINT_TCP, 80, 0, -1, "::1"}},
        {"tcp://[::1]:80", BOTH, {ENDPOINT_TCP, 80, 0, -1, "::1"}},
        {"tcp:[0:0::1]:80", BOTH, {ENDPOINT_TCP, 80, 0, -1, "::1"}},
        {"tcp:[fe80::1%eth0]:80", BOTH, {ENDPOINT_TCP, 80, 0, -1, "fe80::1%eth0"}},
        {"tcp:[::]:80", BOTH, {ENDPOINT_TCP, 80, 0, -1, "::"}},
        {"tcp:*:80", ENDPOINT_LISTEN, {ENDPOINT_TCP, 80, 0, -1, "*"}},
        {"tcp://*:80", ENDPOINT_LISTEN, {ENDPOINT_TCP, 80, 0, -1, "*"}},
        {"tcp:*:0", ENDPOINT_LISTEN, {ENDPOINT_TCP, 0, 0, -1, "*"}},
        {"tcp:a:0080", BOTH, {ENDPOINT_TCP, 80, 0, -1, "a"}},
        {"unix:/run/x.sock", BOTH, {ENDPOINT_UNIX, 0, 0, -1, "/run/x.sock"}},
        {"unix:/a:b=c d", BOTH, {ENDPOINT_UNIX, 0, 0, -1, "/a:b=c d"}},
        {"unix:/\xc3\xa4", BOTH, {ENDPOINT_UNIX, 0, 0, -1, "/\xc3\xa4"}},
        {"unix:/" LONG100 "cccccc", BOTH, {ENDPOINT_UNIX, 0, 0, -1, "/" LONG100 "cccccc"}},
        {"unix:@x", BOTH, {ENDPOINT_UNIX, 0, 0, -1, "@x"}},
        {"unix:@/x", BOTH, {ENDPOINT_UNIX, 0, 0, -1, "@/x"}},
        {"unix:@" LONG100 "ccccccc", BOTH, {ENDPOINT_UNIX, 0, 0, -1, "@" LONG100 "ccccccc"}},
        {"vsock:3:80", BOTH, {ENDPOINT_VSOCK, 80, 3, -1, ""}},
        {"vsock://3:80", BOTH, {ENDPOINT_VSOCK, 80, 3, -1, ""}},
        {"vsock:3:4294967294", BOTH, {ENDPOINT_VSOCK, 4294967294, 3, -1, ""}},
        {"vsock:4294967294:1", BOTH, {ENDPOINT_VSOCK, 1, 4294967294, -1, ""}},
        {"vsock:local:1", BOTH, {ENDPOINT_VSOCK, 1, VSOCK_CID_LOCAL, -1, ""}},
        {"vsock:host:1", BOTH, {ENDPOINT_VSOCK, 1, VSOCK_CID_HOST, -1, ""}},
        {"vsock:hypervisor:1", BOTH, {ENDPOINT_VSOCK, 1, VSOCK_CID_HYPERVISOR, -1, ""}},
        {"vsock:0:1", BOTH, {ENDPOINT_VSOCK, 1, 0, -1, ""}},
        {"vsock:any:80", ENDPOINT_LISTEN, {ENDPOINT_VSOCK, 80, VSOCK_CID_ANY, -1, ""}},
        {"vsock::80", ENDPOINT_LISTEN, {ENDPOINT_VSOCK, 80, VSOCK_CID_ANY, -1, ""}},
        {"vsock:4294967295:80", ENDPOINT_LISTEN, {ENDPOINT_VSOCK, 80, VSOCK_CID_ANY, -1, ""}},
        {"vsock:any:0", ENDPOINT_LISTEN, {ENDPOINT_VSOCK, 0, VSOCK_CID_ANY, -1, ""}},
        {"vsock-mux:/run/v.sock:80", BOTH, {ENDPOINT_VSOCK_MUX, 80, 0, -1, "/run/v.sock"}},
        {"vsock-mux:/a:b:80", BOTH, {ENDPOINT_VSOCK_MUX, 80, 0, -1, "/a:b"}},
        {"vsock-mux:/a:4294967294", BOTH, {ENDPOINT_VSOCK_MUX, 4294967294, 0, -1, "/a"}},
        {"vsock-mux:/" LONG100 "ccc:80", BOTH, {ENDPOINT_VSOCK_MUX, 80, 0, -1, "/" LONG100 "ccc"}},
        {"vsock-mux:/" LONG100 "cccccc:80",
         ENDPOINT_TARGET,
         {ENDPOINT_VSOCK_MUX, 80, 0, -1, "/" LONG100 "cccccc"}},
        {"guest:web1:80", BOTH, {ENDPOINT_GUEST, 80, 0, -1, "web1"}},
        {"guest:A.b_c-1:4294967294", BOTH, {ENDPOINT_GUEST, 4294967294, 0, -1, "A.b_c-1"}},
        {"guest:web1:0", ENDPOINT_LISTEN, {ENDPOINT_GUEST, 0, 0, -1, "web1"}},
        {"fd:0", ENDPOINT_LISTEN, {ENDPOINT_FD, 0, 0, 0, ""}},
        {"fd:3", ENDPOINT_LISTEN, {ENDPOINT_FD, 0, 0, 3, ""}},
        {"fd:2147483647", ENDPOINT_LISTEN, {ENDPOINT_FD, 0, 0, 2147483647, ""}},
        {"fd:web.socket", ENDPOINT_LISTEN, {ENDPOINT_FD, 0, 0, -1, "web.socket"}},
        {"fd:3x", ENDPOINT_LISTEN, {ENDPOINT_FD, 0, 0, -1, "3x"}},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (int role = ENDPOINT_LISTEN; role <= ENDPOINT_TARGET; role++) {
            struct endpoint endpoint = {.fd = 99};
            char error[ENDPOINT_ERROR_BYTES] = "";
            int r = endpoint_parse(cases[i].text, (enum endpoint_role)role, &endpoint, error);
            if (cases[i].role != BOTH && cases[i].role != role) {
                cr_expect_eq(r, -EINVAL, "%s as a %s", cases[i].text, role_names[role]);
                continue;
            }
            cr_expect_eq(r, 0, "%s: %s", cases[i].text, error);
            cr_expect(endpoint_equal(&endpoint, &cases[i].endpoint), "%s", cases[i].text);
            cr_expect(endpoint.kind == cases[i].endpoint.kind &&
                          endpoint.port == cases[i].endpoint.port &&
                          endpoint.cid == cases[i].endpoint.cid &&
                          endpoint.fd == cases[i].endpoint.fd &&
                          strcmp(endpoint.name, cases[i].endpoint.name) == 0,
                      "%s", cases[i].text);
            cr_expect_str_eq(error, "");
        }
    }
}

struct refusal {
    int role;
    const char *text;
    const char *error;
};

static void expect_refusals(const struct refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (int role = ENDPOINT_LISTEN; role <= ENDPOINT_TARGET; role++) {
            struct endpoint endpoint = {.fd = 99};
            char error[ENDPOINT_ERROR_BYTES] = "";
            if (cases[i].role != BOTH && cases[i].role != role)
                continue;
            cr_expect_eq(endpoint_parse(cases[i].text, (enum endpoint_role)role, &endpoint, error),
                         -EINVAL, "%s as a %s", cases[i].text, role_names[role]);
            cr_expect_str_eq(error, cases[i].error, "%s as a %s:\n  %s\n  %s", cases[i].text,
                             role_names[role], error, cases[i].error);
            cr_expect_eq(endpoint.fd, 99, "'%s' touched its output", cases[i].text);
        }
    }
}

#define LISTEN ENDPOINT_LISTEN
#define TARGET ENDPOINT_TARGET

Test(endpoint, refuses_tcp_with_words)
{
    static const struct refusal cases[] = {
        {BOTH, "tcp:", "'tcp:' has no port; write 'tcp:HOST:PORT'"},
        {BOTH, "tcp://", "'tcp://' has no port; write 'tcp:HOST:PORT'"},
        {BOTH, "tcp:localhost", "'tcp:localhost' has no port; write 'tcp:HOST:PORT'"},
        {BOTH, "tcp:8080", "'tcp:8080' has no port; write 'tcp:HOST:PORT'"},
        {BOTH, "tcp:[::1]", "'tcp:[::1]' has no port; write 'tcp:HOST:PORT'"},
        {LISTEN, "tcp::80",
         "'tcp::80' has no host; write 'tcp:HOST:PORT', with '*' for all addresses"},
        {TARGET, "tcp::80", "'tcp::80' has no host; write 'tcp:HOST:PORT'"},
        {TARGET, "tcp:*:80", "'*' in 'tcp:*:80' is for listening only; name one host"},
        {LISTEN, "tcp:a:http",
         "'http' in 'tcp:a:http' is no port; a TCP port is a number from 1 to 65535, or 0 for any "
         "that is free"},
        {TARGET, "tcp:a:http",
         "'http' in 'tcp:a:http' is no port; a TCP port is a number from 1 to 65535"},
        {TARGET, "tcp:a:65536",
         "'65536' in 'tcp:a:65536' is no port; a TCP port is a number from 1 to 65535"},
        {TARGET, "tcp:a:-1",
         "'-1' in 'tcp:a:-1' is no port; a TCP port is a number from 1 to 65535"},
        {TARGET, "tcp:a:80/",
         "'80/' in 'tcp:a:80/' is no port; a TCP port is a number from 1 to 65535"},
        {TARGET, "tcp:a:99999999999999999999",
         "'99999999999999999999' in 'tcp:a:99999999999999999999' is no port; a TCP port is a "
         "number "
         "from 1 to 65535"},
        {TARGET, "tcp:a:", "'tcp:a:' is no port; a TCP port is a number from 1 to 65535"},
        {TARGET, "tcp:a:0",
         "'0' in 'tcp:a:0' cannot be the port of a target; give a number from 1 to 65535"},
        {BOTH, "tcp:::1:80",
         "'::1' in 'tcp:::1:80' is no host; an IPv6 address stands in brackets, as in "
         "'tcp:[::1]:80'"},
        {BOTH, "tcp:a:80:90",
         "'a:80' in 'tcp:a:80:90' is no host; an IPv6 address stands in brackets, as in "
         "'tcp:[::1]:80'"},
        {BOTH, "tcp:[::g]:80",
         "'[::g]' in 'tcp:[::g]:80' is no IPv6 address; what stands in brackets is one, as in "
         "'tcp:[::1]:80'"},
        {BOTH, "tcp:[]:80",
         "'[]' in 'tcp:[]:80' is no IPv6 address; what stands in brackets is one, as in "
         "'tcp:[::1]:80'"},
        {BOTH, "tcp:[1.2.3.4]:80",
         "'[1.2.3.4]' in 'tcp:[1.2.3.4]:80' is no IPv6 address; what stands in brackets is one, as "
         "in 'tcp:[::1]:80'"},
        {BOTH, "tcp:[::1:80", "'[::1' in 'tcp:[::1:80' lacks the ']' before its port"},
        {BOTH, "tcp:[:80", "'[' in 'tcp:[:80' lacks the ']' before its port"},
        {BOTH, "tcp:[::1]x:80", "'[::1]x' in 'tcp:[::1]x:80' lacks the ']' before its port"},
        {BOTH, "tcp:1.2.3.256:80",
         "'1.2.3.256' in 'tcp:1.2.3.256:80' is no IPv4 address; one has four numbers from 0 to "
         "255"},
        {BOTH, "tcp:1.2.3:80",
         "'1.2.3' in 'tcp:1.2.3:80' is no IPv4 address; one has four numbers from 0 to 255"},
        {BOTH, "tcp:a b:80",
         "'a b' in 'tcp:a b:80' is no host name; one has letters, digits, '-' and '_' between "
         "dots"},
        {BOTH, "tcp:-a:80",
         "'-a' in 'tcp:-a:80' is no host name; one has letters, digits, '-' and '_' between dots"},
    };

    expect_refusals(cases, COUNT_OF(cases));
}

Test(endpoint, refuses_unix_with_words)
{
    static const struct refusal cases[] = {
        {BOTH, "unix:", "'unix:' has no path; write 'unix:/PATH' or 'unix:@NAME'"},
        {BOTH, "unix:run/x",
         "'run/x' in 'unix:run/x' is no absolute path; write 'unix:/PATH', or 'unix:@NAME' for an "
         "abstract one"},
        {BOTH, "unix:@", "'unix:@' has no name after the '@'; write 'unix:@NAME'"},
        {BOTH, "unix:/", "'/' in 'unix:/' is a directory; name the socket in it"},
        {BOTH, "unix:/run/", "'/run/' in 'unix:/run/' is a directory; name the socket in it"},
        {BOTH, "unix:/" LONG100 "ccccccc",
         "'/" LONG100 "ccccccc' in 'unix:/" LONG100
         "ccccccc' has 108 bytes; the path of a Unix socket has at most 107"},
        {BOTH, "unix:@" LONG100 "cccccccc",
         "'@" LONG100 "cccccccc' in 'unix:@" LONG100
         "cccccccc' has 108 bytes behind the '@'; the name of an abstract socket has at most 107"},
        {BOTH, "unix:/a\nb", "'unix:/a\nb' holds a control character; remove it"},
        {BOTH, "unix:/a\x1b[2J", "'unix:/a\x1b[2J' holds a control character; remove it"},
    };

    expect_refusals(cases, COUNT_OF(cases));
}

Test(endpoint, refuses_vsock_with_words)
{
    static const struct refusal cases[] = {
        {LISTEN, "vsock:80",
         "'vsock:80' lacks a CID or a port; write 'vsock:CID:PORT', such as 'vsock:any:80'"},
        {TARGET, "vsock:80",
         "'vsock:80' lacks a CID or a port; write 'vsock:CID:PORT', such as 'vsock:3:80'"},
        {BOTH, "vsock:host", "'vsock:host' has no port; write 'vsock:CID:PORT'"},
        {BOTH, "vsock:", "'vsock:' has no port; write 'vsock:CID:PORT'"},
        {BOTH, "vsock://:80", "'vsock://:80' has no CID; write 'vsock:CID:PORT'"},
        {TARGET, "vsock::80",
         "'vsock::80' has no CID, which only a listener may leave out; write 'vsock:CID:PORT'"},
        {TARGET, "vsock:any:80",
         "'any' in 'vsock:any:80' is for listening only; give the CID of the target, such as "
         "'vsock:3:80'"},
        {TARGET, "vsock:4294967295:80",
         "'4294967295' in 'vsock:4294967295:80' is for listening only; give the CID of the target, "
         "such as 'vsock:3:80'"},
        {BOTH, "vsock:hots:80", "'hots' in 'vsock:hots:80' is no CID; did you mean 'host'?"},
        {BOTH, "vsock:hypervizor:80",
         "'hypervizor' in 'vsock:hypervizor:80' is no CID; did you mean 'hypervisor'?"},
        {BOTH, "vsock:web1:80",
         "'web1' in 'vsock:web1:80' is no CID; one is a number up to 4294967294, or any, local, "
         "host or hypervisor"},
        {BOTH, "vsock:4294967296:80",
         "'4294967296' in 'vsock:4294967296:80' is no CID; one is a number up to 4294967294, or "
         "any, local, host or hypervisor"},
        {BOTH, "vsock:-1:80",
         "'-1' in 'vsock:-1:80' is no CID; one is a number up to 4294967294, or any, local, host "
         "or hypervisor"},
        {LISTEN, "vsock:3:4294967295",
         "'4294967295' in 'vsock:3:4294967295' is no port; a vsock port is a number from 1 to "
         "4294967294, or 0 for any that is free"},
        {TARGET, "vsock:3:4294967295",
         "'4294967295' in 'vsock:3:4294967295' is no port; a vsock port is a number from 1 to "
         "4294967294"},
        {TARGET, "vsock:3:4294967296",
         "'4294967296' in 'vsock:3:4294967296' is no port; a vsock port is a number from 1 to "
         "4294967294"},
        {TARGET, "vsock:3:80:90",
         "'80:90' in 'vsock:3:80:90' is no port; a vsock port is a number from 1 to 4294967294"},
        {TARGET, "vsock:3:ssh",
         "'ssh' in 'vsock:3:ssh' is no port; a vsock port is a number from 1 to 4294967294"},
        {TARGET, "vsock:3:0",
         "'0' in 'vsock:3:0' cannot be the port of a target; give a number from 1 to 4294967294"},
    };

    expect_refusals(cases, COUNT_OF(cases));
}

Test(endpoint, refuses_vsock_mux_with_words)
{
    static const struct refusal cases[] = {
        {BOTH, "vsock-mux:/run/v", "'vsock-mux:/run/v' has no port; write 'vsock-mux:/PATH:PORT'"},
        {BOTH, "vsock-mux:", "'vsock-mux:' has no port; write 'vsock-mux:/PATH:PORT'"},
        {BOTH, "vsock-mux::80", "'vsock-mux::80' has no path; write 'vsock-mux:/PATH:PORT'"},
        {BOTH, "vsock-mux:v:80",
         "'v' in 'vsock-mux:v:80' is no absolute path; one begins with '/'"},
        {BOTH, "vsock-mux:@v:80",
         "'@v' in 'vsock-mux:@v:80' is no absolute path; one begins with '/'"},
        {BOTH, "vsock-mux:/v/:80",
         "'/v/' in 'vsock-mux:/v/:80' is a directory; name the socket in it"},
        {BOTH, "vsock-mux:/v:x",
         "'x' in 'vsock-mux:/v:x' is no port; a vsock port is a number from 1 to 4294967294"},
        {LISTEN, "vsock-mux:/v:0",
         "'0' in 'vsock-mux:/v:0' cannot be the port here; give a number from 1 to 4294967294"},
        {TARGET, "vsock-mux:/v:0",
         "'0' in 'vsock-mux:/v:0' cannot be the port of a target; give a number from 1 to "
         "4294967294"},
        {BOTH, "vsock-mux:/v:4294967295",
         "'4294967295' in 'vsock-mux:/v:4294967295' is no port; a vsock port is a number from 1 to "
         "4294967294"},
        {LISTEN, "vsock-mux:/" LONG100 "cccc:80",
         "'/" LONG100 "cccc' in 'vsock-mux:/" LONG100
         "cccc:80' has 105 bytes; '_PORT' is put behind it, so it has at most 104"},
        {TARGET, "vsock-mux:/" LONG100 "ccccccc:80",
         "'/" LONG100 "ccccccc' in 'vsock-mux:/" LONG100
         "ccccccc:80' has 108 bytes; the path of a Unix socket has at most 107"},
    };

    expect_refusals(cases, COUNT_OF(cases));
}

Test(endpoint, refuses_guests_and_descriptors_with_words)
{
    static const struct refusal cases[] = {
        {BOTH, "guest:web1", "'guest:web1' has no port; write 'guest:NAME:PORT'"},
        {BOTH, "guest::80", "'guest::80' has no name; write 'guest:NAME:PORT'"},
        {BOTH, "guest:a b:80",
         "'a b' in 'guest:a b:80' is no name of a guest; one has at most 48 letters, digits, '.', "
         "'_' and '-'"},
        {BOTH, "guest:a:1:80",
         "'a:1' in 'guest:a:1:80' is no name of a guest; one has at most 48 letters, digits, '.', "
         "'_' and '-'"},
        {TARGET, "guest:a:0",
         "'0' in 'guest:a:0' cannot be the port of a target; give a number from 1 to 4294967294"},
        {TARGET, "guest:a:ssh",
         "'ssh' in 'guest:a:ssh' is no port; a vsock port is a number from 1 to 4294967294"},
        {TARGET, "fd:3",
         "'fd:3' is for listening only; a target is tcp, unix, vsock, vsock-mux, guest or machine"},
        {LISTEN, "fd:", "'fd:' has neither number nor name; write 'fd:N' or 'fd:NAME'"},
        {LISTEN, "fd:-1", "'-1' in 'fd:-1' is no descriptor; one is a number from 0"},
        {LISTEN, "fd:2147483648",
         "'2147483648' in 'fd:2147483648' is no descriptor; one is a number up to 2147483647"},
        {LISTEN, "fd:a:b",
         "'a:b' in 'fd:a:b' is no name of a descriptor; one is ASCII with neither space nor ':'"},
        {LISTEN, "fd:a b",
         "'a b' in 'fd:a b' is no name of a descriptor; one is ASCII with neither space nor ':'"},
    };

    expect_refusals(cases, COUNT_OF(cases));
}

Test(endpoint, guesses_what_was_meant_where_the_kind_is_wrong)
{
    static const struct refusal cases[] = {
        {BOTH, "", "'' is empty; write KIND:ADDRESS:PORT"},
        {BOTH, "localhost:80",
         "'localhost:80' has no kind; a TCP address is written 'tcp:localhost:80'"},
        {BOTH, "1.2.3.4:80", "'1.2.3.4:80' has no kind; a TCP address is written 'tcp:1.2.3.4:80'"},
        {BOTH, "*:80", "'*:80' has no kind; a TCP address is written 'tcp:*:80'"},
        {BOTH, ":80", "':80' has no kind; a TCP address is written 'tcp:*:80'"},
        {BOTH, "[::1]:80", "'[::1]:80' has no kind; a TCP address is written 'tcp:[::1]:80'"},
        {BOTH, "/run/x", "'/run/x' has no kind; a Unix socket is written 'unix:/run/x'"},
        {BOTH, "@x", "'@x' has no kind; a Unix socket is written 'unix:@x'"},
        {LISTEN, "8080", "'8080' has neither kind nor host; write 'tcp:*:8080'"},
        {TARGET, "8080", "'8080' has neither kind nor host; write 'tcp:HOST:8080'"},
        {LISTEN, "web1",
         "'web1' is no endpoint; write KIND:ADDRESS:PORT, such as 'tcp:127.0.0.1:8080'"},
        {TARGET, "web1", "'web1' is no endpoint; write KIND:ADDRESS:PORT, such as 'vsock:3:80'"},
        {BOTH, "tpc:a:80", "'tpc' in 'tpc:a:80' is no kind of endpoint; did you mean 'tcp'?"},
        {BOTH, "TCP:a:80", "'TCP' in 'TCP:a:80' is no kind of endpoint; did you mean 'tcp'?"},
        {BOTH, "vscok:3:80",
         "'vscok' in 'vscok:3:80' is no kind of endpoint; did you mean 'vsock'?"},
        {BOTH, "vsock_mux:/a:80",
         "'vsock_mux' in 'vsock_mux:/a:80' is no kind of endpoint; did you mean 'vsock-mux'?"},
        {BOTH, "http://a/",
         "'http' in 'http://a/' is no kind of endpoint; the kinds are tcp, unix, vsock, vsock-mux, "
         "guest, machine, mux and fd"},
        {BOTH, "\"tcp:a:80\"",
         "'\"tcp:a:80\"' begins with a quotation mark; remove the quotation marks"},
        {BOTH, " tcp:a:80", "' tcp' in ' tcp:a:80' is no kind of endpoint; did you mean 'tcp'?"},
    };

    expect_refusals(cases, COUNT_OF(cases));
}

Test(endpoint, error_texts_have_a_bound)
{
    char text[5000];
    static const char *const beginnings[] = {
        "",       "tcp:", "tcp:[", "unix:", "unix:/", "unix:@", "vsock:",  "vsock-mux:/",
        "guest:", "fd:",  "/",     "\"",    "[",      "tcp:a:", "vsock:3:"};
    static const char *const ends[] = {"", ":80", "]:80", ":"};

    for (size_t i = 0; i < COUNT_OF(beginnings) * COUNT_OF(ends); i++) {
        for (int role = ENDPOINT_LISTEN; role <= ENDPOINT_TARGET; role++) {
            struct endpoint endpoint;
            char error[ENDPOINT_ERROR_BYTES] = "";
            memset(text, 'x', sizeof(text));
            const char *beginning = beginnings[i / COUNT_OF(ends)];
            memcpy(text, beginning, strlen(beginning));
            snprintf(text + 4900, 100, "%s", ends[i % COUNT_OF(ends)]);
            cr_expect_eq(endpoint_parse(text, (enum endpoint_role)role, &endpoint, error), -EINVAL,
                         "%s", beginning);
            cr_expect_gt(strlen(error), 10, "%s", beginning);
        }
    }
}

Test(endpoint, reads_addresses_of_guests)
{
    static const struct {
        const char *text;
        struct endpoint endpoint;
    } cases[] = {
        {"vsock:3", {ENDPOINT_VSOCK, 0, 3, -1, ""}},
        {"vsock://3", {ENDPOINT_VSOCK, 0, 3, -1, ""}},
        {"vsock:2", {ENDPOINT_VSOCK, 0, 2, -1, ""}},
        {"vsock:4294967294", {ENDPOINT_VSOCK, 0, 4294967294, -1, ""}},
        {"vsock:local", {ENDPOINT_VSOCK, 0, 1, -1, ""}},
        {"vsock:host", {ENDPOINT_VSOCK, 0, 2, -1, ""}},
        {"vsock-mux:/run/v.sock", {ENDPOINT_VSOCK_MUX, 0, 0, -1, "/run/v.sock"}},
        {"vsock-mux:/run/a:b", {ENDPOINT_VSOCK_MUX, 0, 0, -1, "/run/a:b"}},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct endpoint endpoint = {.fd = 99};
        char error[ENDPOINT_ERROR_BYTES] = "";
        cr_expect_eq(endpoint_guest_address_parse(cases[i].text, &endpoint, error), 0, "%s: %s",
                     cases[i].text, error);
        cr_expect(endpoint_equal(&endpoint, &cases[i].endpoint), "%s", cases[i].text);
    }
}

Test(endpoint, refuses_addresses_of_guests_with_words)
{
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"vsock:3:80",
         "'vsock:3:80' names a port, which a guest's address does not; write 'vsock:3'"},
        {"vsock-mux:/v:80",
         "'vsock-mux:/v:80' names a port, which a guest's address does not; write 'vsock-mux:/v'"},
        {"vsock:", "'vsock:' has no CID; write 'vsock:CID'"},
        {"vsock-mux:", "'vsock-mux:' has no path; write 'vsock-mux:/PATH'"},
        {"vsock-mux:v", "'v' in 'vsock-mux:v' is no absolute path; one begins with '/'"},
        {"vsock:any",
         "'any' in 'vsock:any' is the CID of no guest; a guest's is a number from 3 to 4294967294, "
         "or local or host"},
        {"vsock:0",
         "'0' in 'vsock:0' is the CID of no guest; a guest's is a number from 3 to 4294967294, or "
         "local or host"},
        {"vsock:hosst", "'hosst' in 'vsock:hosst' is no CID; did you mean 'host'?"},
        {"vsock:4294967296",
         "'4294967296' in 'vsock:4294967296' is no CID; one is a number up to 4294967294, or any, "
         "local, host or hypervisor"},
        {"vsock:00000000000000000000000000000000000000000000000000000000000000000000000000003",
         "'00000000000000000000000000000000000000000000000000000000000000000000000000003' in "
         "'vsock:00000000000000000000000000000000000000000000000000000000000000000000000000003' is "
         "no "
         "CID; one is a number up to 4294967294, or any, local, host or hypervisor"},
        {"tcp:a:80", "'tcp:a:80' is no address of a guest; write 'vsock:CID' or 'vsock-mux:/PATH'"},
        {"3", "'3' is no address of a guest; write 'vsock:CID' or 'vsock-mux:/PATH'"},
        {"vsock:3\n", "'vsock:3\n' holds a control character; remove it"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct endpoint endpoint = {.fd = 99};
        char error[ENDPOINT_ERROR_BYTES] = "";
        cr_expect_eq(endpoint_guest_address_parse(cases[i].text, &endpoint, error), -EINVAL, "%s",
                     cases[i].text);
        cr_expect_str_eq(error, cases[i].error, "%s:\n  %s\n  %s", cases[i].text, error,
                         cases[i].error);
        cr_expect_eq(endpoint.fd, 99);
    }
}

Test(endpoint, begins_with_a_kind)
{
    static const char *const yes[] = {"tcp:", "unix:x",  "vsock:3:4", "vsock-mux:/", "guest:a:80",
                                      "fd:3", "tcp://x", "mux:/a",    "machine:a:1"};
    static const char *const no[] = {
        "", "tcp", "tc:", "tcpp:", " tcp:", "TCP:", ":tcp:", "/tcp:x", "x=tcp:"};

    for (size_t i = 0; i < COUNT_OF(yes); i++)
        cr_expect(endpoint_kind_leads(yes[i]), "%s", yes[i]);
    for (size_t i = 0; i < COUNT_OF(no); i++)
        cr_expect_not(endpoint_kind_leads(no[i]), "%s", no[i]);
}

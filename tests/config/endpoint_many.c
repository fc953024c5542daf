/* Endpoints of routes, which may stand for many: ranges of ports, the port `*`, `{name}`; and mux:
 * and machine: endpoints. What is read of them, what is printed, and the words for every refusal.
 */
#include "config/endpoint.h"

#include "config/name.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#define LISTEN ENDPOINT_LISTEN
#define TARGET ENDPOINT_TARGET
#define BOTH   -1

/* 100 bytes */
#define LONG100                                          \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static bool has_role(int wanted, enum endpoint_role role)
{
    return wanted == BOTH || wanted == (int)role;
}

struct reading {
    int role;
    const char *text;
    uint32_t port_count;
    struct endpoint endpoint;
};

/* Reads each in its roles; what is printed of it is read again to the same. */
static void expect_readings(const struct reading *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (int role = LISTEN; role <= TARGET; role++) {
            struct endpoint endpoint = {.fd = 99};
            char text[ENDPOINT_TEXT_BYTES];
            char error[ENDPOINT_ERROR_BYTES] = "";
            uint32_t port_count = 99;
            if (!has_role(cases[i].role, (enum endpoint_role)role))
                continue;
            cr_expect_eq(endpoint_of_route_parse(cases[i].text, (enum endpoint_role)role, &endpoint,
                                                 &port_count, error),
                         0, "%s: %s", cases[i].text, error);
            cr_expect(endpoint_equal(&endpoint, &cases[i].endpoint), "%s", cases[i].text);
            cr_expect_eq(port_count, cases[i].port_count, "%s", cases[i].text);
            cr_expect_eq(endpoint_format_ports(&endpoint, port_count, text), strlen(text));
            cr_expect_eq(endpoint_of_route_parse(text, (enum endpoint_role)role, &endpoint,
                                                 &port_count, error),
                         0, "%s: %s", text, error);
            cr_expect(endpoint_equal(&endpoint, &cases[i].endpoint), "%s", text);
            cr_expect_eq(port_count, cases[i].port_count, "%s", text);
        }
    }
}

struct refusal {
    int role;
    const char *text;
    const char *error;
};

typedef int parser(const char *text, enum endpoint_role role, struct endpoint *ret, char *error);

static int parse_one(const char *text, enum endpoint_role role, struct endpoint *ret, char *error)
{
    return endpoint_parse(text, role, ret, error);
}

static int parse_many(const char *text, enum endpoint_role role, struct endpoint *ret, char *error)
{
    uint32_t port_count = 99;
    int r = endpoint_of_route_parse(text, role, ret, &port_count, error);

    cr_expect(r == 0 || port_count == 99, "%s", text);
    return r;
}

static void expect_refusals(parser *parse, const struct refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (int role = LISTEN; role <= TARGET; role++) {
            struct endpoint endpoint = {.fd = 99};
            char error[ENDPOINT_ERROR_BYTES] = "";
            if (!has_role(cases[i].role, (enum endpoint_role)role))
                continue;
            cr_expect_eq(parse(cases[i].text, (enum endpoint_role)role, &endpoint, error), -EINVAL,
                         "%s", cases[i].text);
            cr_expect_str_eq(error, cases[i].error, "%s:\n  %s\n  %s", cases[i].text, error,
                             cases[i].error);
            cr_expect_eq(endpoint.fd, 99);
        }
    }
}

Test(endpoint_many, reads_ranges_of_ports)
{
    static const struct reading cases[] = {
        {BOTH, "tcp:a:80", 1, {ENDPOINT_TCP, 80, 0, -1, "a"}},
        {BOTH, "tcp:a:80-80", 1, {ENDPOINT_TCP, 80, 0, -1, "a"}},
        {BOTH, "tcp:a:8000-8009", 10, {ENDPOINT_TCP, 8000, 0, -1, "a"}},
        {BOTH, "tcp:[::1]:1-10000", 10000, {ENDPOINT_TCP, 1, 0, -1, "::1"}},
        {LISTEN, "tcp:*:55536-65535", 10000, {ENDPOINT_TCP, 55536, 0, -1, "*"}},
        {BOTH, "tcp:a:0080-0081", 2, {ENDPOINT_TCP, 80, 0, -1, "a"}},
        {BOTH, "vsock:3:1-2", 2, {ENDPOINT_VSOCK, 1, 3, -1, ""}},
        {BOTH, "vsock:3:4294957295-4294967294", 10000, {ENDPOINT_VSOCK, 4294957295, 3, -1, ""}},
        {BOTH, "vsock-mux:/a:1-3", 3, {ENDPOINT_VSOCK_MUX, 1, 0, -1, "/a"}},
        {BOTH, "vsock-mux:/a:1-2:3", 1, {ENDPOINT_VSOCK_MUX, 3, 0, -1, "/a:1-2"}},
        {BOTH, "guest:a-1:1-3", 3, {ENDPOINT_GUEST, 1, 0, -1, "a-1"}},
        {TARGET, "machine:a-1:1-3", 3, {ENDPOINT_MACHINE, 1, 0, -1, "a-1"}},
        /* their ports, if any, are of the name */
        {BOTH, "unix:/a:1-3", 1, {ENDPOINT_UNIX, 0, 0, -1, "/a:1-3"}},
        {BOTH, "unix:@a:1-3", 1, {ENDPOINT_UNIX, 0, 0, -1, "@a:1-3"}},
        {LISTEN, "mux:/a:1-3", 1, {ENDPOINT_MUX, 0, 0, -1, "/a:1-3"}},
        {LISTEN, "fd:1-3", 1, {ENDPOINT_FD, 0, 0, -1, "1-3"}},
        /* the longest port has room behind the path */
        {LISTEN,
         "vsock-mux:/" LONG100 "a:9998-9999",
         2,
         {ENDPOINT_VSOCK_MUX, 9998, 0, -1, "/" LONG100 "a"}},
        {TARGET,
         "vsock-mux:/" LONG100 "aaaaaa:9999-10000",
         2,
         {ENDPOINT_VSOCK_MUX, 9999, 0, -1, "/" LONG100 "aaaaaa"}},
    };

    expect_readings(cases, COUNT_OF(cases));
}

#define TCP_RANGE "are no ports; write FIRST-LAST, two numbers from 1 to 65535, the larger behind"

Test(endpoint_many, refuses_ranges_with_words)
{
    static const struct refusal cases[] = {
        {BOTH, "tcp:a:2-1", "'2-1' in 'tcp:a:2-1' " TCP_RANGE},
        {BOTH, "tcp:a:1-65536", "'1-65536' in 'tcp:a:1-65536' " TCP_RANGE},
        {BOTH, "tcp:a:1-", "'1-' in 'tcp:a:1-' " TCP_RANGE},
        {BOTH, "tcp:a:1-0", "'1-0' in 'tcp:a:1-0' " TCP_RANGE},
        {BOTH, "tcp:a:1-*", "'1-*' in 'tcp:a:1-*' " TCP_RANGE},
        {BOTH, "tcp:a:1-2-3", "'1-2-3' in 'tcp:a:1-2-3' " TCP_RANGE},
        {BOTH, "tcp:a:1--2", "'1--2' in 'tcp:a:1--2' " TCP_RANGE},
        {BOTH, "tcp:a:1- 2", "'1- 2' in 'tcp:a:1- 2' " TCP_RANGE},
        {BOTH, "tcp:a:1-99999999999999999999",
         "'1-99999999999999999999' in 'tcp:a:1-99999999999999999999' " TCP_RANGE},
        {BOTH, "vsock:3:1-4294967295",
         "'1-4294967295' in 'vsock:3:1-4294967295' are no ports; write FIRST-LAST, two numbers "
         "from 1 to 4294967294, the larger behind"},
        {BOTH, "tcp:a:1-10001",
         "'1-10001' in 'tcp:a:1-10001' are more than 10000 ports; write several routes"},
        {BOTH, "guest:a:1-4294967294",
         "'1-4294967294' in 'guest:a:1-4294967294' are more than 10000 ports; write several "
         "routes"},
        /* no port is free for a range */
        {LISTEN, "tcp:a:0-5",
         "'0' in 'tcp:a:0-5' cannot be the port here; give a number from 1 to 65535"},
        {TARGET, "tcp:a:0-5",
         "'0' in 'tcp:a:0-5' cannot be the port of a target; give a number from 1 to 65535"},
        {BOTH, "tcp:a:65536-65537",
         "'65536' in 'tcp:a:65536-65537' is no port; a TCP port is a number from 1 to 65535"},
        {TARGET, "tcp:a:-5",
         "'-5' in 'tcp:a:-5' is no port; a TCP port is a number from 1 to 65535"},
        {TARGET, "tcp:a:99999999999-5",
         "'99999999999-5' in 'tcp:a:99999999999-5' is no port; a TCP port is a number from 1 to "
         "65535"},
        {LISTEN, "vsock-mux:/" LONG100 "aa:9999-10000",
         "'/" LONG100 "aa' in 'vsock-mux:/" LONG100
         "aa:9999-10000' has 103 bytes; '_PORT' is put behind it, so it has at most 101"},
    };

    expect_refusals(parse_many, cases, COUNT_OF(cases));
}

Test(endpoint_many, reads_the_port_that_is_named)
{
    static const struct reading cases[] = {
        {TARGET, "tcp:a:*", 1, {ENDPOINT_TCP, ENDPOINT_PORT_NAMED, 0, -1, "a"}},
        {TARGET, "vsock:3:*", 1, {ENDPOINT_VSOCK, ENDPOINT_PORT_NAMED, 3, -1, ""}},
        {TARGET, "vsock-mux:/a:*", 1, {ENDPOINT_VSOCK_MUX, ENDPOINT_PORT_NAMED, 0, -1, "/a"}},
        {TARGET, "guest:a:*", 1, {ENDPOINT_GUEST, ENDPOINT_PORT_NAMED, 0, -1, "a"}},
        {TARGET, "guest:{name}:*", 1, {ENDPOINT_GUEST, ENDPOINT_PORT_NAMED, 0, -1, "{name}"}},
        {TARGET, "machine:a:*", 1, {ENDPOINT_MACHINE, ENDPOINT_PORT_NAMED, 0, -1, "a"}},
        {BOTH, "unix:/a:*", 1, {ENDPOINT_UNIX, 0, 0, -1, "/a:*"}},
    };

    expect_readings(cases, COUNT_OF(cases));
}

#define NO_PORT_HERE "is no port here; it is one of a route's target, behind 'mux:' listeners"

Test(endpoint_many, refuses_the_named_port_of_listeners)
{
    static const struct refusal cases[] = {
        {LISTEN, "tcp:a:*", "'*' in 'tcp:a:*' " NO_PORT_HERE},
        {LISTEN, "vsock:any:*", "'*' in 'vsock:any:*' " NO_PORT_HERE},
        {LISTEN, "vsock-mux:/a:*", "'*' in 'vsock-mux:/a:*' " NO_PORT_HERE},
        {LISTEN, "guest:a:*", "'*' in 'guest:a:*' " NO_PORT_HERE},
        {TARGET, "tcp:a:*0",
         "'*0' in 'tcp:a:*0' is no port; a TCP port is a number from 1 to 65535"},
    };

    expect_refusals(parse_many, cases, COUNT_OF(cases));
}

/* As of `vsluice connect`. */
Test(endpoint_many, one_endpoint_stands_for_one)
{
    static const struct refusal cases[] = {
        {TARGET, "tcp:a:1-2",
         "'1-2' in 'tcp:a:1-2' is no port; a TCP port is a number from 1 to 65535"},
        {LISTEN, "vsock:3:1-2",
         "'1-2' in 'vsock:3:1-2' is no port; a vsock port is a number from 1 to 4294967294, or 0 "
         "for any that is free"},
        {BOTH, "guest:a:*", "'*' in 'guest:a:*' " NO_PORT_HERE},
        {BOTH, "guest:{name}:1",
         "'{name}' in 'guest:{name}:1' is no name of a guest; one has at most 48 letters, digits, "
         "'.', '_' and '-'"},
    };

    expect_refusals(parse_one, cases, COUNT_OF(cases));
}

Test(endpoint_many, reads_names_of_each_guest_and_of_machines)
{
    static const struct reading cases[] = {
        {BOTH, "guest:{name}:80", 1, {ENDPOINT_GUEST, 80, 0, -1, "{name}"}},
        {BOTH, "guest:{name}:80-81", 2, {ENDPOINT_GUEST, 80, 0, -1, "{name}"}},
        {BOTH, "unix:/{name}/{name}", 1, {ENDPOINT_UNIX, 0, 0, -1, "/{name}/{name}"}},
        {BOTH, "unix:@{name}", 1, {ENDPOINT_UNIX, 0, 0, -1, "@{name}"}},
        {BOTH, "vsock-mux:/{name}:5", 1, {ENDPOINT_VSOCK_MUX, 5, 0, -1, "/{name}"}},
        {LISTEN, "mux:/{name}", 1, {ENDPOINT_MUX, 0, 0, -1, "/{name}"}},
        {LISTEN, "mux:@x y", 1, {ENDPOINT_MUX, 0, 0, -1, "@x y"}},
        {TARGET, "machine:web-1.x:80", 1, {ENDPOINT_MACHINE, 80, 0, -1, "web-1.x"}},
    };

    expect_readings(cases, COUNT_OF(cases));
}

Test(endpoint_many, refuses_names_with_words)
{
    static const struct refusal cases[] = {
        {BOTH, "guest:x{name}:80",
         "'x{name}' in 'guest:x{name}:80' is no name of a guest; one has at most 48 letters, "
         "digits, '.', '_' and '-'"},
        {BOTH, "guest:{name}:1:80",
         "'{name}:1' in 'guest:{name}:1:80' is no name of a guest; one has at most 48 letters, "
         "digits, '.', '_' and '-'"},
        {BOTH, "guest:*:80",
         "'*' in 'guest:*:80' is no name of a guest; one has at most 48 letters, digits, '.', '_' "
         "and '-'"},
        {LISTEN, "machine:a:80", "'machine:a:80' is for targets only; listen on 'vsock:any:PORT'"},
        {TARGET, "machine:a", "'machine:a' has no port; write 'machine:NAME:PORT'"},
        {TARGET, "machine::80", "'machine::80' has no name; write 'machine:NAME'"},
        {TARGET, "machine:a:0",
         "'0' in 'machine:a:0' cannot be the port of a target; give a number from 1 to "
         "4294967294"},
        {TARGET, "machine:{name}:80",
         "'{name}' in 'machine:{name}:80' is no name of a machine; one has at most 48 letters, "
         "digits, '.', '_' and '-'"},
        {TARGET, "mux:/a",
         "'mux:/a' is for listening only; to connect to such a socket write "
         "'vsock-mux:/PATH:PORT'"},
        {LISTEN, "mux:", "'mux:' has no path; write 'mux:/PATH' or 'mux:@NAME'"},
        {LISTEN, "mux:a",
         "'a' in 'mux:a' is no absolute path; write 'mux:/PATH', or 'mux:@NAME' for an abstract "
         "one"},
        {LISTEN, "mux:@", "'mux:@' has no name after the '@'; write 'mux:@NAME'"},
        {LISTEN, "mux:/a/", "'/a/' in 'mux:/a/' is a directory; name the socket in it"},
        {LISTEN, "muxx:/a", "'muxx' in 'muxx:/a' is no kind of endpoint; did you mean 'mux'?"},
        {TARGET, "machin:a:1",
         "'machin' in 'machin:a:1' is no kind of endpoint; did you mean 'machine'?"},
        {BOTH, "podman:a:1",
         "'podman' in 'podman:a:1' is no kind of endpoint; the kinds are tcp, unix, vsock, "
         "vsock-mux, guest, machine, mux and fd"},
    };

    expect_refusals(parse_many, cases, COUNT_OF(cases));
}

/* From a command line it may be as long as that. */
Test(endpoint_many, a_name_of_any_length_is_refused)
{
    static const char *const prefixes[] = {"guest:{name}:", "machine:", "unix:/{name}"};

    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        char text[1024];
        char error[ENDPOINT_ERROR_BYTES] = "";
        struct endpoint endpoint;
        snprintf(text, sizeof(text), "%s" LONG100 LONG100 LONG100 LONG100 ":80", prefixes[i]);
        cr_expect_eq(parse_many(text, TARGET, &endpoint, error), -EINVAL);
        cr_expect_gt(strlen(error), 100);
    }
}

Test(endpoint_many, reads_machines_as_addresses_of_guests)
{
    struct endpoint endpoint = {.fd = 99};
    char error[ENDPOINT_ERROR_BYTES] = "";

    cr_expect_eq(endpoint_guest_address_parse("machine:web1", &endpoint, error), 0, "%s", error);
    cr_expect_eq(endpoint.kind, ENDPOINT_MACHINE);
    cr_expect_str_eq(endpoint.name, "web1");
    cr_expect_eq(endpoint.port, 0);
    cr_expect_eq(endpoint_guest_address_parse("machine:web1:80", &endpoint, error), -EINVAL);
    cr_expect_str_eq(error, "'web1:80' in 'machine:web1:80' is no name of a machine; one has at "
                            "most 48 letters, digits, '.', '_' and '-'");
    cr_expect_eq(endpoint_guest_address_parse("mux:/a", &endpoint, error), -EINVAL);
    cr_expect_str_eq(error,
                     "'mux:/a' is no address of a guest; write 'vsock:CID' or 'vsock-mux:/PATH'");
}

static struct endpoint endpoint_of(const char *text, enum endpoint_role role)
{
    struct endpoint endpoint;
    char error[ENDPOINT_ERROR_BYTES] = "";

    cr_assert_eq(parse_many(text, role, &endpoint, error), 0, "%s", error);
    return endpoint;
}

Test(endpoint_many, prints_pairs_with_their_ports)
{
    struct endpoint guest = endpoint_of("guest:web1:80", TARGET);
    struct endpoint vsock = endpoint_of("vsock:3:80", TARGET);
    char text[ENDPOINT_PAIR_TEXT_BYTES];

    cr_expect_eq(endpoint_pair_format(&guest, &vsock, 11, text),
                 strlen("guest:web1:80-90 (vsock:3:80-90)"));
    cr_expect_str_eq(text, "guest:web1:80-90 (vsock:3:80-90)");
    guest.port = ENDPOINT_PORT_NAMED;
    vsock.port = ENDPOINT_PORT_NAMED;
    endpoint_pair_format(&guest, &vsock, 1, text);
    cr_expect_str_eq(text, "guest:web1:* (vsock:3:*)");
}

/* The longest of all kinds: nothing is cut. */
Test(endpoint_many, prints_the_longest)
{
    struct endpoint endpoint = {ENDPOINT_MACHINE, 4294957295, 0, -1, ""};
    char text[ENDPOINT_TEXT_BYTES];

    memset(endpoint.name, 'a', ENDPOINT_NAME_BYTES - 1);
    size_t length = endpoint_format_ports(&endpoint, ENDPOINT_PORTS_MAX, text);
    cr_expect_eq(length, strlen(text));
    cr_expect_str_eq(text + length - 22, ":4294957295-4294967294");
}

Test(endpoint_many, knows_what_stands_for_each_guest)
{
    static const struct {
        const char *text;
        enum endpoint_role role;
        bool each;
    } cases[] = {
        {"guest:{name}:1", LISTEN, true},  {"unix:/{name}", LISTEN, true},
        {"unix:/a{name}b", LISTEN, true},  {"unix:@{name}", LISTEN, true},
        {"mux:/{name}", LISTEN, true},     {"vsock-mux:/{name}:1", LISTEN, true},
        {"guest:name:1", LISTEN, false},   {"unix:/{nam}e}", LISTEN, false},
        {"fd:{name}", LISTEN, false},      {"tcp:*:1", LISTEN, false},
        {"machine:name:1", TARGET, false}, {"vsock:3:1", TARGET, false},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct endpoint endpoint = endpoint_of(cases[i].text, cases[i].role);
        cr_expect_eq(endpoint_names_each(&endpoint), cases[i].each, "%s", cases[i].text);
    }
}

#define HOST128                                                        \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa." \
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb."
#define NAME48 "123456789012345678901234567890123456789012345678"

Test(endpoint_many, a_name_is_put_wherever_it_is_to_stand)
{
    static const struct {
        const char *text;
        const char *name;
        const char *named; /* NULL: too long */
    } cases[] = {
        {"unix:/{name}", "a", "unix:/a"},
        {"unix:/run/{name}/{name}.sock", "vm1", "unix:/run/vm1/vm1.sock"},
        {"unix:/{name}{name}{name}", "ab", "unix:/ababab"},
        {"unix:/{{name}}", "ab", "unix:/{ab}"},
        {"unix:@{name}", "ab", "unix:@ab"},
        {"unix:/plain", "ab", "unix:/plain"},
        {"mux:/{name}", "ab", "mux:/ab"},
        {"vsock-mux:/{name}:5-9", "ab", "vsock-mux:/ab:5"},
        {"guest:{name}:5", NAME48, "guest:" NAME48 ":5"},
        {"guest:{name}:5", NAME48 "9", NULL},
        /* the longest path, and one byte more */
        {"unix:/" LONG100 "{name}", "123456", "unix:/" LONG100 "123456"},
        {"unix:/" LONG100 "{name}", "1234567", NULL},
        {"unix:/{name}{name}/12345678", NAME48, "unix:/" NAME48 NAME48 "/12345678"},
        {"unix:/{name}{name}/123456789", NAME48, "unix:/" NAME48 NAME48 "/123456789"},
        {"unix:/{name}{name}/1234567890", NAME48, NULL},
        {"unix:/{name}{name}{name}", NAME48, NULL},
        {"mux:/" LONG100 "{name}", "1234567", NULL},
        {"vsock-mux:/" LONG100 "{name}:1", "1234567", NULL},
        {"unix:@" LONG100 "{name}", "1234567", "unix:@" LONG100 "1234567"},
        {"unix:@" LONG100 "{name}", "12345678", NULL},
        /* what has no name in it is as it was, however long */
        {"tcp:" HOST128 ":80", "ab", "tcp:" HOST128 ":80"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool is_mux = strncmp(cases[i].text, "mux:", 4) == 0;
        struct endpoint endpoint = endpoint_of(cases[i].text, is_mux ? LISTEN : TARGET);
        char text[ENDPOINT_TEXT_BYTES];
        struct endpoint before = endpoint;
        int r = endpoint_name_one(&endpoint, cases[i].name);
        cr_expect_eq(r, cases[i].named ? 0 : -ENAMETOOLONG, "%s", cases[i].text);
        endpoint_format(&endpoint, text);
        if (cases[i].named)
            cr_expect_str_eq(text, cases[i].named);
        else
            cr_expect_eq(memcmp(&endpoint, &before, sizeof(endpoint)), 0, "%s", text);
    }
}

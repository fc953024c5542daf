/* Every mistake that a configuration can hold, with the exact words: all of them, in the order of
 * the lines, and none that only follows from another.
 */
#include "tests/config/scratch.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* "FILE:LINE: " of the expected texts */
#define AT(line) SCRATCH_FILE ":" #line ": "

/* 100 bytes */
#define LONG100                                          \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* As they are told, one after the other. */
/* clang-format off */
#define GLOBAL_KEYS                                                 \
    "workers, max-sessions, max-rate, drain-timeout, "              \
    "connect-timeout, "                                             \
    "admin-socket, admin-listen, "                                                \
    "log-format, log-rate, access-log, "                            \
    "user and sandbox"
#define GUEST_KEYS                                                  \
    "address, machine, vmm, half-close, max-sessions and max-rate"
#define ROUTE_KEYS                                                  \
    "listen, target, ports, allow, deny, connect-timeout, "         \
    "wait-for-guest, wait-for, wait-max, "                          \
    "max-sessions, max-rate, max-sessions-per-source, max-rate-per-source, " \
    "at-limit, bandwidth, session-bandwidth, "                                      \
    "max-session-time, half-close-timeout, idle-timeout, "          \
    "dead-guest-probe, keepalive, backlog, mode, owner, lane, "     \
    "accept-proxy, send-proxy, "                                    \
    "access-log, "                                                  \
    "balance, retries, fail-max, fail-time, "                       \
    "check, check-interval, check-timeout, check-send, "            \
    "check-expect, check-rise and check-fall"
/* clang-format on */

/* Two right lines; the mistakes of a route stand in line 4 and after. */
#define ROUTE "[route a]\nlisten = tcp:*:1\ntarget = tcp:b:1\n"
#define GUEST "[guest web1]\naddress = vsock:3\n"

Test(mistakes, lines)
{
    static const struct scratch_mistake cases[] = {
        {"[global]\nworkers\n", AT(2) "'workers' is no assignment; write 'KEY = VALUE'\n"},
        {"[global]\nworkers\nfoo bar\nworkers = 1\n",
         AT(2) "'workers' is no assignment; write 'KEY = VALUE'\n" AT(
             3) "'foo bar' is no assignment; write 'KEY = VALUE'\n"},
        {"[global]\nworkers ; = 1",
         AT(2) "'workers ; = 1' is no assignment; write 'KEY = VALUE'\n"},
        {"[global]\n= 1\n", AT(2) "'= 1' is no assignment; write 'KEY = VALUE'\n"},
        {"[global]\n= 1\n  2\nworkers = x\n",
         AT(2) "'= 1' is no assignment; write 'KEY = VALUE'\n" AT(
             4) "'x' is no value of 'workers'; give it a number from 0 to 1024\n"},
        {"[global]\nmax sessions = 1\n",
         AT(2) "'max sessions = 1' is no assignment; write 'KEY = VALUE'\n"},
        {"[route a]\nlisten tcp:*:1\n  tcp:*:2\ntarget = tcp:b:1\n",
         AT(2) "'listen tcp:*:1' is no assignment; write 'KEY = VALUE'\n"},
        {"[guest a]\naddress vsock:3\n",
         AT(2) "'address vsock:3' is no assignment; write 'KEY = VALUE'\n"},
        {"[route a]\nlisten = tcp:*:1\ntcp:*:2\ntarget = tcp:b:1\n",
         AT(3) "'tcp:*:2' is no assignment; indent it to continue the list above\n"},
        {"[global]\n  workers = 1\n",
         AT(2) "an indented line continues the key above; remove the indentation\n"},
        {"[global]\nworkers = 1\n\tdrain-timeout = 5s\n max-sessions: 3\n",
         AT(3) "an indented line continues the key above; remove the indentation\n" AT(
             4) "an indented line continues the key above; remove the indentation\n"},
        {ROUTE "  backlog = x\n",
         AT(4) "an indented line continues the key above; remove the indentation\n" AT(
             4) "'x' is no value of 'backlog'; give it a number from 1 to 65535\n"},
        {ROUTE "  [global]\nworkers = 1\n",
         AT(4) "an indented line continues the key above; remove the indentation\n"},
        {" [global]\nworkers = 1\n",
         AT(1) "an indented line continues the key above; remove the indentation\n"},
        {"  foo\n[global]\n\n  bar\nworkers = 1\n",
         AT(1) "an indented line continues the key above, and there is none; remove the "
               "indentation\n" AT(4) "an indented line continues the key above, and there is none; "
                                     "remove the indentation\n"},
        {"[global]\nworkers = 1\n  2\n  3\nmax-sessions = 4\n",
         AT(3) "'workers' holds one value, and this indented line continues it; remove the line\n"},
        {"[global]\nworkers = 1 # one\n",
         AT(2) "'# one' is no comment; behind a value, a comment begins with ' ;'\n"},
        {"[route a]\nlisten = tcp:*:1 # x\n  # y\n  tcp:*:2\t# z\ntarget = # b\n",
         AT(2) "'# x' is no comment; behind a value, a comment begins with ' ;'\n" AT(
             4) "'# z' is no comment; behind a value, a comment begins with ' ;'\n" AT(5) "'# b' "
                                                                                          "is no "
                                                                                          "comment;"
                                                                                          " behind "
                                                                                          "a "
                                                                                          "value, "
                                                                                          "a "
                                                                                          "comment "
                                                                                          "begins "
                                                                                          "with ' "
                                                                                          ";'\n"},
        {"[global]\nwork\x1b[2Jers = 1\n",
         AT(2) "unknown key 'work?[2Jers'; the keys of [global] are " GLOBAL_KEYS "\n"},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

Test(mistakes, lines_too_long)
{
    static const struct scratch_mistake cases[] = {
        {"[global]\nworkers = " LONG100 LONG100 "\ndrain-timeout = 5s\n",
         AT(2) "the line has 210 bytes, and at most 198 are read; shorten it\n"},
        {"[route a]\nlisten = tcp:" LONG100 LONG100 ":1\n  tcp:*:2\ntarget = tcp:b:1\n",
         AT(2) "the line has 215 bytes, and at most 198 are read; shorten it\n"},
        {"[route a]\nlisten =\n  tcp:" LONG100 LONG100 ":1\n  tcp:*:99999\ntarget = tcp:b:1\n",
         AT(3) "the line has 208 bytes, and at most 198 are read; shorten it\n" AT(
             4) "'99999' in 'tcp:*:99999' is no port; a TCP port is a number from 1 to 65535, or 0 "
                "for any that is free\n"},
        /* the keys below a header that was not read are nobody's */
        {"[guest " LONG100 LONG100 "]\naddress = x\nfoo = 1\n[global]\nworkers = x\n",
         AT(1) "the line has 208 bytes, and at most 198 are read; shorten it\n" AT(
             5) "'x' is no value of 'workers'; give it a number from 0 to 1024\n"},
        {"[global]\n" LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100 LONG100
             LONG100 LONG100 "\n",
         AT(2) "the line has 1100 bytes, and at most 198 are read; shorten it\n"},
    };
    char blanks[2000];

    scratch_expect_mistakes(cases, COUNT_OF(cases));

    memset(blanks, ' ', sizeof(blanks));
    memcpy(blanks, "[global]\n", 9);
    strcpy(blanks + sizeof(blanks) - 2, "x");
    const struct scratch_mistake behind_blanks[] = {
        {blanks, AT(2) "the line has 1990 bytes, and at most 198 are read; shorten it\n"},
    };
    scratch_expect_mistakes(behind_blanks, 1);
}

Test(mistakes, nul_bytes)
{
    static const char text[] = "[global]\nworkers = 1\0\n; \0\n\0\n[guest \0]\naddress = x\n"
                               "[route a]\nlisten = tcp:*:1\ntarget = \0tcp:b:1\n";
    const struct scratch_file file = {SCRATCH_FILE, text, sizeof(text) - 1};
    const struct config_sources sources = {.path = SCRATCH_FILE};
    struct scratch_result result = scratch_read(&file, 1, &sources);
    char *problems = scratch_problems(&result);

#define NUL "the line holds a NUL byte; a configuration is plain text\n"
    cr_expect_str_eq(problems, AT(2) NUL AT(3) NUL AT(4) NUL AT(5) NUL AT(9) NUL, "%s", problems);
    free(problems);
    scratch_free(&result);
}

Test(mistakes, sections)
{
    static const struct scratch_mistake cases[] = {
        {"[gloabl]\nworkers = x\n",
         AT(1) "unknown section 'gloabl'; did you mean 'global'?\n" AT(
             2) "'x' is no value of 'workers'; give it a number from 0 to 1024\n"},
        {"[Guest a]\naddress = vsock:3\n",
         AT(1) "unknown section 'Guest'; did you mean 'guest'?\n"},
        {"[service a]\nfoo = bar\n  baz\n",
         AT(1) "unknown section 'service'; the sections are [global], [guest NAME] and [route "
               "NAME]\n"},
        {"[" LONG100 "]\n",
         AT(1) "unknown section '" LONG100 "'; the sections are [global], [guest NAME] and [route "
               "NAME]\n"},
        {"[]\n", AT(1) "unknown section ''; the sections are [global], [guest NAME] and [route "
                       "NAME]\n"},
        {"[global x]\nworkers = 1\n", AT(1) "[global] takes no name; remove 'x'\n"},
        {"[guest]\naddress = vsock:3\n[guest ]\naddress = vsock:3\n",
         AT(1) "[guest] has no name; write [guest NAME]\n" AT(
             3) "[guest] has no name; write [guest NAME]\n"},
        {"[guest a b]\naddress = vsock:3\n",
         AT(1) "'a b' is no name of a guest; one has at most 48 letters, digits, '.', '_' and "
               "'-'\n"},
        {"[route a:b]\nlisten = tcp:*:1\ntarget = tcp:b:1\n",
         AT(1) "'a:b' is no name of a route; one has at most 48 letters, digits, '.', '_' and "
               "'-'\n"},
        {"[guest " LONG100 "]\naddress = vsock:3\n",
         AT(1) "'" LONG100 "' is no name of a guest; one has at most 48 letters, digits, '.', '_' "
               "and '-'\n"},
        {"[global\nworkers = x\n",
         AT(1) "'[global' is no section; write '[global]'\n" AT(
             2) "'x' is no value of 'workers'; give it a number from 0 to 1024\n"},
        {"[global] workers = 1\n",
         AT(1) "'workers = 1' stands behind a section; put it on a line of its own\n"},
        {"[global]\nworkers = 1\n[global]\nworkers = 2\n",
         AT(3) "[global] stands twice in this file, first at " SCRATCH_FILE
               ":1; make one of the two\n"},
        {GUEST "[guest web1]\nvmm = x\n",
         AT(3) "guest 'web1' is already defined at " SCRATCH_FILE
               ":1; give this one another name\n" AT(4) "'x' is no value of 'vmm'; give it auto, "
                                                        "kernel, firecracker, cloud-hypervisor, "
                                                        "vhost-device or libkrun\n"},
        {ROUTE ROUTE,
         AT(4) "route 'a' is already defined at " SCRATCH_FILE ":1; give this one another name\n"},
        {"[guest a]\naddress = vsock:3\n" ROUTE, ""}, /* a guest and a route may share a name */
        {"[guest web1]\n", AT(1) "this guest has no 'address'; add one, such as 'address = "
                                 "vsock:3'\n"},
        {"[route a]\n",
         AT(1) "this route has no 'listen'; add one, such as 'listen = tcp:127.0.0.1:8080'\n" AT(
             1) "this route has no 'target'; add one, such as 'target = vsock:3:80'\n"},
        {"[route a]\ntarget = tcp:b:1\n[route b]\nlisten = tcp:*:1\n",
         AT(1) "this route has no 'listen'; add one, such as 'listen = tcp:127.0.0.1:8080'\n" AT(
             3) "this route has no 'target'; add one, such as 'target = vsock:3:80'\n"},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

Test(mistakes, keys)
{
    static const struct scratch_mistake cases[] = {
        {"workers = 1\nfoo = 2\nlisten = x\n[global]\n",
         AT(1) "'workers' stands before any section; put it below [global]\n" AT(
             2) "'foo' stands before any section; put it below [global], [guest NAME] or "
                "[route "
                "NAME]\n" AT(3) "'listen' stands before any section; put it below [route NAME]\n"},
        {"[global]\nworker = 1\n", AT(2) "unknown key 'worker'; did you mean 'workers'?\n"},
        {"[global]\nconect-timeout = 1s\n",
         AT(2) "unknown key 'conect-timeout'; did you mean 'connect-timeout'?\n"},
        {"[global]\nWorkers = 1\n", AT(2) "unknown key 'Workers'; did you mean 'workers'?\n"},
        {"[global]\nfoo = 1\n  bar\n",
         AT(2) "unknown key 'foo'; the keys of [global] are " GLOBAL_KEYS "\n"},
        {GUEST "foo = 1\n",
         AT(3) "unknown key 'foo'; the keys of [guest NAME] are " GUEST_KEYS "\n"},
        {ROUTE "foo = 1\n",
         AT(4) "unknown key 'foo'; the keys of [route NAME] are " ROUTE_KEYS "\n"},
        {"[global]\nlisten = tcp:*:1\n",
         AT(2) "'listen' is no key of [global]; it belongs in [route NAME]\n"},
        {GUEST "connect-timeout = 1s\n",
         AT(3) "'connect-timeout' is no key of [guest NAME]; it belongs in [route NAME]\n"},
        /* a misspelt key is not missing as well */
        {"[route a]\nlistne = tcp:*:1\ntarge = tcp:b:1\n",
         AT(2) "unknown key 'listne'; did you mean 'listen'?\n" AT(
             3) "unknown key 'targe'; did you mean 'target'?\n"},
        {"[global]\nworkers = 1\n\nworkers = 2\n",
         AT(4) "'workers' is given twice, first at line 2; keep one of them\n"},
        {"[global]\nworkers =\ndrain-timeout = ; x\nconnect-timeout=\n",
         AT(2) "'workers' is empty; give it a number from 0 to 1024\n" AT(3) "'drain-timeout' "
                                                                             "is empty; give "
                                                                             "it a duration "
                                                                             "such as 30s, "
                                                                             "500ms or 2m\n" AT(
                                                                                 4) "'connect-"
                                                                                    "timeout' "
                                                                                    "is empty; "
                                                                                    "give it a "
                                                                                    "duration "
                                                                                    "above 0, "
                                                                                    "such as "
                                                                                    "5s, 500ms "
                                                                                    "or 2m\n"},
        {"[guest a]\naddress =\nvmm =\n",
         AT(2) "'address' is empty; give it 'vsock:CID' or 'vsock-mux:/PATH'\n" AT(
             3) "'vmm' is empty; give it auto, kernel, firecracker, cloud-hypervisor, "
                "vhost-device "
                "or libkrun\n"},
        {"[route a]\nlisten =\ntarget =\nkeepalive =\nbacklog =\nmode =\nowner =\n",
         AT(2) "'listen' is empty; give it one endpoint or more, such as "
               "'tcp:127.0.0.1:8080'\n" AT(
                   3) "'target' is empty; give it one endpoint or more, such as "
                      "'vsock:3:80'\n" AT(
                          4) "'keepalive' is empty; "
                             "give it a duration from "
                             "1s to 9h, or 'off'\n" AT(
                                 5) "'backlog' is "
                                    "empty; give it a "
                                    "number from 1 to "
                                    "65535\n" AT(
                                        6) "'m"
                                           "od"
                                           "e'"
                                           " i"
                                           "s "
                                           "em"
                                           "pt"
                                           "y;"
                                           " g"
                                           "iv"
                                           "e "
                                           "it"
                                           " a"
                                           "n "
                                           "oc"
                                           "ta"
                                           "l "
                                           "nu"
                                           "mb"
                                           "er"
                                           " f"
                                           "ro"
                                           "m "
                                           "00"
                                           "00"
                                           " t"
                                           "o "
                                           "07"
                                           "77"
                                           "\n" AT(
                                               7) "'owner' is empty; give it 'USER', 'USER:GROUP' "
                                                  "or ':GROUP', by name or number\n"},
        {"[route a]\ntarget = tcp:b:1\nlisten = ; x",
         AT(3) "'listen' is empty; give it one endpoint or more, such as "
               "'tcp:127.0.0.1:8080'\n"},
        {"[route a]\ntarget = tcp:b:1\nlisten =\n[global]\n",
         AT(3) "'listen' is empty; give it one endpoint or more, such as "
               "'tcp:127.0.0.1:8080'\n"},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

#define NUMBER(key, value, form) AT(2) "'" value "' is no value of '" key "'; give it " form "\n"
#define DURATION                 "a duration above 0, such as 5s, 500ms or 2m"

Test(mistakes, values_of_global)
{
    static const struct scratch_mistake cases[] = {
        {"[global]\nworkers = 1025\n", NUMBER("workers", "1025", "a number from 0 to 1024")},
        {"[global]\nworkers = -1\n", NUMBER("workers", "-1", "a number from 0 to 1024")},
        {"[global]\nworkers = two\n", NUMBER("workers", "two", "a number from 0 to 1024")},
        {"[global]\nworkers = 99999999999999999999\n",
         NUMBER("workers", "99999999999999999999", "a number from 0 to 1024")},
        {"[global]\nworkers = 18446744073709551617\n",
         NUMBER("workers", "18446744073709551617", "a number from 0 to 1024")},
        {"[global]\nmax-sessions = 10000001\n",
         NUMBER("max-sessions", "10000001", "a number from 0 to 10000000")},
        {"[global]\nmax-sessions = 1K\n",
         NUMBER("max-sessions", "1K", "a number from 0 to 10000000")},
        {"[global]\ndrain-timeout = 30\n",
         AT(2) "'30' of 'drain-timeout' has no unit; write '30s', or end it with ms, m or h\n"},
        {"[global]\ndrain-timeout = soon\n",
         NUMBER("drain-timeout", "soon", "a duration such as 30s, 500ms or 2m")},
        {"[global]\ndrain-timeout = 1000d\n",
         NUMBER("drain-timeout", "1000d", "a duration such as 30s, 500ms or 2m")},
        {"[global]\ndrain-timeout = 9999h\n",
         AT(2) "'9999h' of 'drain-timeout' is more than a year; give it a duration such as 30s, "
               "500ms or 2m\n"},
        {"[global]\nconnect-timeout = 0\n", NUMBER("connect-timeout", "0", DURATION)},
        {"[global]\nconnect-timeout = 0s\n", NUMBER("connect-timeout", "0s", DURATION)},
        {"[global]\nconnect-timeout = off\n", NUMBER("connect-timeout", "off", DURATION)},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

Test(mistakes, values_of_guests)
{
    static const struct scratch_mistake cases[] = {
        {"[guest a]\naddress = 3\n",
         AT(2) "'3' is no address of a guest; write 'vsock:CID' or 'vsock-mux:/PATH'\n"},
        {"[guest a]\naddress = vsock:3:80\n",
         AT(2) "'vsock:3:80' names a port, which a guest's address does not; write 'vsock:3'\n"},
        {"[guest a]\naddress = vsock:any\n",
         AT(2) "'any' in 'vsock:any' is the CID of no guest; a guest's is a number from 3 to "
               "4294967294, or local or host\n"},
        {"[guest a]\naddress = vsock:4294967296\n",
         AT(2) "'4294967296' in 'vsock:4294967296' is no CID; one is a number up to 4294967294, or "
               "any, local, host or hypervisor\n"},
        {GUEST "vmm = firecraker\n",
         AT(3) "'firecraker' is no value of 'vmm'; did you mean 'firecracker'?\n"},
        {GUEST "vmm = qemu\n",
         AT(3) "'qemu' is no value of 'vmm'; give it auto, kernel, firecracker, cloud-hypervisor, "
               "vhost-device or libkrun\n"},
        {GUEST "vmm = firecracker\n",
         AT(3) "only 'kernel' or 'auto' goes with an address 'vsock:CID'; other VMMs need "
               "'vsock-mux:/PATH'\n"},
        {"[guest a]\nvmm = kernel\naddress = vsock-mux:/a\n",
         AT(2) "'kernel' needs an address 'vsock:CID', and this guest's is a vsock-mux; name its "
               "VMM, or 'auto'\n"},
        /* with an address that is wrong, nothing is said of what goes with it */
        {"[guest a]\nvmm = kernel\naddress = vsock-mux:a\n[route r]\nlisten = guest:a:1\n"
         "target = guest:a:2\nmode = 0600\n",
         AT(3) "'a' in 'vsock-mux:a' is no absolute path; one begins with '/'\n"},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

Test(mistakes, values_of_routes)
{
    static const struct scratch_mistake cases[] = {
        {"[route a]\nlisten = tcp:*:1 tpc:*:2 8080 vsock:80\n  tcp:*:http\ntarget = tcp:*:3\n",
         AT(2) "'tpc' in 'tpc:*:2' is no kind of endpoint; did you mean 'tcp'?\n" AT(
             2) "'8080' has neither kind nor host; write 'tcp:*:8080'\n" AT(2) "'vsock:80' lacks a "
                                                                               "CID or a port; "
                                                                               "write "
                                                                               "'vsock:CID:PORT', "
                                                                               "such as "
                                                                               "'vsock:any:80'"
                                                                               "\n" AT(
                                                                                   3) "'http' in "
                                                                                      "'tcp:*:http'"
                                                                                      " is no "
                                                                                      "port; a TCP "
                                                                                      "port is a "
                                                                                      "number from "
                                                                                      "1 to 65535, "
                                                                                      "or 0 for "
                                                                                      "any that is "
                                                                                      "free\n" AT(
                                                                                          4) "'*' "
                                                                                             "in "
                                                                                             "'tcp:"
                                                                                             "*:3' "
                                                                                             "is "
                                                                                             "for "
                                                                                             "liste"
                                                                                             "ning "
                                                                                             "only;"
                                                                                             " name"
                                                                                             " one "
                                                                                             "host"
                                                                                             "\n"},
        {"[route a]\nlisten = tcp:*:1\ntarget = vsock:any:80\n",
         AT(3) "'any' in 'vsock:any:80' is for listening only; give the CID of the target, such as "
               "'vsock:3:80'\n"},
        {"[route a]\nlisten = tcp:*:1\ntarget = fd:3\n",
         AT(3) "'fd:3' is for listening only; a target is tcp, unix, vsock, vsock-mux, guest or "
               "machine\n"},
        {ROUTE "connect-timeout = 0s\n",
         AT(4) "'0s' is no value of 'connect-timeout'; give it " DURATION "\n"},
        {ROUTE "connect-timeout = 5\n",
         AT(4) "'5' of 'connect-timeout' has no unit; write '5s', or end it with ms, m or h\n"},
        {ROUTE "keepalive = 999ms\n",
         AT(4) "'999ms' is no value of 'keepalive'; give it a duration from 1s to 9h, or 'off'\n"},
        {ROUTE "keepalive = 541m\n",
         AT(4) "'541m' is no value of 'keepalive'; give it a duration from 1s to 9h, or 'off'\n"},
        {ROUTE "keepalive = no\n",
         AT(4) "'no' is no value of 'keepalive'; give it a duration from 1s to 9h, or 'off'\n"},
        {ROUTE "backlog = 0\n",
         AT(4) "'0' is no value of 'backlog'; give it a number from 1 to 65535\n"},
        {ROUTE "backlog = 65536\n",
         AT(4) "'65536' is no value of 'backlog'; give it a number from 1 to 65535\n"},
        {"[route a]\nlisten = unix:/a\ntarget = tcp:b:1\nmode = 01000\n",
         AT(4) "'01000' is no value of 'mode'; give it an octal number from 0000 to 0777\n"},
        {"[route a]\nlisten = unix:/a\ntarget = tcp:b:1\nmode = 668\n",
         AT(4) "'668' is no value of 'mode'; give it an octal number from 0000 to 0777\n"},
        {"[route a]\nlisten = unix:/a\ntarget = tcp:b:1\nmode = 77777777777777777777777\n",
         AT(4) "'77777777777777777777777' is no value of 'mode'; give it an octal number from 0000 "
               "to 0777\n"},
        {"[route a]\nlisten = unix:/a\ntarget = tcp:b:1\nowner = vsluice-nobody-x\n",
         AT(4) "'vsluice-nobody-x' is no user of this system; name one that exists\n"},
        {ROUTE "mode = 0600\nowner = root\n",
         AT(4) "'mode' is for listeners with a path, unix:/PATH, mux:/PATH or "
               "vsock-mux:/PATH:PORT, and this "
               "route has none; remove it\n" AT(
                   5) "'owner' is for listeners with a path, "
                      "unix:/PATH, mux:/PATH or vsock-mux:/PATH:PORT, and this "
                      "route has none; remove it\n"},
        {"[route a]\nlisten = unix:@a\ntarget = tcp:b:1\nmode = 0600\n",
         AT(4) "'mode' is for listeners with a path, unix:/PATH, mux:/PATH or "
               "vsock-mux:/PATH:PORT, and this "
               "route has none; remove it\n"},
        {"[route a]\nlisten = tcp:*:1 vsock-mux:/a:1\ntarget = tcp:b:1\nmode = 0600\n", ""},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

Test(mistakes, guests_that_are_not_there)
{
    static const struct scratch_mistake cases[] = {
        {"[route a]\nlisten = tcp:*:1\ntarget = guest:web1:80\n",
         AT(3) "there is no guest 'web1'; add a section [guest web1]\n"},
        {GUEST "[route a]\nlisten = guest:wbe1:1\ntarget = guest:web2:80\n",
         AT(4) "there is no guest 'wbe1'; did you mean 'web1'?\n" AT(
             5) "there is no guest 'web2'; did you mean 'web1'?\n"},
        {"[guest m]\naddress = vsock-mux:/m\n[route a]\nlisten = guest:m:0\ntarget = tcp:b:1\n",
         AT(4) "'guest:m:0' needs a port: what a vsock-mux guest dials is a number from 1\n"},
        {"[guest m]\naddress = vsock-mux:/" LONG100 "\n[route a]\nlisten = guest:m:12345\n"
         "  guest:m:123456\ntarget = guest:m:1\n",
         AT(5) "'guest:m:123456' binds '/" LONG100
               "_123456', of 108 bytes; the path of a Unix socket has at most 107\n"},
        {"[guest m]\naddress = vsock-mux:/" LONG100 "\nvmm = libkrun\n[route a]\n"
         "listen = tcp:*:1\ntarget = guest:m:123456\n",
         AT(6) "'guest:m:123456' connects to '/" LONG100
               "_123456', of 108 bytes; the path of a Unix socket has at most 107\n"},
        {"[route a]\nlisten = tcp:*:1\ntarget = tcp:b:1\nwait-for-guest = 1m\n",
         AT(4) "'wait-for-guest' is for a target in a guest, guest:, vsock:, vsock-mux: or "
               "machine:, and "
               "this "
               "route's is none; remove it\n"},
        {"[route a]\nlisten = tcp:*:1\ntarget = vsock:3:1\nwait-for = off,bootin\n",
         AT(4) "'bootin' is no value of 'wait-for'; did you mean 'booting'?\n"},
        {"[route a]\nlisten = tcp:*:1\ntarget = vsock:3:1\nwait-for = ,\n",
         AT(4) "',' is no value of 'wait-for'; give it one or more of off, booting and service, "
               "with commas between\n"},
        {GUEST "half-close = held\n",
         AT(3) "'held' is no value of 'half-close'; did you mean 'hold'?\n"},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

Test(mistakes, addresses_claimed_twice)
{
    static const struct scratch_mistake cases[] = {
        {"[route a]\nlisten = tcp:*:1 tcp:x:1\ntarget = tcp:b:1\n",
         AT(2) "'tcp:x:1' is claimed already by 'tcp:*:1' of route 'a' at " SCRATCH_FILE
               ":2; choose another address\n"},
        {ROUTE "[route b]\ntarget = tcp:b:1\nlisten = tcp:*:2\n  tcp:127.0.0.1:1\n",
         AT(7) "'tcp:127.0.0.1:1' is claimed already by 'tcp:*:1' of route 'a' at " SCRATCH_FILE
               ":2; choose another address\n"},
        {"[guest v]\naddress = vsock:3\n[guest w]\naddress = vsock:4\n[route a]\n"
         "listen = guest:v:1\ntarget = tcp:b:1\n[route b]\nlisten = guest:w:1\ntarget = tcp:b:1\n",
         AT(9) "'guest:w:1 (vsock:any:1)' is claimed already by 'guest:v:1 (vsock:any:1)' of route "
               "'a' at " SCRATCH_FILE ":6; choose another address\n"},
        {"[guest m]\naddress = vsock-mux:/m\n[route a]\nlisten = guest:m:1 unix:/m_1\n"
         "  vsock-mux:/m:1 unix:/m\ntarget = tcp:b:1\n",
         AT(4) "'unix:/m_1' is claimed already by 'guest:m:1 (vsock-mux:/m:1)' of route 'a' "
               "at " SCRATCH_FILE ":4; choose another address\n" AT(
                   5) "'vsock-mux:/m:1' is claimed already by 'guest:m:1 (vsock-mux:/m:1)' of "
                      "route 'a' "
                      "at " SCRATCH_FILE ":4; choose another address\n"},
        {"[route a]\nlisten = tcp:*:0 tcp:*:0 vsock:any:0 vsock::0\ntarget = tcp:b:1\n", ""},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

/* All in one go: what is found line by line and what is found at the end stand in one order. */
Test(mistakes, are_told_in_the_order_of_lines)
{
    static const struct scratch_mistake cases[] = {
        {"[route a]\n"
         "listen = tcp:*:1\n"
         "target = guest:x:1\n"
         "[guest y]\n"
         "[route b]\n"
         "listen = tcp:*:1\n"
         "foo = 1\n"
         "target = tcp:b:1\n"
         "[global]\n"
         "workers = x\n",
         AT(3) "there is no guest 'x'; add a section [guest x]\n" AT(
             4) "this guest has no 'address'; add one, such as 'address = "
                "vsock:3'\n" AT(
                    6) "'tcp:*:1' is claimed already by 'tcp:*:1' of route "
                       "'a' at " SCRATCH_FILE ":2; choose another address\n" AT(
                           7) "unknown key 'foo'; the keys of [route NAME] are " ROUTE_KEYS
                              "\n" AT(10) "'x' is no value of 'workers'; give "
                                          "it a number from 0 to 1024\n"},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

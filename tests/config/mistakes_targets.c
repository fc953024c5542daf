/* The mistakes of several targets and of the keys about them, with the exact words. */
#include "tests/config/scratch.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* "FILE:LINE: " of the expected texts */
#define AT(line) SCRATCH_FILE ":" #line ": "

#define ONE   "[route a]\nlisten = tcp:*:1\ntarget = tcp:b:1\n"
#define TWO   "[route a]\nlisten = tcp:*:1\ntarget = tcp:b:1 tcp:c:1\n"
#define NAMED "[route a]\nlisten = mux:/a\ntarget = vsock:3:* vsock:4:*\n"
#define TEXT                                                                                   \
    "give it text of at most 255 bytes, with \\r, \\n, \\t, \\\\ and \\xHH for bytes that it " \
    "cannot hold\n"

Test(mistakes_targets, lists)
{
    static const struct scratch_mistake cases[] = {
        {TWO "  tcp:d:1\ntarget = tcp:e:1\n", ""},
        {TWO "  tcp:b:1\ntarget = tcp:e:1 tcp:c:1\n",
         AT(4) "the target 'tcp:b:1' is there already, as 'tcp:b:1' at line 3; name each target "
               "once\n" AT(5) "the target 'tcp:c:1' is there already, as 'tcp:c:1' at line 3; name "
                              "each target once\n"},
        {"[guest g]\naddress = vsock:3\n[route a]\nlisten = tcp:*:1\ntarget = vsock:3:1 "
         "guest:g:1\n",
         AT(5) "the target 'guest:g:1 (vsock:3:1)' is there already, as 'vsock:3:1' at line 5; "
               "name "
               "each target once\n"},
        {"[route a]\nlisten = tcp:*:1\ntarget = tcp:b:1 tpc:c:1\nbalance = failover\n",
         AT(3) "'tpc' in 'tpc:c:1' is no kind of endpoint; did you mean 'tcp'?\n"},
        {"[route a]\nlisten = tcp:*:1\ntarget = guest:x:1\n  guest:y:1\n",
         AT(3) "there is no guest 'x'; add a section [guest x]\n" AT(
             4) "there is no guest 'y'; add a section [guest y]\n"},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

Test(mistakes_targets, at_most_so_many)
{
    char text[4096] = "[route a]\nlisten = tcp:*:1\ntarget = tcp:b:1\n";
    struct scratch_mistake mistake = {text, ""};
    size_t length = strlen(text);

    for (unsigned i = 2; i <= ROUTE_TARGETS_MAX + 1; i++) {
        length += (size_t)snprintf(text + length, sizeof(text) - length, "  tcp:b:%u\n", i);
        if (i > ROUTE_TARGETS_MAX)
            mistake.problems =
                AT(67) "'tcp:b:65' is one too many; a route has at most 64 targets\n";
        if (i >= ROUTE_TARGETS_MAX)
            scratch_expect_mistakes(&mistake, 1);
    }
}

Test(mistakes_targets, ports)
{
    static const struct scratch_mistake cases[] = {
        {"[route a]\nlisten = tcp:*:10-12\ntarget = tcp:b:1-3 tcp:c:7 tcp:d:1-3\n", ""},
        {"[route a]\nlisten = tcp:*:10-12\ntarget = tcp:b:1-3 tcp:c:1-2\n",
         AT(2) "'tcp:*:10-12' has 3 ports, and the target has 2; make them as many\n"},
        {NAMED, ""},
        {NAMED "  vsock:5:1\n",
         AT(4) "'vsock:5:1' names one, unlike the target before it; all targets of a route leave "
               "the port to the initiator ('*'), or none does\n"},
        {TWO "  vsock:5:*\n",
         AT(4) "'vsock:5:*' leaves the port open, unlike the target before it; all targets of a "
               "route leave the port to the initiator ('*'), or none does\n"},
        {"[route a]\nlisten = mux:/a\ntarget = vsock:3:1 vsock:4:1\n",
         AT(2) "the initiators of a 'mux:' listener name the port; give the route a target that "
               "leaves it to them, such as 'guest:NAME:*'\n"},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

#define SEVERAL "is for a route with several targets, and this one has one; remove it\n"
#define CHECKED "is for 'check = connect', which this route does not have; remove it\n"
#define LEFT \
    "judges a target by its port, and this route's leave that to the initiator ('*'); remove it\n"

Test(mistakes_targets, keys_that_do_not_go_together)
{
    static const struct scratch_mistake cases[] = {
        {TWO "balance = source-hash\nretries = 0\nfail-max = 0\nfail-time = 100ms\n", ""},
        {ONE "balance = failover\nretries = 1\nfail-max = 1\nfail-time = 1s\n",
         AT(4) "'balance' " SEVERAL AT(5) "'retries' " SEVERAL AT(6) "'fail-max' " SEVERAL AT(
             7) "'fail-time' " SEVERAL},
        {NAMED "balance = failover\nretries = 1\nfail-max = 1\nfail-time = 1s\ncheck = connect\n",
         AT(6) "'fail-max' " LEFT AT(7) "'fail-time' " LEFT AT(8) "'check' " LEFT},
        {ONE "check = off\ncheck-interval = 1s\ncheck-timeout = 1s\ncheck-send = a\n"
             "check-expect = b\ncheck-rise = 1\ncheck-fall = 1\n",
         AT(5) "'check-interval' " CHECKED AT(6) "'check-timeout' " CHECKED
             AT(7) "'check-send' " CHECKED AT(8) "'check-expect' " CHECKED AT(
                 9) "'check-rise' " CHECKED AT(10) "'check-fall' " CHECKED},
        {ONE "check = connect\ncheck-expect = b\n", ""},
        {ONE "check = connect\ncheck-send = a\n",
         AT(5) "nothing is expected in answer to 'check-send'; add 'check-expect', what the answer "
               "is to begin with\n"},
        {TWO "wait-for-guest = 1m\n", AT(4) "'wait-for-guest' is for a target in a guest, guest:, "
                                            "vsock:, vsock-mux: or machine:, "
                                            "and this route's is none; remove it\n"},
        {TWO "  vsock:3:1\nwait-for-guest = 1m\n", ""},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

Test(mistakes_targets, values)
{
    static const struct scratch_mistake cases[] = {
        {TWO "balance = roundrobin\nretries = 64\nfail-max = -1\nfail-time = 99ms\n",
         AT(4) "'roundrobin' is no value of 'balance'; did you mean "
               "'round-robin'?\n" AT(5) "'64' is no value of 'retries'; give it a number from 0 to "
                                        "63\n" AT(
                                            6) "'-1' is no value of 'fail-max'; give it a number "
                                               "from 0 to 1000000\n" AT(7) "'99ms' is no value of "
                                                                           "'fail-time'; give it a "
                                                                           "duration from 100ms to "
                                                                           "24h\n"},
        {ONE "check = conect\ncheck-interval = 5\ncheck-timeout = 9ms\ncheck-rise = 0\n"
             "check-fall = 1001\n",
         AT(4) "'conect' is no value of 'check'; did you mean 'connect'?\n" AT(
             5) "'5' of 'check-interval' has no unit; write '5s', or end it with ms, m or "
                "h\n" AT(6) "'9ms' is no value of 'check-timeout'; give it a duration from "
                            "10ms to 24h\n" AT(7) "'0' is no value of 'check-rise'; give it a "
                                                  "number from 1 to 1000\n" AT(8) "'1001' is "
                                                                                  "no value of "
                                                                                  "'check-fall'"
                                                                                  "; give it a "
                                                                                  "number from "
                                                                                  "1 to "
                                                                                  "1000\n"},
        {ONE "check = connect\ncheck-send = a\\q\ncheck-expect = \\x4\n",
         AT(5) "'a\\q' is no value of 'check-send'; " TEXT AT(
             6) "'\\x4' is no value of 'check-expect'; " TEXT},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

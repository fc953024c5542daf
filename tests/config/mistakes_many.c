/* The mistakes of what stands for many: guests that are found or asked for by name, templates,
 * ranges of ports, and ports that the initiators name. With the exact words, as in mistakes.c.
 */
#include "tests/config/scratch.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* "FILE:LINE: " of the expected texts */
#define AT(line) SCRATCH_FILE ":" #line ": "

#define EACH_ADDRESS                                                                            \
    "the guests of [guest *] are found by their sockets; give it an address with '{name}' and " \
    "more "                                                                                     \
    "behind it, such as 'vsock-mux:/run/vms/{name}/v.sock'\n"

Test(mistakes_many, guests_that_are_found)
{
    static const struct scratch_mistake cases[] = {
        {"[guest *]\naddress = vsock-mux:/run/v.sock\n", AT(2) EACH_ADDRESS},
        {"[guest *]\naddress = vsock-mux:/run/{name}\n", AT(2) EACH_ADDRESS},
        {"[guest *]\naddress = vsock-mux:/run/{name}_80\n", AT(2) EACH_ADDRESS},
        {"[guest *]\naddress = vsock:3\n", AT(2) EACH_ADDRESS},
        {"[guest *]\nmachine = web1\n", AT(2) EACH_ADDRESS},
        {"[guest *]\naddress = vsock-mux:/run/{name}s\n[guest *]\naddress = vsock-mux:/x/{name}s\n",
         AT(3) "guest '*' is already defined at " SCRATCH_FILE ":1; give this one another name\n"},
        {"[guest *]\n", AT(1) "this guest has no 'address'; add one, such as 'address = "
                              "vsock:3'\n"},
        {"[guest *]\naddress = vsock-mux:/run/{name}/v\nvmm = libkrun\n",
         AT(3) "the guests of [guest *] are found by their sockets, and libkrun has none but those "
               "of its ports; name each of these guests, [guest NAME]\n"},
        {"[guest {name}]\naddress = vsock:3\n",
         AT(1) "'{name}' is no name of a guest; one has at most 48 letters, digits, '.', '_' and "
               "'-'\n"},
        {"[route *]\nlisten = tcp:*:1\ntarget = tcp:b:1\n",
         AT(1) "'*' is no name of a route; one has at most 48 letters, digits, '.', '_' and "
               "'-'\n"},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

Test(mistakes_many, guests_that_are_machines)
{
    static const struct scratch_mistake cases[] = {
        {"[guest m]\nmachine = web1\nvmm = kernel\n", ""},
        {"[guest m]\nmachine = web1\nvmm = firecracker\n",
         AT(3) "only 'kernel' or 'auto' goes with 'machine'; other VMMs need 'vsock-mux:/PATH'\n"},
        {"[guest m]\nmachine = web 1\n",
         AT(2) "'web 1' is no value of 'machine'; give it the name of a virtual machine, as "
               "systemd-machined has it\n"},
        {"[guest m]\nmachine =\n", AT(2) "'machine' is empty; give it the name of a virtual "
                                         "machine, as systemd-machined has it\n"},
        {"[guest m]\naddress = vsock:3\nmachine = web1\n",
         AT(3) "this guest has an 'address' too; its CID is asked for by name or given, remove one "
               "of the two\n"},
        {"[guest m]\nmachine = m\n[route r]\nlisten = guest:m:1-10 tcp:*:1\ntarget = guest:m:0\n",
         AT(4) "guest 'm' is known by 'machine', which is for targets; to listen for it, give it "
               "an address 'vsock:CID'\n" AT(
                   5) "'0' in 'guest:m:0' cannot be the port of a target; give a number from 1 to "
                      "4294967294\n"},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

#define NAME48 "123456789012345678901234567890123456789012345678"
#define FOUND  "[guest *]\naddress = vsock-mux:/run/vms/{name}/v.sock\n"

Test(mistakes_many, templates)
{
    static const struct scratch_mistake cases[] = {
        {"[route a]\nlisten = unix:/run/{name}\ntarget = guest:{name}:1\n",
         AT(1) "this route is for each guest ('{name}'), and there is none; add a section [guest "
               "*] or [guest NAME]\n"},
        {FOUND "[route a]\nlisten = unix:/run/{name} tcp:*:1-9 unix:/run/x guest:{name}:1\n"
               "  fd:web\ntarget = guest:{name}:1\n",
         AT(4) "'tcp:*:1-9' would be the same for every guest of this route; put '{name}' into its "
               "path\n" AT(4) "'unix:/run/x' would be the same for every guest of this route; put "
                              "'{name}' into its path\n" AT(
                                  5) "'fd:web' would be the same for every guest of this route; "
                                     "put '{name}' into its path\n"},
        /* a guest without a right name makes nothing of it */
        {"[guest " NAME48 "9]\naddress = vsock:3\n[route a]\nlisten = unix:/run/{name}\n"
         "target = guest:{name}:1\n",
         AT(1) "'" NAME48 "9' is no name of a guest; one has at most 48 letters, digits, '.', '_' "
               "and '-'\n"},
        {"[guest a]\naddress = vsock:3\n[guest b]\naddress = vsock:4\n[route a]\n"
         "listen = tcp:*:1\ntarget = guest:{name}:1\n",
         AT(6) "'tcp:*:1' would be the same for every guest of this route; put '{name}' into its "
               "path\n" AT(6) "'tcp:*:1' is claimed already by 'tcp:*:1' of route 'a@a' "
                              "at " SCRATCH_FILE ":6; choose another address\n"},
        {FOUND "[route a]\nlisten = unix:/run/{name}\n",
         AT(3) "this route has no 'target'; add one, such as 'target = vsock:3:80'\n"},
        {FOUND "[route a]\ntarget = guest:{name}:1\n",
         AT(3) "this route has no 'listen'; add one, such as 'listen = tcp:127.0.0.1:8080'\n"},
        {FOUND "[route a]\nlisten = unix:/run/{name}\ntarget = guest:web:1\n",
         AT(5) "there is no guest 'web'; add a section [guest web]\n"},
        {FOUND "[guest web]\naddress = vsock:3\n[guest db]\naddress = vsock:4\n"
               "[route a]\nlisten = unix:/run/{name}\ntarget = guest:wbe:1\n",
         AT(9) "there is no guest 'wbe'; did you mean 'web'?\n"},
        {FOUND "[route a]\nlisten = tcp:*:1\ntarget = guest:web:1\n",
         AT(5) "there is no guest 'web'; add a section [guest web]\n"},
        {FOUND "[route a]\nlisten = unix:/run/{name}\ntarget = tcp:b:1\nwait-for-guest = 1s\n",
         AT(6) "'wait-for-guest' is for a target in a guest, guest:, vsock:, vsock-mux: or "
               "machine:, and this route's is none; remove it\n"},
        {FOUND "[route a]\nlisten = unix:@{name}\ntarget = guest:{name}:1\nmode = 0600\n",
         AT(6) "'mode' is for listeners with a path, unix:/PATH, mux:/PATH or "
               "vsock-mux:/PATH:PORT, and this route has none; remove it\n"},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

#define LONG48 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define LONG60 LONG48 "cccccccccccc"

/* What a name makes too long, and what it makes claim an address of others. */
Test(mistakes_many, instances)
{
    static const struct scratch_mistake cases[] = {
        {"[guest " NAME48 "]\naddress = vsock:3\n[route a]\n"
         "listen = unix:/" LONG48 "/{name}/12345678\n  mux:/" LONG48 "/{name}/123456789\n"
         "target = guest:{name}:1\n",
         AT(3) "'mux:/" LONG48 "/{name}/123456789' is too long for guest '" NAME48
               "'; the path of a Unix socket has at most 107 bytes\n" AT(
                   5) "the initiators of a 'mux:' listener name the port; give the route a target "
                      "that leaves it to them, such as 'guest:NAME:*'\n"},
        {"[guest " NAME48 "]\naddress = vsock:3\n[route a]\n"
         "listen = unix:/{name}\ntarget = unix:/" LONG60 "{name}\n",
         AT(3) "'unix:/" LONG60 "{name}' is too long for guest '" NAME48
               "'; the path of a Unix socket has at most 107 bytes\n"},
        /* the longest port is put behind it */
        {"[guest " NAME48 "]\naddress = vsock:3\n[route a]\n"
         "listen = vsock-mux:/" LONG48 "/{name}1234:9-10\n  vsock-mux:/" LONG48
         "/{name}123456:9-100\ntarget = guest:{name}:1\n",
         AT(5) "'vsock-mux:/" LONG48 "/" NAME48 "123456:100' binds '/" LONG48 "/" NAME48
               "123456_100', of 108 bytes; the path of a Unix socket has at most 107\n"},
        {"[guest fc1]\naddress = vsock-mux:/fc1\n[route a]\nlisten = unix:/run/fc1\n"
         "target = tcp:b:1\n[route b]\nlisten = unix:/run/{name}\ntarget = guest:{name}:1\n",
         AT(7) "'unix:/run/fc1' is claimed already by 'unix:/run/fc1' of route 'a' at " SCRATCH_FILE
               ":4; choose another address\n"},
        {"[guest fc1]\naddress = vsock-mux:/fc1\n[route a]\nlisten = guest:{name}:5-9\n"
         "target = tcp:b:1\n[route b]\nlisten = unix:/fc1_7\ntarget = tcp:b:1\n",
         AT(4) "'guest:fc1:7 (vsock-mux:/fc1:7)' is claimed already by 'unix:/fc1_7' of route 'b' "
               "at " SCRATCH_FILE ":7; choose another address\n"},
        {"[guest a]\naddress = vsock:3\n[guest b]\naddress = vsock:4\n[route r]\n"
         "listen = guest:{name}:1-99\ntarget = tcp:b:1\n",
         AT(6) "'guest:b:1 (vsock:any:1)' is claimed already by 'guest:a:1 (vsock:any:1)' of route "
               "'r@a' at " SCRATCH_FILE ":6; choose another address\n"},
        {"[guest k]\naddress = vsock-mux:/k\nvmm = libkrun\n[route a]\nlisten = mux:/run/{name}\n"
         "target = guest:{name}:*\n",
         AT(6) "libkrun has a socket for each port, which is to be named here; give one port\n"},
        {"[guest m]\nmachine = m\n[route a]\nlisten = guest:{name}:1\ntarget = tcp:b:1\n",
         AT(4) "guest 'm' is known by 'machine', which is for targets; to listen for it, give it "
               "an "
               "address 'vsock:CID'\n"},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

Test(mistakes_many, ports)
{
    static const struct scratch_mistake cases[] = {
        {"[route a]\nlisten = mux:/a\ntarget = vsock:3:80\n",
         AT(2) "the initiators of a 'mux:' listener name the port; give the route a target that "
               "leaves it to them, such as 'guest:NAME:*'\n"},
        {"[route a]\nlisten = mux:/a\ntarget = unix:/b\n",
         AT(2) "the initiators of a 'mux:' listener name the port; give the route a target that "
               "leaves it to them, such as 'guest:NAME:*'\n"},
        {"[route a]\nlisten = mux:/a tcp:*:1-99\n  unix:/b fd:c\ntarget = vsock:3:*\n",
         AT(2) "the target leaves the port to the initiator ('*'), and only those of a 'mux:' "
               "listener name one\n" AT(3) "the target leaves the port to the initiator ('*'), and "
                                           "only those of a 'mux:' listener name one\n"},
        {"[route a]\nlisten = tcp:*:1\ntarget = vsock:3:80\nports = 22\n",
         AT(4) "'ports' is for 'mux:' listeners, whose initiators name the port, and this route "
               "has none; remove it\n"},
        {"[route a]\nlisten = tcp:*:1-3 tcp:*:7\ntarget = vsock:3:1-2\nlisten = unix:/a "
         "tcp:*:8-9\n",
         AT(2) "'tcp:*:1-3' has 3 ports, and the target has 2; make them as many\n" AT(
             2) "'tcp:*:7' has 1 port, and the target has 2; make them as many\n" AT(4) "'unix:/a' "
                                                                                        "has 1 "
                                                                                        "port, and "
                                                                                        "the "
                                                                                        "target "
                                                                                        "has 2; "
                                                                                        "make them "
                                                                                        "as "
                                                                                        "many\n"},
        {"[route a]\nlisten = mux:/a\ntarget = vsock:3:1-2\n",
         AT(2) "the initiators of a 'mux:' listener name the port; give the route a target that "
               "leaves it to them, such as 'guest:NAME:*'\n"},
        {"[guest k]\naddress = vsock-mux:/k\nvmm = libkrun\n[route a]\nlisten = tcp:*:1-2\n"
         "target = guest:k:1-2\n[route b]\nlisten = mux:/b\ntarget = guest:k:*\n",
         AT(6) "libkrun has a socket for each port, which is to be named here; give one port\n" AT(
             9) "libkrun has a socket for each port, which is to be named here; give one port\n"},
        /* once for all ports of an entry */
        {"[route a]\nlisten = guest:x:1-10000\ntarget = guest:x:1-10000\n",
         AT(2) "there is no guest 'x'; add a section [guest x]\n" AT(
             3) "there is no guest 'x'; add a section [guest x]\n"},
        {"[route a]\nlisten = tcp:a:1-100\ntarget = tcp:b:1\n[route b]\nlisten = tcp:a:50-70 "
         "tcp:*:90-200\ntarget = tcp:b:1\n",
         AT(5) "'tcp:a:50' is claimed already by 'tcp:a:50' of route 'a' at " SCRATCH_FILE
               ":2; choose another address\n" AT(
                   5) "'tcp:*:90' is claimed already by 'tcp:a:90' of route 'a' at " SCRATCH_FILE
                      ":2; choose another address\n"},
        /* what could not be read is no mistake of others */
        {"[route a]\nlisten = mux:/a\ntarget = vsock:3:x\nports = 1\n",
         AT(3) "'x' in 'vsock:3:x' is no port; a vsock port is a number from 1 to 4294967294\n"},
        {"[route a]\nlisten = mux:a\ntarget = vsock:3:*\nports = 1\n",
         AT(2) "'a' in 'mux:a' is no absolute path; write 'mux:/PATH', or 'mux:@NAME' for an "
               "abstract one\n"},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

#define MUX "[route a]\nlisten = mux:/a\ntarget = vsock:3:*\n"
#define PORT_LIST \
    "' is no value of 'ports'; give it ports and ranges of ports, such as '22 80 8000-8080'\n"

Test(mistakes_many, values)
{
    static const struct scratch_mistake cases[] = {
        {MUX "ports = 0\n", AT(4) "'0" PORT_LIST},
        {MUX "ports = 4294967294 4294967295\n", AT(4) "'4294967295" PORT_LIST},
        {MUX "ports = 80-22 x 1-2-3\n  -5 5- 22 1,,2 *\n",
         AT(4) "'80-22" PORT_LIST AT(4) "'x" PORT_LIST AT(4) "'1-2-3" PORT_LIST AT(
             5) "'-5" PORT_LIST AT(5) "'5-" PORT_LIST AT(5) "'*" PORT_LIST},
        {MUX "ports = ,\n", AT(4) "'," PORT_LIST},
        {MUX "ports = 99999999999\n", AT(4) "'99999999999" PORT_LIST},
        {MUX "ports =\n", AT(4) "'ports' is empty; give it ports and ranges of ports, such as '22 "
                                "80 8000-8080'\n"},
#define DAY(key, value) \
    "'" value "' is no value of '" key "'; give it a duration from 1s to 24h, or 'off'\n"
        {MUX "idle-timeout = 999ms\ndead-guest-probe = 999ms\n",
         AT(4) DAY("idle-timeout", "999ms") AT(5) DAY("dead-guest-probe", "999ms")},
        {MUX "idle-timeout = 1441m\ndead-guest-probe = 86401s\n",
         AT(4) DAY("idle-timeout", "1441m") AT(5) DAY("dead-guest-probe", "86401s")},
        {MUX "idle-timeout = never\ndead-guest-probe = on\n",
         AT(4) DAY("idle-timeout", "never") AT(5) DAY("dead-guest-probe", "on")},
        {MUX "idle-timeout = 5\n", AT(4) "'5' of 'idle-timeout' has no unit; write '5s', or end it "
                                         "with ms, m or h\n"},
        {MUX "idle-timeout =\ndead-guest-probe =\n",
         AT(4) "'idle-timeout' is empty; give it a duration from 1s to 24h, or 'off'\n" AT(
             5) "'dead-guest-probe' is empty; give it a duration from 1s to 24h, or 'off'\n"},
#define BANDWIDTH(key, value)                                    \
    "'" value "' is no value of '" key                           \
    "'; give it bytes per second from 1K to 100G, such as 10M, " \
    "or 'off'\n"
        {MUX "bandwidth = 1023\nsession-bandwidth = 107374182401\n",
         AT(4) BANDWIDTH("bandwidth", "1023") AT(5) BANDWIDTH("session-bandwidth", "107374182401")},
        {MUX "bandwidth = 10Mbit\nsession-bandwidth = fast\n",
         AT(4) BANDWIDTH("bandwidth", "10Mbit") AT(5) BANDWIDTH("session-bandwidth", "fast")},
        {MUX "bandwidth = -1\nsession-bandwidth = 99999999999999999999G\n",
         AT(4) BANDWIDTH("bandwidth", "-1") AT(5)
             BANDWIDTH("session-bandwidth", "99999999999999999999G")},
#define SESSIONS(value) \
    "'" value "' is no value of 'max-sessions'; give it a number from 0 to 10000000\n"
        {"[guest a]\naddress = vsock:3\nmax-sessions = 10000001\n", AT(3) SESSIONS("10000001")},
        {"[guest a]\naddress = vsock:3\nmax-sessions = auto\n", AT(3) SESSIONS("auto")},
        {"[guest a]\naddress = vsock:3\nmax-sessions = -1\n", AT(3) SESSIONS("-1")},
#define LETS_WAIT(listen)                                                                    \
    "'" listen "' lets nobody wait: the VMM would stand still, with its whole guest; write " \
    "'at-limit = refuse', or give it a route of its own\n"
#define MUX_LISTEN "[route a]\nlisten = tcp:*:1 vsock-mux:/a:1\ntarget = tcp:b:1\n"
        {MUX_LISTEN "at-limit = wait\n", AT(4) LETS_WAIT("vsock-mux:/a:1")},
        {MUX_LISTEN "at-limit = refuse\n", ""},
        {"[guest g]\naddress = vsock-mux:/g\n[route a]\nlisten = guest:g:5\ntarget = tcp:b:1\n"
         "at-limit = wait\n",
         AT(6) LETS_WAIT("guest:g:5")},
#define EACH_LISTENS "[route a]\nlisten = guest:{name}:5\ntarget = tcp:b:1\nat-limit = wait\n"
        {EACH_LISTENS "[guest *]\naddress = vsock-mux:/{name}/v\n",
         AT(4) LETS_WAIT("guest:{name}:5")},
        {EACH_LISTENS "[guest a]\naddress = vsock:3\n[guest b]\naddress = vsock-mux:/b\n"
                      "[guest c]\naddress = vsock-mux:/c\n",
         AT(4) LETS_WAIT("guest:{name}:5")},
        {EACH_LISTENS "[guest a]\naddress = vsock:3\n[guest b]\naddress = vsock-mux:/b\n"
                      "[route b]\nlisten = unix:/{name}\ntarget = guest:{name}:5\n"
                      "at-limit = wait\n",
         AT(4) LETS_WAIT("guest:{name}:5")},
        {EACH_LISTENS "[guest a]\naddress = vsock:3\n", ""},
        {MUX_LISTEN "at-limit = wiat\nmax-sessions-per-source = x\nmax-rate-per-source = 1000001\n",
         AT(4) "'wiat' is no value of 'at-limit'; did you mean 'wait'?\n" AT(
             5) "'x' is no value of 'max-sessions-per-source'; give it a number from 0 to "
                "10000000\n" AT(6) "'1000001' is no value of 'max-rate-per-source'; give it a "
                                   "number of sessions per second from 0 to 1000000\n"},
        {"[global]\nmax-rate = x\nmax-rate-per-source = 1\n",
         AT(2) "'x' is no value of 'max-rate'; give it a number of sessions per second from 0 to "
               "1000000\n" AT(3) "'max-rate-per-source' is no key of [global]; it belongs in "
                                 "[route NAME]\n"},
#define ADMIN(value)                                                                 \
    "'" value "' is no value of 'admin-socket'; give it the path of a Unix socket, " \
    "such as /run/vsluice/admin.sock\n"
        {"[global]\nadmin-socket = admin\n", AT(2) ADMIN("admin")},
        {"[global]\nadmin-socket = @admin\n", AT(2) ADMIN("@admin")},
        {"[global]\nadmin-socket = unix:/admin\n", AT(2) ADMIN("unix:/admin")},
        {"[global]\nadmin-socket = /run/\n", AT(2) ADMIN("/run/")},
        {"[global]\nadmin-socket = /" LONG60 "23456789012345678901234567890123456789012345678\n",
         AT(2) ADMIN("/" LONG60 "23456789012345678901234567890123456789012345678")},
        /* where operators ask is no route's, wherever it stands; a port that the kernel chooses may
           be */
        {"[global]\nadmin-listen = tcp:127.0.0.1:9100\n[route a]\nlisten = tcp:127.0.0.1:9099-9200 "
         "tcp:*:9100\ntarget = tcp:b:1\n",
         AT(4) "'tcp:127.0.0.1:9100' is claimed already by 'admin-listen = tcp:127.0.0.1:9100' "
               "at " SCRATCH_FILE ":2; choose another address\n" AT(
                   4) "'tcp:*:9100' is claimed already by 'admin-listen = tcp:127.0.0.1:9100' "
                      "at " SCRATCH_FILE ":2; choose another address\n"},
        {"[route a]\nlisten = tcp:[::1]:9100\ntarget = tcp:b:1\n[global]\nadmin-listen = "
         "tcp:*:9100\n",
         AT(2) "'tcp:[::1]:9100' is claimed already by 'admin-listen = tcp:*:9100' at " SCRATCH_FILE
               ":5; choose another address\n"},
        {"[global]\nadmin-listen = tcp:*:0\n[route a]\nlisten = tcp:*:0 tcp:*:9100\ntarget = "
         "tcp:b:1\n",
         ""},
        {"[global]\nadmin-listen = tcp:127.0.0.1:9100\n[route a]\nlisten = tcp:127.0.0.2:9100 "
         "tcp:127.0.0.1:9101\ntarget = tcp:127.0.0.1:9100\n",
         ""},
        {"[global]\nadmin-socket = /run/g_7\n[route a]\nlisten = unix:/run/./g_7\ntarget = "
         "tcp:b:1\n[guest g]\naddress = vsock-mux:/run/g\n[route b]\nlisten = guest:g:1-9\n"
         "target = tcp:b:1\n[route c]\nlisten = unix:@/run/g_7 unix:/run/g\ntarget = tcp:b:1\n",
         AT(4) "'unix:/run/./g_7' is claimed already by 'admin-socket = /run/g_7' at " SCRATCH_FILE
               ":2; choose another address\n" AT(
                   9) "'guest:g:7 (vsock-mux:/run/g:7)' is claimed already by 'admin-socket = "
                      "/run/g_7' at " SCRATCH_FILE ":2; choose another address\n"},
#define ADMIN_FORM "give it a TCP address and port, such as tcp:127.0.0.1:9100\n"
        {"[global]\nadmin-listen = tcp:localhost:9100\n",
         AT(2) "'tcp:localhost:9100' is no value of 'admin-listen'; " ADMIN_FORM},
        {"[global]\nadmin-listen = unix:/run/admin\n",
         AT(2) "'unix:/run/admin' is no value of 'admin-listen'; " ADMIN_FORM},
        {"[global]\nadmin-listen = fd:3\n",
         AT(2) "'fd:3' is no value of 'admin-listen'; " ADMIN_FORM},
        {"[global]\nadmin-listen =\n", AT(2) "'admin-listen' is empty; " ADMIN_FORM},
        {"[global]\nadmin-socket =\n", AT(2) "'admin-socket' is empty; give it the path of a Unix "
                                             "socket, such as /run/vsluice/admin.sock\n"},
        {"[global]\nidle-timeout = 5s\nmachine = a\nports = 1\n",
         AT(2) "'idle-timeout' is no key of [global]; it belongs in [route NAME]\n" AT(
             3) "'machine' is no key of [global]; it belongs in [guest NAME]\n" AT(4) "'ports' is "
                                                                                      "no key of "
                                                                                      "[global]; "
                                                                                      "it belongs "
                                                                                      "in [route "
                                                                                      "NAME]\n"},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

/* Those of the command line begin with the whole route. */
Test(mistakes_many, routes_of_the_command_line)
{
    static const char *const routes[] = {
        "unix:/run/{name}=guest:{name}:80",
        "tcp:*:1-3=vsock:3:1-2",
        "tcp:*:9=guest:web:*",
    };
    static const char expected[] =
        "'unix:/run/{name}=guest:{name}:80': this route is for each guest ('{name}'), and there is "
        "none; add a section [guest *] or [guest NAME]\n"
        "'tcp:*:1-3=vsock:3:1-2': 'tcp:*:1-3' has 3 ports, and the target has 2; make them as "
        "many\n"
        "'tcp:*:9=guest:web:*': the target leaves the port to the initiator ('*'), and only those "
        "of a 'mux:' listener name one\n"
        "'tcp:*:9=guest:web:*': there is no guest 'web'; add a section [guest web]\n";
    struct scratch_result result = scratch_read_text("", routes, COUNT_OF(routes));
    char *problems = scratch_problems(&result);

    cr_expect_str_eq(problems, expected, "%s", problems);
    free(problems);
    scratch_free(&result);
}

Test(mistakes_many, an_instance_of_the_command_line)
{
    static const char *const routes[] = {"unix:/" LONG60 "{name}=guest:{name}:80"};
    struct scratch_result result =
        scratch_read_text("[guest " NAME48 "]\naddress = vsock:3\n", routes, 1);
    char *problems = scratch_problems(&result);

    cr_expect_str_eq(problems,
                     "'unix:/" LONG60 "{name}=guest:{name}:80': 'unix:/" LONG60
                     "{name}' is too long for guest '" NAME48
                     "'; the path of a Unix socket has at most 107 bytes\n",
                     "%s", problems);
    free(problems);
    scratch_free(&result);
}

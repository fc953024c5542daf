/* The mistakes of `allow` and `deny`, with the exact words, as in mistakes.c; and what of them the
 * routing table shows.
 */
#include "tests/config/scratch.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* "FILE:LINE: " of the expected texts */
#define AT(line) SCRATCH_FILE ":" #line ": "

#define TCP  "[route a]\nlisten = tcp:*:1\ntarget = tcp:b:1\n"
#define UNIX "[route a]\nlisten = unix:/a\ntarget = tcp:b:1\n"
#define FORM "who may connect or not, such as '10.0.0.0/8 ::1', 'uid:USER' or 'cid:CID'\n"

Test(mistakes_access, values)
{
    static const struct scratch_mistake cases[] = {
        {TCP "allow = 10.0.0.0/8, ::1\n  fe80::\n  127.0.0.1\ndeny = 10.1.0.0/16\n"
             "deny = 10.2.0.0/16\n",
         ""},
        {TCP "allow =\ndeny = ,\n", AT(4) "'allow' is empty; give it " FORM AT(5) "',' is no value "
                                                                                  "of 'deny'; give "
                                                                                  "it " FORM},
        {TCP "allow = 10.0.0.1/8\n  10.0.0.0/40\n",
         AT(4) "'10.0.0.1/8' has bits behind its prefix; write '10.0.0.0/8' for the network, or "
               "'10.0.0.1' for the one address\n" AT(5) "'40' in '10.0.0.0/40' is no length of a "
                                                        "prefix; give a number from 0 to 32\n"},
        {UNIX "deny = uid:vsluice-nobody-x\n",
         AT(4) "'vsluice-nobody-x' is no user of this system; name one that exists\n"},
        {"[global]\nallow = ::1\n",
         AT(2) "'allow' is no key of [global]; it belongs in [route NAME]\n"},
        {TCP "alow = ::1\n", AT(4) "unknown key 'alow'; did you mean 'allow'?\n"},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

#define FOR_TCP \
    " is an address, which is for 'tcp:' listeners, and this route has none; remove it\n"
#define FOR_VSOCK " is a CID, which is for 'vsock:' listeners, and this route has none; remove it\n"
#define FOR_UNIX                                                                              \
    ", which is for listeners with a Unix socket, 'unix:', 'mux:' or 'vsock-mux:', and this " \
    "route has none; remove it\n"

Test(mistakes_access, words_for_listeners_that_a_route_has_not)
{
    static const struct scratch_mistake cases[] = {
        {TCP "allow = 10.0.0.0/8\n  uid:root\ndeny = gid:7 cid:any\n",
         AT(5) "'uid:0' is a user" FOR_UNIX AT(6) "'gid:7' is a group" FOR_UNIX AT(
             6) "'cid:any'" FOR_VSOCK},
        {UNIX "allow = uid:0 ::1 gid:0\ndeny = cid:3:0-1023\n",
         AT(4) "'::1'" FOR_TCP AT(5) "'cid:3:0-1023'" FOR_VSOCK},
        {"[route a]\nlisten = mux:/a\ntarget = vsock:3:*\nallow = uid:0 cid:3\n",
         AT(4) "'cid:3'" FOR_VSOCK},
        {"[route a]\nlisten = vsock-mux:/a:1\ntarget = tcp:b:1\nallow = uid:0 cid:3\n",
         AT(4) "'cid:3'" FOR_VSOCK},
        {"[route a]\nlisten = vsock:any:1\ntarget = tcp:b:1\nallow = uid:0 cid:3 ::1\n",
         AT(4) "'uid:0' is a user" FOR_UNIX AT(4) "'::1'" FOR_TCP},
        /* one of several is enough, and an inherited socket may be any */
        {"[route a]\nlisten = tcp:*:1 unix:/a vsock:any:1\ntarget = tcp:b:1\n"
         "allow = ::1 uid:0 cid:3\n",
         ""},
        {"[route a]\nlisten = fd:3\ntarget = tcp:b:1\nallow = ::1 uid:0 cid:3\n", ""},
        /* by what the guest has, in whatever order they stand */
        {"[route a]\nlisten = guest:g:1\ntarget = tcp:b:1\nallow = uid:0 cid:any:0-1023\n"
         "[guest g]\naddress = vsock:3\n",
         AT(4) "'uid:0' is a user" FOR_UNIX},
        {"[route a]\nlisten = guest:g:1\ntarget = tcp:b:1\nallow = uid:0 cid:any:0-1023\n"
         "[guest g]\naddress = vsock-mux:/g\n",
         AT(4) "'cid:any:0-1023'" FOR_VSOCK},
        /* of a template once, whatever its guests */
        {"[guest a]\naddress = vsock:3\n[guest b]\naddress = vsock-mux:/b\n"
         "[route r]\nlisten = guest:{name}:1\ntarget = tcp:b:1\nallow = uid:0 cid:any ::1\n",
         AT(8) "'::1'" FOR_TCP},
        {"[guest *]\naddress = vsock-mux:/run/{name}/v\n"
         "[route r]\nlisten = unix:/run/{name}\ntarget = guest:{name}:1\nallow = ::1\n",
         AT(6) "'::1'" FOR_TCP},
        /* what could not be read is no mistake of others */
        {"[route a]\nlisten = tcp:x\ntarget = tcp:b:1\nallow = uid:0\n",
         AT(2) "'tcp:x' has no port; write 'tcp:HOST:PORT'\n"},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

static void expect_table(const char *text, const char *expected)
{
    struct scratch_result result = scratch_read_text(text, NULL, 0);
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

Test(mistakes_access, a_right_list_is_shown)
{
    expect_table("[route a]\nlisten = tcp:*:1 unix:/a\ntarget = tcp:b:1\nmode = 0600\n"
                 "allow = 10.0.0.0/8\n  uid:root\ndeny = 10.1.0.0/16\n",
                 "ROUTE  LISTEN   TARGET   OPTIONS\n"
                 "a      tcp:*:1  tcp:b:1  allow=10.0.0.0/8,uid:0 deny=10.1.0.0/16\n"
                 "a      unix:/a  tcp:b:1  allow=10.0.0.0/8,uid:0 deny=10.1.0.0/16 mode=0600\n");
    expect_table(TCP "deny = 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 10.0.0.7\n"
                     "deny = 10.0.0.8 10.0.0.9 10.0.0.10\n",
                 "ROUTE  LISTEN   TARGET   OPTIONS\n"
                 "a      tcp:*:1  tcp:b:1  deny=10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4,10.0.0.5,"
                 "10.0.0.6,10.0.0.7,10.0.0.8,10.0.0.9,10.0.0.10\n");
    expect_table(TCP "deny = 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 10.0.0.5 10.0.0.6 10.0.0.7\n"
                     "deny = 10.0.0.8 10.0.0.9 10.0.0.10 10.0.0.11 10.0.0.12\n",
                 "ROUTE  LISTEN   TARGET   OPTIONS\n"
                 "a      tcp:*:1  tcp:b:1  deny=10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4,10.0.0.5,"
                 "10.0.0.6,10.0.0.7,10.0.0.8,10.0.0.9,10.0.0.10,(2 more)\n");
}

Test(mistakes_access, each_guest_has_lists_of_its_own)
{
    expect_table("[guest *]\naddress = vsock-mux:/run/{name}/v\n[guest g]\naddress = vsock:3\n"
                 "[route r]\nlisten = unix:/run/{name}\ntarget = guest:{name}:1\n"
                 "allow = uid:0\ndeny = gid:7\n",
                 "ROUTE  LISTEN            TARGET                 OPTIONS\n"
                 "r@g    unix:/run/g       guest:g:1 (vsock:3:1)  allow=uid:0 deny=gid:7\n"
                 "r      unix:/run/{name}  guest:{name}:1         allow=uid:0 deny=gid:7\n");
}

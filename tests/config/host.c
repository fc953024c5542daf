/* Hosts: IPv6 literals in their one form, IPv4 literals, names. */
#include "config/host.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

Test(host, ipv6_is_brought_into_one_form)
{
    static const struct {
        const char *text;
        const char *host;
    } cases[] = {
        {"::1", "::1"},
        {"0:0:0:0:0:0:0:1", "::1"},
        {"2001:DB8::00ff", "2001:db8::ff"},
        {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
        {"fe80::1%eth0", "fe80::1%eth0"},
        {"FE80:0::1%br-lan.7", "fe80::1%br-lan.7"},
        {"fe80::1%3", "fe80::1%3"},
        {"fe80::1%fifteencharslng", "fe80::1%fifteencharslng"},
        {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255%fifteencharslng",
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%fifteencharslng"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char host[256] = "untouched";
        cr_expect_eq(host_ipv6_parse(cases[i].text, strlen(cases[i].text), host, sizeof(host)), 0,
                     "%s", cases[i].text);
        cr_expect_str_eq(host, cases[i].host);
    }
}

Test(host, refuses_what_is_no_ipv6)
{
    static const char *const cases[] = {
        "",
        ":",
        "::g",
        "1.2.3.4",
        "::1 ",
        "1:2:3",
        ":::1",
        "fe80::1%",
        "fe80::1%a b",
        "fe80::1%a/b",
        "fe80::1%a]",
        "%eth0",
        "localhost",
        "::1%a%b",
        "fe80::1%sixteencharslong",
        "0000000000000000000000000000000000000000000000000000000000000000000000000000001::",
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char host[256] = "untouched";
        cr_expect_eq(host_ipv6_parse(cases[i], strlen(cases[i]), host, sizeof(host)), -EINVAL, "%s",
                     cases[i]);
        cr_expect_str_eq(host, "untouched");
    }
}

Test(host, reads_no_further_than_its_length)
{
    char host[256];

    cr_expect_eq(host_ipv6_parse("::1]:80", 3, host, sizeof(host)), 0);
    cr_expect_str_eq(host, "::1");
    cr_expect_eq(host_ipv6_parse("::1%eth0]:80%x", 8, host, sizeof(host)), 0);
    cr_expect_str_eq(host, "::1%eth0");
    cr_expect_eq(host_ipv6_parse("::1%", 3, host, sizeof(host)), 0);
}

Test(host, names_are_labels_between_dots)
{
    static const char *const good[] = {
        "a",  "localhost", "localhost.", "web-1.example.org", "my_host", "xn--bcher-kva.example",
        "1a", "a.1",
    };
    static const char *const bad[] = {
        "",    ".",      "..",  ".a",  "a..b", "a..",           "-a",
        "a-",  "a.-b.c", "a b", "a/b", "a:b",  "b\303\274cher", "a=b",
        "*.a", "a\n",    "a]",  "[a",  "@a",
    };

    for (size_t i = 0; i < COUNT_OF(good); i++)
        cr_expect(host_name_valid(good[i]), "%s", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        cr_expect_not(host_name_valid(bad[i]), "%s", bad[i]);
}

Test(host, names_and_labels_have_bounds)
{
    char name[300];

    memset(name, 'a', sizeof(name));
    for (size_t length = 62; length <= 64; length++) {
        name[length] = '\0';
        cr_expect_eq(host_name_valid(name), length <= 63, "a label of %zu", length);
        name[length] = 'a';
    }
    for (size_t i = 50; i < sizeof(name); i += 50)
        name[i] = '.';
    for (size_t length = 252; length <= 254; length++) {
        name[length] = '\0';
        cr_expect_eq(host_name_valid(name), length <= 253, "a name of %zu", length);
        name[length] = 'a';
    }
    strcpy(name + 253, ".");
    cr_expect(host_name_valid(name), "253 and a final dot");
}

Test(host, digits_and_dots_are_an_ipv4_literal_or_nothing)
{
    cr_expect(host_ipv4_like("1.2.3.4"));
    cr_expect(host_ipv4_like("1.2.3"));
    cr_expect(host_ipv4_like("1"));
    cr_expect_not(host_ipv4_like(""));
    cr_expect_not(host_ipv4_like("1.2.3.a"));
    cr_expect_not(host_ipv4_like("::1"));
    cr_expect(host_ipv4_valid("255.255.255.255"));
    cr_expect_not(host_ipv4_valid("1.2.3"));
    cr_expect_not(host_ipv4_valid("1.2.3.256"));
    cr_expect_not(host_ipv4_valid("1.2.3.4.5"));
    cr_expect_not(host_ipv4_valid("localhost"));
}

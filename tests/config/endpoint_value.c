/* Endpoints as values: the printed form, equality, and which two listeners claim one address. */
#include "config/endpoint.h"

#include <criterion/criterion.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static struct endpoint listen_of(const char *text)
{
    struct endpoint endpoint;
    char error[ENDPOINT_ERROR_BYTES];

    cr_assert_eq(endpoint_parse(text, ENDPOINT_LISTEN, &endpoint, error), 0, "%s", error);
    return endpoint;
}

Test(endpoint_value, prints_the_canonical_form)
{
    static const struct {
        const char *text;
        const char *printed;
    } cases[] = {
        {"tcp://Example.org:080", "tcp:Example.org:80"},
        {"tcp:*:80", "tcp:*:80"},
        {"tcp://[0:0::1]:80", "tcp:[::1]:80"},
        {"tcp:[FE80::1%eth0]:80", "tcp:[fe80::1%eth0]:80"},
        {"unix:/run/x", "unix:/run/x"},
        {"unix:@x", "unix:@x"},
        {"vsock::80", "vsock:any:80"},
        {"vsock://4294967295:80", "vsock:any:80"},
        {"vsock:0:80", "vsock:hypervisor:80"},
        {"vsock:1:80", "vsock:local:80"},
        {"vsock:2:80", "vsock:host:80"},
        {"vsock:03:080", "vsock:3:80"},
        {"vsock-mux:/v.sock:080", "vsock-mux:/v.sock:80"},
        {"guest:web1:080", "guest:web1:80"},
        {"fd:03", "fd:3"},
        {"fd:web", "fd:web"},
        {"mux:/run/x", "mux:/run/x"},
        {"mux:@x", "mux:@x"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct endpoint endpoint = listen_of(cases[i].text);
        char text[ENDPOINT_TEXT_BYTES];
        cr_expect_eq(endpoint_format(&endpoint, text), strlen(cases[i].printed));
        cr_expect_str_eq(text, cases[i].printed);
    }
}

Test(endpoint_value, prints_guests_with_what_they_stand_for)
{
    struct endpoint guest = listen_of("guest:web1:80");
    struct endpoint vsock = listen_of("vsock:3:80");
    char text[ENDPOINT_PAIR_TEXT_BYTES];

    cr_expect_eq(endpoint_pair_format(&guest, &vsock, 1, text),
                 strlen("guest:web1:80 (vsock:3:80)"));
    cr_expect_str_eq(text, "guest:web1:80 (vsock:3:80)");
    endpoint_pair_format(&guest, &guest, 1, text);
    cr_expect_str_eq(text, "guest:web1:80");
    endpoint_pair_format(&vsock, &vsock, 1, text);
    cr_expect_str_eq(text, "vsock:3:80");
}

Test(endpoint_value, equal_is_all_that_is_printed)
{
    static const char *const texts[] = {
        "tcp:a:80",       "tcp:a:81",  "tcp:b:80",  "tcp:*:80",       "unix:/a",
        "unix:/b",        "unix:@a",   "vsock:3:1", "vsock:3:2",      "vsock:4:1",
        "vsock:any:1",    "fd:3",      "fd:4",      "fd:a",           "fd:b",
        "guest:a:1",      "guest:a:2", "guest:b:1", "vsock-mux:/a:1", "vsock-mux:/a:2",
        "vsock-mux:/b:1", "tcp:a:1",   "mux:/a",    "mux:/b",
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        for (size_t j = 0; j < COUNT_OF(texts); j++) {
            struct endpoint a = listen_of(texts[i]);
            struct endpoint b = listen_of(texts[j]);
            cr_expect_eq(endpoint_equal(&a, &b), i == j, "%s %s", texts[i], texts[j]);
        }
    }
}

Test(endpoint_value, listeners_that_claim_one_address_collide)
{
    static const struct {
        const char *a;
        const char *b;
        bool collide;
    } cases[] = {
        {"tcp:a:80", "tcp:a:80", true},
        {"tcp:a:80", "tcp:A:80", true},
        {"tcp:a:80", "tcp:a:81", false},
        {"tcp:a:80", "tcp:b:80", false},
        {"tcp:*:80", "tcp:b:80", true},
        {"tcp:*:80", "tcp:[::1]:80", true},
        {"tcp:*:80", "tcp:*:80", true},
        {"tcp:*:80", "tcp:*:81", false},
        {"tcp:*:0", "tcp:*:0", false},
        {"tcp:a:0", "tcp:a:0", false},
        {"tcp:127.0.0.1:80", "tcp:127.0.0.2:80", false},
        {"tcp:0.0.0.0:80", "tcp:127.0.0.1:80", true},
        {"tcp:0.0.0.0:80", "tcp:0.0.0.0:80", true},
        {"tcp:0.0.0.0:80", "tcp:[::1]:80", false},
        {"tcp:0.0.0.0:80", "tcp:localhost:80", false},
        {"tcp:[::]:80", "tcp:[::1]:80", true},
        {"tcp:[::]:80", "tcp:127.0.0.1:80", false},
        {"tcp:[::]:80", "tcp:0.0.0.0:80", false},
        {"tcp:[::1]:80", "tcp:[0:0:0::1]:80", true},
        {"tcp:[fe80::1%a]:80", "tcp:[fe80::1%b]:80", false},
        {"unix:/a", "unix:/a", true},
        {"unix:/a", "unix:/b", false},
        {"unix:/a/b", "unix://a/./b", true},
        {"unix:/a/b", "unix:/a/.b", false},
        {"unix:/a/b", "unix:/a", false},
        {"unix:/ab", "unix:/a/b", false},
        {"unix:@a", "unix:@a", true},
        {"unix:@/a", "unix:/a", false},
        {"unix:@/a", "unix:@//a", false},
        {"vsock-mux:/a:80", "vsock-mux:/a:80", true},
        {"vsock-mux:/a:80", "vsock-mux:/a:81", false},
        {"vsock-mux:/a:80", "unix:/a_80", true},
        {"vsock-mux:/a:80", "unix:/a", false},
        {"vsock-mux:/a_1:80", "vsock-mux:/a:1", false},
        {"vsock:3:80", "vsock:3:80", true},
        {"vsock:3:80", "vsock:4:80", false},
        {"vsock:3:80", "vsock:3:81", false},
        {"vsock:any:80", "vsock:3:80", true},
        {"vsock:any:80", "vsock:any:80", true},
        {"vsock:any:80", "vsock:any:81", false},
        {"vsock:any:0", "vsock:any:0", false},
        {"vsock:3:80", "tcp:*:80", false},
        {"guest:a:80", "guest:a:80", true},
        {"guest:a:80", "guest:b:80", false},
        {"guest:a:0", "guest:a:0", false},
        {"fd:3", "fd:3", true},
        {"fd:3", "fd:4", false},
        {"fd:a", "fd:a", true},
        {"fd:a", "fd:b", false},
        {"fd:a", "fd:3", false},
        {"mux:/a", "mux:/a", true},
        {"mux:/a", "mux:/b", false},
        {"mux:/a", "unix:/./a", true},
        {"mux:@a", "unix:@a", true},
        {"mux:@/a", "mux:/a", false},
        {"mux:/a_80", "vsock-mux:/a:80", true},
        {"mux:/a", "vsock-mux:/a:80", false},
        {"vsock-mux:/a_8:0080", "vsock-mux:/a:8", false},
        {"vsock-mux://a:80", "vsock-mux:/a:80", true},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct endpoint a = listen_of(cases[i].a);
        struct endpoint b = listen_of(cases[i].b);
        cr_expect_eq(endpoint_collides(&a, &b), cases[i].collide, "%s %s", cases[i].a, cases[i].b);
        cr_expect_eq(endpoint_collides(&b, &a), cases[i].collide, "%s %s", cases[i].b, cases[i].a);
        cr_expect(!cases[i].collide || endpoint_claim(&a) == endpoint_claim(&b), "%s %s",
                  cases[i].a, cases[i].b);
    }
}

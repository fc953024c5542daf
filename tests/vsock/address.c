/* vsock addresses as text: every spelling, every refusal with the part that is wrong, and round
 * trips. */
#include "vsock/vsock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

Test(vsock_constants, are_the_kernels)
{
    cr_expect_eq(VSOCK_CID_HYPERVISOR, VMADDR_CID_HYPERVISOR);
    cr_expect_eq(VSOCK_CID_LOCAL, VMADDR_CID_LOCAL);
    cr_expect_eq(VSOCK_CID_HOST, VMADDR_CID_HOST);
    cr_expect_eq(VSOCK_CID_ANY, VMADDR_CID_ANY);
    cr_expect_eq(VSOCK_PORT_ANY, VMADDR_PORT_ANY);
    cr_expect_str_eq(VSOCK_NETWORK, "vsock");
}

Test(vsock_address, reads_every_spelling)
{
    static const struct {
        const char *text;
        struct vsock_address address;
    } cases[] = {
        {"vsock:3:80", {3, 80}},
        {"vsock://3:80", {3, 80}},
        {"vsock::80", {VSOCK_CID_ANY, 80}},
        {"vsock:any:80", {VSOCK_CID_ANY, 80}},
        {"vsock://any:80", {VSOCK_CID_ANY, 80}},
        {"vsock:local:1", {VSOCK_CID_LOCAL, 1}},
        {"vsock:host:1", {VSOCK_CID_HOST, 1}},
        {"vsock:hypervisor:1", {VSOCK_CID_HYPERVISOR, 1}},
        {"vsock:0:0", {0, 0}},
        {"vsock:4294967295:4294967295", {UINT32_MAX, UINT32_MAX}},
        {"vsock:0003:0080", {3, 80}},
        {"vm(3):1024", {3, 1024}},
        {"vm(4294967295):4294967295", {VSOCK_CID_ANY, VSOCK_PORT_ANY}},
        {"host(2):1024", {VSOCK_CID_HOST, 1024}},
        {"local(1):1024", {VSOCK_CID_LOCAL, 1024}},
        {"hypervisor(0):0", {VSOCK_CID_HYPERVISOR, 0}},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct vsock_address address = {7, 7};
        const char *bad = "untouched";
        cr_expect_eq(vsock_address_parse(cases[i].text, &address, &bad), 0, "%s", cases[i].text);
        cr_expect_eq(address.cid, cases[i].address.cid, "%s", cases[i].text);
        cr_expect_eq(address.port, cases[i].address.port, "%s", cases[i].text);
        cr_expect_str_eq(bad, "untouched");
    }
}

Test(vsock_address, refuses_and_points_at_the_wrong_part)
{
    static const struct {
        const char *text;
        int error;
        const char *bad;
    } cases[] = {
        {"", -EINVAL, ""},
        {"vsock", -EINVAL, "vsock"},
        {"vsock:", -EINVAL, ""},
        {"vsock:3", -EINVAL, "3"},
        {"vsock:80", -EINVAL, "80"},
        {"tcp:3:80", -EINVAL, "tcp:3:80"},
        {"VSOCK:3:80", -EINVAL, "VSOCK:3:80"},
        {" vsock:3:80", -EINVAL, " vsock:3:80"},
        {"vsock:3:", -EINVAL, ""},
        {"vsock:3:80 ", -EINVAL, "80 "},
        {"vsock:3:80:90", -EINVAL, "80:90"},
        {"vsock:3:-1", -EINVAL, "-1"},
        {"vsock:3:+1", -EINVAL, "+1"},
        {"vsock:3:0x10", -EINVAL, "0x10"},
        {"vsock: 3:80", -EINVAL, " 3:80"},
        {"vsock:-1:80", -EINVAL, "-1:80"},
        {"vsock:Host:80", -EINVAL, "Host:80"},
        {"vsock:hosts:80", -EINVAL, "hosts:80"},
        {"vsock:hos:80", -EINVAL, "hos:80"},
        {"vsock://:80", -EINVAL, ":80"},
        {"vsock:///3:80", -EINVAL, "/3:80"},
        {"vsock:4294967296:80", -ERANGE, "4294967296:80"},
        {"vsock:3:4294967296", -ERANGE, "4294967296"},
        {"vsock:3:99999999999999999999999999", -ERANGE, "99999999999999999999999999"},
        {"vsock:3:9999999999999999999999x", -EINVAL, "9999999999999999999999x"},
        {"vm", -EINVAL, "vm"},
        {"vm:3", -EINVAL, "vm:3"},
        {"VM(3):1", -EINVAL, "VM(3):1"},
        {"guest(3):1", -EINVAL, "guest(3):1"},
        {"vms(3):1", -EINVAL, "vms(3):1"},
        {"(3):1", -EINVAL, "(3):1"},
        {"vm(", -EINVAL, ""},
        {"vm():1", -EINVAL, "):1"},
        {"vm(-3):1", -EINVAL, "-3):1"},
        {"vm(x):1", -EINVAL, "x):1"},
        {"vm(3", -EINVAL, ""},
        {"vm(3)", -EINVAL, ")"},
        {"vm(3)1024", -EINVAL, ")1024"},
        {"vm(3 ):1", -EINVAL, " ):1"},
        {"vm(3):", -EINVAL, ""},
        {"vm(3):1 ", -EINVAL, "1 "},
        {"vm(3):1:2", -EINVAL, "1:2"},
        {"any(4294967295):1", -EINVAL, "any(4294967295):1"},
        {"host(3):1", -EINVAL, "3):1"},
        {"local(2):1", -EINVAL, "2):1"},
        {"hypervisor(1):1", -EINVAL, "1):1"},
        {"vm(4294967296):1", -ERANGE, "4294967296):1"},
        {"vm(3):4294967296", -ERANGE, "4294967296"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct vsock_address address = {7, 7};
        const char *bad = NULL;
        cr_expect_eq(vsock_address_parse(cases[i].text, &address, &bad), cases[i].error, "'%s'",
                     cases[i].text);
        cr_expect_eq(vsock_address_parse(cases[i].text, &address, NULL), cases[i].error, "'%s'",
                     cases[i].text);
        cr_assert_not_null(bad);
        cr_expect_str_eq(bad, cases[i].bad, "'%s': '%s'", cases[i].text, bad);
        cr_expect(bad >= cases[i].text && bad <= cases[i].text + strlen(cases[i].text));
        cr_expect(address.cid == 7 && address.port == 7, "'%s' touched its output", cases[i].text);
    }
}

Test(vsock_address, prints_well_known_cids_by_name)
{
    static const struct {
        struct vsock_address address;
        const char *text;
    } cases[] = {
        {{0, 1}, "vsock:hypervisor:1"},
        {{1, 2}, "vsock:local:2"},
        {{2, 3}, "vsock:host:3"},
        {{3, 0}, "vsock:3:0"},
        {{UINT32_MAX, UINT32_MAX}, "vsock:any:4294967295"},
        {{0, UINT32_MAX}, "vsock:hypervisor:4294967295"},
        {{UINT32_MAX - 1, UINT32_MAX}, "vsock:4294967294:4294967295"},
    };
    char text[VSOCK_ADDRESS_TEXT_BYTES];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        cr_expect_eq(vsock_address_format(&cases[i].address, text), strlen(cases[i].text));
        cr_expect_str_eq(text, cases[i].text);
    }
}

Test(vsock_address, what_is_printed_is_read_back)
{
    for (unsigned i = 0; i < 20000; i++) {
        struct vsock_address address = {(uint32_t)mrand48() >> (mrand48() & 31),
                                        (uint32_t)mrand48() >> (mrand48() & 31)};
        struct vsock_address back = {7, 7};
        char text[VSOCK_ADDRESS_TEXT_BYTES];
        size_t length = vsock_address_format(&address, text);

        cr_assert_eq(length, strlen(text));
        cr_assert_eq(vsock_address_parse(text, &back, NULL), 0, "%s", text);
        cr_assert(back.cid == address.cid && back.port == address.port, "%s", text);
    }
}

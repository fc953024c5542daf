/* Errors in words: the operation, the addresses, why; cut to the space that there is. */
#include "vsock/vsock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static const struct vsock_address guest = {3, 80};
static const struct vsock_address host = {VSOCK_CID_HOST, 1024};
static const struct vsock_address any = {VSOCK_CID_ANY, VSOCK_PORT_ANY};

static const struct {
    const char *operation;
    const struct vsock_address *local;
    const struct vsock_address *remote;
    int error;
    const char *text;
} cases[] = {
    {"dial", NULL, &guest, -ENODEV, "dial vsock vsock:3:80: no VM has this CID (No such device)"},
    {"dial", NULL, &guest, -ECONNRESET,
     "dial vsock vsock:3:80: nobody listens on this port (Connection reset by peer)"},
    {"dial", &any, &guest, -ETIMEDOUT,
     "dial vsock vsock:any:4294967295->vsock:3:80: no answer in time (Connection timed out)"},
    {"dial", NULL, &guest, -ECANCELED,
     "dial vsock vsock:3:80: it was cancelled (Operation canceled)"},
    {"dial", NULL, &guest, -EPROTO,
     "dial vsock vsock:3:80: the answer was none of a vsock-mux (Protocol error)"},
    {"dial", NULL, &guest, -ECONNREFUSED, "dial vsock vsock:3:80: Connection refused"},
    {"dial", NULL, &guest, -EAFNOSUPPORT,
     "dial vsock vsock:3:80: this kernel has no vsock: load the module vsock "
     "(Address family not supported by protocol)"},
    {"listen", &host, NULL, -EADDRINUSE, "listen vsock vsock:host:1024: Address already in use"},
    {"accept", &host, NULL, -EBADF,
     "accept vsock vsock:host:1024: it is closed (Bad file descriptor)"},
    {"accept", &host, NULL, -ETIMEDOUT,
     "accept vsock vsock:host:1024: the deadline has passed (Connection timed out)"},
    {"read", &host, &guest, -ETIMEDOUT,
     "read vsock vsock:host:1024->vsock:3:80: the deadline has passed (Connection timed out)"},
    {"read", &host, &guest, -ECONNRESET,
     "read vsock vsock:host:1024->vsock:3:80: Connection reset by peer"},
    {"write", &host, &guest, -EPIPE,
     "write vsock vsock:host:1024->vsock:3:80: the other end reads no more (Broken pipe)"},
    {"listen", NULL, NULL, -ENOENT, "listen vsock: No such file or directory"},
};

Test(vsock_error, tells_operation_addresses_and_why)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[256] = "";
        size_t length = vsock_error_describe(cases[i].operation, cases[i].local, cases[i].remote,
                                             cases[i].error, text, sizeof(text));
        cr_expect_str_eq(text, cases[i].text, "'%s'", text);
        cr_expect_eq(length, strlen(cases[i].text), "%zu: %s", length, text);
    }
}

Test(vsock_error, is_cut_to_the_size_and_tells_its_whole_length)
{
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t whole = strlen(cases[i].text);
        for (size_t size = 0; size <= whole + 1; size++) {
            char text[256];
            memset(text, '~', sizeof(text));
            cr_expect_eq(vsock_error_describe(cases[i].operation, cases[i].local, cases[i].remote,
                                              cases[i].error, text, size),
                         whole);
            if (size > 0) {
                cr_expect_eq(strncmp(text, cases[i].text, size - 1), 0);
                cr_expect_eq(text[size - 1], '\0');
            }
            cr_expect_eq(text[size], '~', "wrote beyond %zu bytes", size);
        }
    }
    cr_expect_eq(vsock_error_describe("dial", NULL, &guest, -ENODEV, NULL, 0),
                 strlen(cases[0].text));
}

Test(vsock_error, has_words_for_every_errno)
{
    for (int error = 1; error < 140; error++) {
        char text[256] = "";
        size_t length = vsock_error_describe("read", &any, &any, -error, text, sizeof(text));
        cr_expect(length > strlen("read vsock vsock:any:4294967295->vsock:any:4294967295: "));
        cr_expect_eq(length, strlen(text), "%d: %s", error, text);
    }
}

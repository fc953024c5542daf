/* The vsock-mux handshake: the request's bytes, and answers that come whole, in pieces or not at
 * all. */
#include "vsock/vsock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

Test(vsock_mux, says_connect_and_the_port)
{
    static const struct {
        uint32_t port;
        const char *request;
    } cases[] = {
        {0, "CONNECT 0\n"},
        {80, "CONNECT 80\n"},
        {UINT32_MAX, "CONNECT 4294967295\n"},
    };
    char request[VSOCK_MUX_REQUEST_BYTES];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        cr_expect_eq(vsock_mux_request_format(cases[i].port, request), strlen(cases[i].request));
        cr_expect_str_eq(request, cases[i].request);
    }
}

Test(vsock_mux, takes_an_answer_and_nothing_behind_it)
{
    static const char *const answers[] = {"OK 0\n", "OK 80\n", "OK 1073741824\n",
                                          "OK 9999999999\n"};

    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        char bytes[64];
        int length = (int)strlen(answers[i]);
        snprintf(bytes, sizeof(bytes), "%sSSH-2.0-x\r\nOK 1\n", answers[i]);
        cr_expect_eq(vsock_mux_reply_scan(bytes, (size_t)length), length, "%s", answers[i]);
        cr_expect_eq(vsock_mux_reply_scan(bytes, strlen(bytes)), length, "%s", answers[i]);
        for (int part = 0; part < length; part++)
            cr_expect_eq(vsock_mux_reply_scan(bytes, (size_t)part), -EAGAIN, "%.*s", part, bytes);
    }
    cr_expect_eq(strlen(answers[3]), VSOCK_MUX_REPLY_BYTES_MAX);
    cr_expect_eq(vsock_mux_reply_scan(NULL, 0), -EAGAIN);
}

Test(vsock_mux, refuses_what_can_be_no_answer_at_its_first_wrong_byte)
{
    static const struct {
        const char *bytes;
        size_t wrong; /* the index of that byte */
    } cases[] = {
        {"ok 80\n", 0},
        {"KO 80\n", 0},
        {"OX 80\n", 1},
        {"OK\n", 2},
        {"OK80\n", 2},
        {"OK \n", 3},
        {"OK  80\n", 3},
        {"OK -1\n", 3},
        {"OK 80\r\n", 5},
        {"OK 80 \n", 5},
        {"OK 12345678901\n", 13},
        {"OK x\n", 3},
        {"\n", 0},
        {"HTTP/1.1 400\r\n", 0},
        {"OK 99999999999999999999", 13},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t wrong = cases[i].wrong;
        for (size_t length = 0; length <= wrong; length++)
            cr_expect_eq(vsock_mux_reply_scan(cases[i].bytes, length), -EAGAIN, "'%.*s'",
                         (int)length, cases[i].bytes);
        for (size_t length = wrong + 1; length <= strlen(cases[i].bytes); length++)
            cr_expect_eq(vsock_mux_reply_scan(cases[i].bytes, length), -EPROTO, "'%.*s'",
                         (int)length, cases[i].bytes);
    }
    cr_expect_eq(vsock_mux_reply_scan("O\0K 8\n", 6), -EPROTO);
    cr_expect_eq(vsock_mux_reply_scan("OK 8\0\n", 6), -EPROTO);
}

/* The caller reads no more than VSOCK_MUX_REPLY_BYTES_MAX: by then it must be known. */
Test(vsock_mux, never_waits_past_the_longest_answer)
{
    static const char letters[] = "OK 0123456789\n\r ";

    for (unsigned i = 0; i < 100000; i++) {
        char bytes[VSOCK_MUX_REPLY_BYTES_MAX] = "OK ";
        for (size_t j = mrand48() & 3; j < sizeof(bytes); j++)
            bytes[j] = letters[(size_t)(mrand48() & 0xffff) % (sizeof(letters) - 1)];
        int r = vsock_mux_reply_scan(bytes, sizeof(bytes));
        cr_assert_neq(r, -EAGAIN, "'%.*s'", (int)sizeof(bytes), bytes);
        if (r > 0)
            cr_assert_eq(bytes[r - 1], '\n');
    }
}

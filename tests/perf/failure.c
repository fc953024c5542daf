/* What is told of a connection that failed. */
#include "perf/failure.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define REMEDY ": is 'vsluice-load serve' running there?"

Test(perf_failure, sentences)
{
    static const struct {
        enum connection_end end;
        bool welcome;
        int error;
        const char *text;
    } cases[] = {
        {CONNECTION_DONE, false, 0, ""},
        {CONNECTION_REFUSED, false, -ECONNREFUSED, "Connection refused" REMEDY},
        {CONNECTION_REFUSED, false, -ENOENT, "No such file or directory" REMEDY},
        {CONNECTION_REFUSED, false, -ETIMEDOUT, "Connection timed out" REMEDY},
        /* Who runs a server there changes nothing. */
        {CONNECTION_REFUSED, false, -EACCES, "Permission denied"},
        {CONNECTION_REFUSED, false, -EADDRNOTAVAIL, "Cannot assign requested address"},
        {CONNECTION_SILENT, false, -ETIMEDOUT, "does not answer: is it 'vsluice-load serve'?"},
        {CONNECTION_RESET, false, -ECONNRESET, "Connection reset by peer" REMEDY},
        {CONNECTION_RESET, true, -ECONNRESET, "Connection reset by peer"},
        {CONNECTION_EARLY, false, 0, "the other end closed the connection too early" REMEDY},
        {CONNECTION_EARLY, true, 0, "the other end closed the connection too early"},
        {CONNECTION_VERIFY, true, 0, "the bytes received are not the ones sent"},
        {CONNECTION_PROTOCOL, false, -EPROTO, "what answers there is no 'vsluice-load serve'"},
        {CONNECTION_PROTOCOL, false, -EPROTONOSUPPORT,
         "the server speaks another version of the protocol: use the same vsluice-load at both "
         "ends"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[RESULT_TEXT_BYTES];
        failure_describe(cases[i].end, cases[i].welcome, cases[i].error, text);
        cr_expect_str_eq(text, cases[i].text);
    }
}

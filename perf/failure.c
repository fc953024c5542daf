/* Sentences. */
#include "perf/failure.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define REMEDY "is 'vsluice-load serve' running there?"

/* Is it the other end that cannot be reached, and not this one that lacks something? */
static bool nobody_there(int error)
{
    switch (error) {
    case -ECONNREFUSED:
    case -ECONNRESET:
    case -EHOSTUNREACH:
    case -ENETUNREACH:
    case -ENODEV: /* vsock: no such guest */
    case -ENOENT:
    case -EPIPE:
    case -ETIMEDOUT: return true;
    default: return false;
    }
}

static const char *of_protocol(int error)
{
    return error == -EPROTONOSUPPORT
               ? "the server speaks another version of the protocol: use the same vsluice-load at "
                 "both ends"
               : "what answers there is no 'vsluice-load serve'";
}

void failure_describe(enum connection_end end, bool welcome, int error,
                      char text[static RESULT_TEXT_BYTES])
{
    const char *what = "";
    bool remedy = !welcome;

    switch (end) {
    case CONNECTION_DONE: remedy = false; break;
    case CONNECTION_REFUSED:
    case CONNECTION_RESET:
        what = strerror(-error);
        remedy &= nobody_there(error);
        break;
    case CONNECTION_SILENT:
        what = "does not answer: is it 'vsluice-load serve'?";
        remedy = false;
        break;
    case CONNECTION_EARLY: what = "the other end closed the connection too early"; break;
    case CONNECTION_VERIFY: what = "the bytes received are not the ones sent"; break;
    case CONNECTION_PROTOCOL:
        what = of_protocol(error);
        remedy = false;
        break;
    }
    snprintf(text, RESULT_TEXT_BYTES, "%s%s", what, remedy ? ": " REMEDY : "");
}

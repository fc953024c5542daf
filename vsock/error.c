/* Errors in words. */
#include "vsock/vsock.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* What an errno means here, where its own text does not tell. */
static const char *meaning(const char *operation, int error)
{
    bool dials = strcmp(operation, "dial") == 0;

    switch (error) {
    case -ENODEV: return dials ? "no VM has this CID" : NULL;
    case -ECONNRESET: return dials ? "nobody listens on this port" : NULL;
    case -ETIMEDOUT: return dials ? "no answer in time" : "the deadline has passed";
    case -EBADF: return "it is closed";
    case -ECANCELED: return "it was cancelled";
    case -EPIPE: return "the other end reads no more";
    case -EPROTO: return "the answer was none of a vsock-mux";
    case -EAFNOSUPPORT: return "this kernel has no vsock: load the module vsock";
    default: return NULL;
    }
}

static void addresses_format(const struct vsock_address *local, const struct vsock_address *remote,
                             char text[VSOCK_AT_LEAST(2 * VSOCK_ADDRESS_TEXT_BYTES + 3)])
{
    char *end = text;

    *end = '\0';
    if (local || remote)
        *end++ = ' ';
    if (local)
        end += vsock_address_format(local, end);
    if (local && remote) {
        memcpy(end, "->", 2);
        end += 2;
    }
    if (remote)
        vsock_address_format(remote, end);
}

size_t vsock_error_describe(const char *operation, const struct vsock_address *local,
                            const struct vsock_address *remote, int error, char *text, size_t size)
{
    char addresses[2 * VSOCK_ADDRESS_TEXT_BYTES + 3];
    const char *why = meaning(operation, error);
    const char *name = strerror(-error);
    int length;

    addresses_format(local, remote, addresses);
    if (why)
        length = snprintf(text, size, "%s " VSOCK_NETWORK "%s: %s (%s)", operation, addresses, why,
                          name);
    else
        length = snprintf(text, size, "%s " VSOCK_NETWORK "%s: %s", operation, addresses, name);
    return length < 0 ? 0 : (size_t)length;
}

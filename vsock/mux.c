/* The vsock-mux handshake as text: what the initiator says, and whether what came back is an
 * answer.
 *
 * Sends and receives nothing. VMMs accept a request of at most 32 bytes and close without a word
 * when they refuse, so the only answer is "OK NUMBER\n".
 */
#include "vsock/vsock.h"

#include <errno.h>
#include <stdio.h>

size_t vsock_mux_request_format(uint32_t port,
                                char request[VSOCK_AT_LEAST(VSOCK_MUX_REQUEST_BYTES)])
{
    return (size_t)snprintf(request, VSOCK_MUX_REQUEST_BYTES, "CONNECT %u\n", port);
}

int vsock_mux_reply_scan(const char *bytes, size_t length)
{
    static const char greeting[] = "OK ";
    const size_t number = sizeof(greeting) - 1;

    for (size_t i = 0; i < length; i++) {
        if (i < number) {
            if (bytes[i] != greeting[i])
                return -EPROTO;
        } else if (bytes[i] == '\n') {
            return i > number ? (int)i + 1 : -EPROTO;
        } else if (bytes[i] < '0' || bytes[i] > '9' || i == VSOCK_MUX_REPLY_BYTES_MAX - 1) {
            return -EPROTO;
        }
    }
    return -EAGAIN;
}

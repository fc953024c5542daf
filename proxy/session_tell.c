/* First words. */
#include "proxy/session_tell.h"

#include "proxy/proxy_header.h"
#include "ring/socket.h"
#include "ring/verdict.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

/* All at once. 0; -EAGAIN: there was no room for all; another negative errno. */
static int send_whole(int fd, const char *bytes, size_t length)
{
    ssize_t sent;

    do
        sent = ring_socket_send_now(fd, bytes, length);
    while (sent == -EINTR);
    if (sent < 0)
        return (int)sent;
    return (size_t)sent == length ? 0 : -EAGAIN;
}

/* What is not to be known stays empty. */
static struct proxy_header header_of_socket(int fd)
{
    struct proxy_header header = {0};

    if (ring_socket_peer(fd, &header.source.storage, &header.source.length) < 0 ||
        ring_socket_local(fd, &header.destination.storage, &header.destination.length) < 0)
        return (struct proxy_header){0};
    return header;
}

static int tell_target(const struct session *session)
{
    const struct route *route = session->opening->route;
    struct proxy_header header = session->dial->options.told;
    char bytes[PROXY_HEADER_BYTES_MAX];
    size_t length;

    if (route->send_proxy == ROUTE_SEND_PROXY_NO)
        return 0;
    if (header.source.length == 0)
        header = header_of_socket(session->sides[SIDE_INITIATOR].fd);
    if (route->send_proxy == ROUTE_SEND_PROXY_V1)
        length = proxy_header_format_v1(&header, bytes);
    else
        length = proxy_header_format_v2(&header, route->name, bytes);
    return send_whole(session->sides[SIDE_TARGET].fd, bytes, length);
}

static int tell_initiator(const struct session *session)
{
    char answer[VSOCK_MUX_REPLY_BYTES_MAX + 1];
    int length = snprintf(answer, sizeof(answer), "OK %" PRIu32 "\n", session->port);

    if (session->opening->listen->written.kind != ENDPOINT_MUX)
        return 0;
    return send_whole(session->sides[SIDE_INITIATOR].fd, answer, (size_t)length);
}

enum reason session_tell(const struct session *session, int *ret_error)
{
    enum reason reason = REASON_NONE;

    *ret_error = tell_target(session);
    if (*ret_error < 0) {
        reason = *ret_error == -EAGAIN ? REASON_PROXY_UNSENT : REASON_TARGET_RESET;
    } else {
        *ret_error = tell_initiator(session);
        if (*ret_error < 0)
            reason = REASON_INITIATOR_LEFT;
    }
    return ring_send_verdict(*ret_error) == RING_EXHAUSTED ? REASON_NO_MEMORY : reason;
}

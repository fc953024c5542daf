/* Options of TCP sockets. */
#include "proxy/tcp_options.h"

#include "ring/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>

#define KEEPALIVE_PROBES     5
#define KEEPALIVE_INTERVAL_S 10

void tcp_options_set(int fd, uint64_t keepalive_ns)
{
    int on = 1;
    int idle_s = (int)((keepalive_ns + 999999999) / 1000000000);
    int interval_s = KEEPALIVE_INTERVAL_S;
    int probes = KEEPALIVE_PROBES;

    ring_socket_set(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (keepalive_ns == 0)
        return;
    ring_socket_set(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    ring_socket_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
    ring_socket_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
    ring_socket_set(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof(probes));
}

void tcp_options_close_reset(int fd)
{
    static const struct linger reset = {.l_onoff = 1, .l_linger = 0};
    ring_socket_set(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

void tcp_options_close_whole(int fd)
{
    static const struct linger in_order = {.l_onoff = 0};
    ring_socket_set(fd, SOL_SOCKET, SO_LINGER, &in_order, sizeof(in_order));
}

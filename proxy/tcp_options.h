/* What every relayed TCP socket is set to. */
#pragma once

#include <stdint.h>

/* No delay of small segments; keepalive probes after so long without traffic (0: none). Accepted
 * sockets inherit it from their listener, and so they do what follows. */
void tcp_options_set(int fd, uint64_t keepalive_ns);

/* Closing it is a reset from here on, so that a process that dies leaves no truncated stream that
 * looks whole. */
void tcp_options_close_reset(int fd);

/* The stream is whole: what closes it now is no reset. */
void tcp_options_close_whole(int fd);

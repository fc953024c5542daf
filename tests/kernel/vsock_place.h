/* Where the tests of AF_VSOCK run, and what that kernel does otherwise than others.
 *
 * Their main() goes on only where the loopback transport is, as bind() to its context ID proves;
 * else nothing was ever connected, listened on or sent. All of them use context ID 1 and no other.
 */
#pragma once

#include <stdbool.h>

struct vsock_kernel {
    unsigned major, minor; /* from this release on */

    /* After a failed connect(2) that waited, SO_ERROR still has the error, and the next connect(2)
     * reports it, whatever became of it. */
    bool connect_error_stays;

    /* Of ioctl(2), 0: it is supported. */
    int outq_error, inq_error;

    /* close(2) with SO_LINGER waits for the other end to close, not for what is unsent. */
    bool linger_waits_for_close;

    /* SO_RCVLOWAT counts whole packets: what was read of one counts as there until it is read to
     * its end. */
    bool rcvlowat_counts_packets;

    /* SOCK_SEQPACKET: of a message longer than the other end's buffer; of MSG_PEEK, 0: supported.
     */
    int message_long_error, message_peek_error;
};

/* The one that this runs on. */
extern const struct vsock_kernel *vsock_kernel;

/* What the result of an operation means for its owner: one function for each kind of operation. */
#pragma once

enum ring_verdict {
    RING_OK,        /* it did what was asked, in part or in whole */
    RING_RETRY,     /* arm it again at once */
    RING_WAIT,      /* back-pressure: wait for readiness, then arm it again */
    RING_END,       /* end-of-file */
    RING_CLOSED,    /* the other end takes no more bytes, in good order (EPIPE) */
    RING_GONE,      /* the connection is broken: reset, timed out, unreachable */
    RING_EXHAUSTED, /* descriptors, memory or buffers ran out: later it may succeed */
    RING_STOPPED,   /* cancelled */
    RING_BUG,       /* an answer that our own mistake must have caused */
};

enum ring_verdict ring_accept_verdict(int result);
enum ring_verdict ring_receive_verdict(int result);
enum ring_verdict ring_send_verdict(int result);

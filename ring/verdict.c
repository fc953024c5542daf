/* errno -> verdict. */
#include "ring/verdict.h"

#include <errno.h>

/* What every operation on a descriptor may answer. */
static enum ring_verdict common_verdict(int result)
{
    switch (-result) {
    case EINTR: return RING_RETRY;
    case EAGAIN: return RING_WAIT;
    case ECANCELED: return RING_STOPPED;
    case EMFILE:
    case ENFILE:
    case ENOMEM: return RING_EXHAUSTED;
    case EBADF:
    case EFAULT:
    case EINVAL:
    case ENOTSOCK: return RING_BUG;
    default: return RING_GONE;
    }
}

enum ring_verdict ring_accept_verdict(int result)
{
    if (result >= 0)
        return RING_OK;
    switch (-result) {
    /* The connection failed before it was taken (accept(2)): the listener is well. */
    case ECONNABORTED:
    case ECONNRESET:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
    case EPERM: return RING_RETRY;
    case ENOBUFS: return RING_EXHAUSTED;
    default: return common_verdict(result);
    }
}

enum ring_verdict ring_receive_verdict(int result)
{
    if (result > 0)
        return RING_OK;
    if (result == 0)
        return RING_END;
    if (result == -ENOBUFS)
        return RING_RETRY;
    return common_verdict(result);
}

enum ring_verdict ring_send_verdict(int result)
{
    if (result > 0)
        return RING_OK;
    switch (-result) {
    case 0: return RING_WAIT;
    case EPIPE: return RING_CLOSED;
    case ENOBUFS: return RING_EXHAUSTED;
    default: return common_verdict(result);
    }
}

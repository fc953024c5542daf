/* Which engine a ring gets. */
#include "ring/engine.h"
#include "ring/wish.h"

#include <errno.h>

static bool is_refusal(int error)
{
    switch (-error) {
    case EPERM:
    case EACCES:
    case ENOSYS:
    case ENOMEM:
    case EINVAL: return true;
    default: return false;
    }
}

int ring_new(struct ring **ret, const struct ring_options *options)
{
    struct wish wish;
    int error = wish_read(&wish);

    if (error < 0)
        return error;
    if (wish.epoll)
        return epoll_new(ret, options);
    int refusal = uring_new(ret, options);
    if (wish.uring || !is_refusal(refusal))
        return refusal;
    error = epoll_new(ret, options);
    if (error == 0)
        (*ret)->refusal = refusal;
    return error;
}

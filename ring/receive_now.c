/* recv(2) and read(2) into the buffers of a ring. */
#include "ring/receive_now.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

int offers_init(struct offers *offers, const struct buffers *buffers)
{
    *offers = (struct offers){.at = calloc(buffers->max, sizeof(*offers->at))};
    return offers->at ? 0 : -ENOMEM;
}

void offers_deinit(struct offers *offers)
{
    free(offers->at);
}

void offers_add(struct offers *offers, unsigned buffer)
{
    offers->at[offers->count++] = (uint16_t)buffer;
}

static char *next(struct buffers *buffers, const struct offers *offers)
{
    return buffers_at(buffers, offers->at[offers->count - 1]);
}

/* The next buffer on offer has been filled. */
static void take(struct buffers *buffers, struct offers *offers, unsigned *flags)
{
    unsigned buffer = offers->at[--offers->count];

    buffers_hold(buffers, buffer);
    *flags |= RING_BUFFER | buffer << RING_BUFFER_SHIFT;
}

static int no_buffer(struct buffers *buffers)
{
    return buffers_grow(buffers) ? -ENOBUFS : -ENOMEM;
}

/* No buffer is free, but is one needed? */
static int receive_nothing(struct buffers *buffers, int fd)
{
    char byte;
    ssize_t count = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    if (count <= 0)
        return count < 0 ? -errno : 0;
    return no_buffer(buffers);
}

static int taken(struct buffers *buffers, struct offers *offers, ssize_t count, unsigned *flags)
{
    if (count > 0)
        take(buffers, offers, flags);
    return count < 0 ? -errno : (int)count;
}

int receive_now(struct buffers *buffers, struct offers *offers, int fd, unsigned *flags)
{
    if (offers->count == 0)
        return receive_nothing(buffers, fd);
    ssize_t count = recv(fd, next(buffers, offers), buffers->bytes, MSG_DONTWAIT);
    return taken(buffers, offers, count, flags);
}

int read_now(struct buffers *buffers, struct offers *offers, int fd, unsigned *flags)
{
    if (offers->count == 0)
        return no_buffer(buffers);
    struct iovec part = {next(buffers, offers), buffers->bytes};
    int count = taken(buffers, offers, preadv2(fd, &part, 1, -1, RWF_NOWAIT), flags);
    return count == -ENOSYS ? -EOPNOTSUPP : count;
}

int read_ready(struct buffers *buffers, struct offers *offers, int fd, unsigned *flags)
{
    if (offers->count == 0)
        return no_buffer(buffers);
    return taken(buffers, offers, read(fd, next(buffers, offers), buffers->bytes), flags);
}

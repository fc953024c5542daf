/* An eventfd and a list. */
#include "proxy/mailbox.h"

#include "ring/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

int mailbox_init(struct mailbox *mailbox)
{
    *mailbox = (struct mailbox){.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (mailbox->event < 0)
        return -errno;
    pthread_mutex_init(&mailbox->mutex, NULL);
    return 0;
}

void mailbox_deinit(struct mailbox *mailbox)
{
    for (size_t i = 0; i < mailbox->count; i++)
        ring_socket_reset(mailbox->arrivals[i].fd);
    free(mailbox->arrivals);
    close(mailbox->event);
    pthread_mutex_destroy(&mailbox->mutex);
}

static bool reserve(struct mailbox *mailbox)
{
    size_t room = mailbox->room ? mailbox->room * 2 : 16;

    if (mailbox->count < mailbox->room)
        return true;
    struct arrival *arrivals = realloc(mailbox->arrivals, room * sizeof(*arrivals));
    if (!arrivals)
        return false;
    mailbox->arrivals = arrivals;
    mailbox->room = room;
    return true;
}

bool mailbox_post(struct mailbox *mailbox, const struct arrival *arrival)
{
    pthread_mutex_lock(&mailbox->mutex);
    bool posted = !mailbox->closed && reserve(mailbox);
    if (posted)
        mailbox->arrivals[mailbox->count++] = *arrival;
    pthread_mutex_unlock(&mailbox->mutex);
    if (posted)
        eventfd_write(mailbox->event, 1);
    return posted;
}

void mailbox_close(struct mailbox *mailbox)
{
    pthread_mutex_lock(&mailbox->mutex);
    mailbox->closed = true;
    pthread_mutex_unlock(&mailbox->mutex);
}

void mailbox_command(struct mailbox *mailbox, enum mailbox_order order)
{
    pthread_mutex_lock(&mailbox->mutex);
    if (order > mailbox->order)
        mailbox->order = order;
    pthread_mutex_unlock(&mailbox->mutex);
    eventfd_write(mailbox->event, 1);
}

bool mailbox_take(struct mailbox *mailbox, struct arrival *ret, enum mailbox_order *ret_order)
{
    eventfd_t posts;

    pthread_mutex_lock(&mailbox->mutex);
    bool any = mailbox->count > 0;
    if (any)
        *ret = mailbox->arrivals[--mailbox->count];
    else
        eventfd_read(mailbox->event, &posts);
    *ret_order = mailbox->order;
    pthread_mutex_unlock(&mailbox->mutex);
    return any;
}

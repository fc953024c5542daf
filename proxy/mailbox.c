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
    for (size_t i = 0; i < mailbox->count; i++) {
        ring_socket_reset(mailbox->arrivals[i].fd);
        opening_unref(mailbox->arrivals[i].opening);
    }
    for (size_t i = 0; i < mailbox->change_count; i++)
        mailbox_change_drop(&mailbox->changes[i]);
    free(mailbox->arrivals);
    free(mailbox->changes);
    close(mailbox->event);
    pthread_mutex_destroy(&mailbox->mutex);
}

/* An array with room for one more. false: out of memory, and it is as before. */
static bool reserve(void *array, size_t count, size_t *room, size_t element_bytes)
{
    size_t more = *room ? *room * 2 : 16;

    if (count < *room)
        return true;
    void *larger = reallocarray(*(void **)array, more, element_bytes);
    if (!larger)
        return false;
    *(void **)array = larger;
    *room = more;
    return true;
}

bool mailbox_post(struct mailbox *mailbox, const struct arrival *arrival)
{
    pthread_mutex_lock(&mailbox->mutex);
    bool posted = !mailbox->closed &&
                  reserve(&mailbox->arrivals, mailbox->count, &mailbox->room, sizeof(*arrival));
    if (posted) {
        opening_ref(arrival->opening);
        mailbox->arrivals[mailbox->count++] = *arrival;
    }
    pthread_mutex_unlock(&mailbox->mutex);
    if (posted)
        eventfd_write(mailbox->event, 1);
    return posted;
}

bool mailbox_change(struct mailbox *mailbox, const struct mailbox_change *change)
{
    pthread_mutex_lock(&mailbox->mutex);
    bool posted = !mailbox->closed && reserve(&mailbox->changes, mailbox->change_count,
                                              &mailbox->change_room, sizeof(*change));
    if (posted)
        mailbox->changes[mailbox->change_count++] = *change;
    pthread_mutex_unlock(&mailbox->mutex);
    if (posted)
        eventfd_write(mailbox->event, 1);
    return posted;
}

struct mailbox_change *mailbox_take_changes(struct mailbox *mailbox, size_t *ret_count)
{
    pthread_mutex_lock(&mailbox->mutex);
    struct mailbox_change *changes = mailbox->changes;
    *ret_count = mailbox->change_count;
    mailbox->changes = NULL;
    mailbox->change_count = 0;
    mailbox->change_room = 0;
    pthread_mutex_unlock(&mailbox->mutex);
    return changes;
}

void mailbox_change_drop(struct mailbox_change *change)
{
    if (change->kind == MAILBOX_OPEN)
        bound_close(&change->bound);
    if (change->opening)
        opening_unref(change->opening);
    if (change->replacement)
        opening_unref(change->replacement);
    guest_use_put(change->guest);
    if (change->part)
        inquiry_answer(change->part);
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

void mailbox_ping(struct mailbox *mailbox)
{
    atomic_store(&mailbox->pinged, true);
    eventfd_write(mailbox->event, 1);
}

bool mailbox_take_ping(struct mailbox *mailbox)
{
    return atomic_load_explicit(&mailbox->pinged, memory_order_relaxed) &&
           atomic_exchange(&mailbox->pinged, false);
}

void mailbox_wake(struct mailbox *mailbox)
{
    if (!atomic_exchange(&mailbox->woken, true))
        eventfd_write(mailbox->event, 1);
}

bool mailbox_take_wake(struct mailbox *mailbox)
{
    return atomic_load(&mailbox->woken) && atomic_exchange(&mailbox->woken, false);
}

void mailbox_ask_closed(struct mailbox *mailbox)
{
    atomic_store(&mailbox->asked_closed, true);
    eventfd_write(mailbox->event, 1);
}

bool mailbox_take_ask_closed(struct mailbox *mailbox)
{
    return atomic_exchange(&mailbox->asked_closed, false);
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

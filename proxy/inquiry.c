/* Parts, and a condition to wait for. */
#include "proxy/inquiry.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define NS_PER_S UINT64_C(1000000000)

static bool take_room(struct inquiry *inquiry)
{
    for (unsigned i = 0; i < inquiry->count && inquiry->options.views_max > 0; i++) {
        struct inquiry_part *part = &inquiry->parts[i];
        part->views = reallocarray(NULL, inquiry->options.views_max, sizeof(*part->views));
        if (!part->views)
            return false;
    }
    return true;
}

struct inquiry *inquiry_new(const struct inquiry_options *options, unsigned workers,
                            struct route_use *use, struct guest_use *guest)
{
    struct inquiry *inquiry = calloc(1, sizeof(*inquiry) + workers * sizeof(struct inquiry_part));
    pthread_condattr_t monotonic;

    if (!inquiry) {
        route_use_put(use);
        guest_use_put(guest);
        return NULL;
    }
    inquiry->references = 1;
    inquiry->options = *options;
    inquiry->options.filter.use = inquiry->use = use;
    inquiry->options.filter.guest = inquiry->guest = guest;
    pthread_mutex_init(&inquiry->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&inquiry->told, &monotonic);
    pthread_condattr_destroy(&monotonic);
    inquiry->count = workers;
    for (unsigned i = 0; i < workers; i++)
        inquiry->parts[i].inquiry = inquiry;
    if (take_room(inquiry))
        return inquiry;
    inquiry_unref(inquiry);
    return NULL;
}

struct inquiry *inquiry_ref(struct inquiry *inquiry)
{
    atomic_fetch_add(&inquiry->references, 1);
    return inquiry;
}

void inquiry_unref(struct inquiry *inquiry)
{
    if (atomic_fetch_sub(&inquiry->references, 1) > 1)
        return;
    for (unsigned i = 0; i < inquiry->count; i++) {
        struct inquiry_part *part = &inquiry->parts[i];
        for (size_t j = 0; j < part->count; j++)
            session_view_drop(&part->views[j]);
        free(part->views);
    }
    route_use_put(inquiry->use);
    guest_use_put(inquiry->guest);
    pthread_mutex_destroy(&inquiry->mutex);
    pthread_cond_destroy(&inquiry->told);
    free(inquiry);
}

void inquiry_answer(struct inquiry_part *part)
{
    struct inquiry *inquiry = part->inquiry;

    pthread_mutex_lock(&inquiry->mutex);
    part->answered = true;
    pthread_cond_signal(&inquiry->told);
    pthread_mutex_unlock(&inquiry->mutex);
    inquiry_unref(inquiry);
}

/* The first that has not answered; else the count. With the mutex. */
static unsigned first_silent(const struct inquiry *inquiry)
{
    unsigned i = 0;

    while (i < inquiry->count && inquiry->parts[i].answered)
        i++;
    return i;
}

bool inquiry_wait(struct inquiry *inquiry, uint64_t timeout_ns, unsigned *ret_silent)
{
    struct timespec deadline;
    unsigned silent;
    int error = 0;

    clock_gettime(CLOCK_MONOTONIC, &deadline);
    uint64_t ns = (uint64_t)deadline.tv_nsec + timeout_ns;
    deadline.tv_sec += (time_t)(ns / NS_PER_S);
    deadline.tv_nsec = (long)(ns % NS_PER_S);
    pthread_mutex_lock(&inquiry->mutex);
    while ((silent = first_silent(inquiry)) < inquiry->count && error == 0)
        error = pthread_cond_timedwait(&inquiry->told, &inquiry->mutex, &deadline);
    pthread_mutex_unlock(&inquiry->mutex);
    if (silent == inquiry->count)
        return true;
    *ret_silent = silent;
    return false;
}

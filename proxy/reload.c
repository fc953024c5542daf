/* A flag, an eventfd, and a condition to wait for. */
#include "proxy/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int reload_init(struct reload *reload)
{
    *reload = (struct reload){.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    if (reload->event < 0)
        return -errno;
    pthread_mutex_init(&reload->mutex, NULL);
    pthread_cond_init(&reload->told, NULL);
    return 0;
}

void reload_deinit(struct reload *reload)
{
    close(reload->event);
    free(reload->mistakes);
    pthread_mutex_destroy(&reload->mutex);
    pthread_cond_destroy(&reload->told);
}

enum reload_outcome reload_ask(struct reload *reload, char **ret_mistakes)
{
    enum reload_outcome outcome = RELOAD_CLOSED;

    pthread_mutex_lock(&reload->mutex);
    unsigned long before = reload->count;
    reload->wanted = true;
    eventfd_write(reload->event, 1);
    while (reload->count == before && !reload->closed)
        pthread_cond_wait(&reload->told, &reload->mutex);
    if (reload->count != before && reload->mistakes) {
        outcome = RELOAD_REFUSED;
        *ret_mistakes = strdup(reload->mistakes);
    } else if (reload->count != before) {
        outcome = RELOAD_DONE;
    }
    pthread_mutex_unlock(&reload->mutex);
    return outcome;
}

bool reload_is_wanted(struct reload *reload)
{
    eventfd_t asked;

    pthread_mutex_lock(&reload->mutex);
    bool wanted = reload->wanted;
    reload->wanted = false;
    eventfd_read(reload->event, &asked);
    pthread_mutex_unlock(&reload->mutex);
    return wanted;
}

void reload_tell(struct reload *reload, const char *mistakes)
{
    pthread_mutex_lock(&reload->mutex);
    free(reload->mistakes);
    reload->mistakes = mistakes ? strdup(mistakes) : NULL;
    reload->count++;
    pthread_cond_broadcast(&reload->told);
    pthread_mutex_unlock(&reload->mutex);
}

void reload_close(struct reload *reload)
{
    pthread_mutex_lock(&reload->mutex);
    reload->closed = true;
    pthread_cond_broadcast(&reload->told);
    pthread_mutex_unlock(&reload->mutex);
}

/* What waits on descriptors. */
#include "ring/epoll_fds.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define CHUNK_WAITING 127
#define FDS_FIRST     64
#define ALWAYS_TOLD   (EPOLLERR | EPOLLHUP)

struct waiting_chunk {
    struct waiting_chunk *next;
    struct waiting waiting[CHUNK_WAITING];
};

int epoll_fds_init(struct epoll_fds *fds)
{
    *fds = (struct epoll_fds){.epoll = epoll_create1(EPOLL_CLOEXEC)};
    return fds->epoll < 0 ? -errno : 0;
}

void epoll_fds_deinit(struct epoll_fds *fds)
{
    while (fds->chunks) {
        struct waiting_chunk *chunk = fds->chunks;
        fds->chunks = chunk->next;
        free(chunk);
    }
    free(fds->at);
    close(fds->epoll);
}

struct epoll_fd *epoll_fds_find(struct epoll_fds *fds, int fd)
{
    if (fd < 0 || (size_t)fd >= fds->room || !fds->at[fd].first)
        return NULL;
    return &fds->at[fd];
}

static struct epoll_fd *make(struct epoll_fds *fds, int fd)
{
    size_t room = fds->room ? fds->room : FDS_FIRST;

    while (room <= (size_t)fd)
        room *= 2;
    if (room > fds->room) {
        struct epoll_fd *at = realloc(fds->at, room * sizeof(*at));
        if (!at)
            return NULL;
        memset(at + fds->room, 0, (room - fds->room) * sizeof(*at));
        fds->at = at;
        fds->room = room;
    }
    return &fds->at[fd];
}

static bool stock(struct epoll_fds *fds)
{
    struct waiting_chunk *chunk = malloc(sizeof(*chunk));

    if (!chunk)
        return false;
    chunk->next = fds->chunks;
    fds->chunks = chunk;
    for (unsigned i = 0; i < CHUNK_WAITING; i++) {
        chunk->waiting[i].next = fds->spare;
        fds->spare = &chunk->waiting[i];
    }
    return true;
}

struct waiting *epoll_fds_add(struct epoll_fds *fds, struct ring_op *op)
{
    struct epoll_fd *record = make(fds, op->fd);

    if (!record || (!fds->spare && !stock(fds)))
        return NULL;
    struct waiting *waiting = fds->spare;
    fds->spare = waiting->next;
    *waiting = (struct waiting){.next = record->first, .op = op};
    record->first = waiting;
    return waiting;
}

void epoll_fds_remove(struct epoll_fds *fds, struct waiting **link)
{
    struct waiting *waiting = *link;

    *link = waiting->next;
    waiting->next = fds->spare;
    fds->spare = waiting;
}

/* A watch asks no more for what it has told. What is told always ends every operation that is no
 * watch. */
uint32_t epoll_fds_wanted_by(const struct ring_op *op)
{
    switch (op->kind) {
    case RING_OP_POLL: return op->events;
    case RING_OP_WATCH: return EPOLLRDHUP & ~(uint32_t)op->events;
    case RING_OP_CONNECT:
    case RING_OP_WRITE: return EPOLLOUT;
    default: return EPOLLIN;
    }
}

static uint32_t wanted(const struct epoll_fd *record)
{
    uint32_t events = 0;
    bool watches = true;
    bool accepts = true;

    if (!record->first)
        return 0;
    for (const struct waiting *waiting = record->first; waiting; waiting = waiting->next) {
        unsigned kind = waiting->op->kind;
        events |= epoll_fds_wanted_by(waiting->op);
        watches = watches && kind == RING_OP_WATCH;
        accepts = accepts && (kind == RING_OP_ACCEPT || kind == RING_OP_ACCEPT_ON);
    }
    if (watches)
        events = EPOLLRDHUP | EPOLLET;
    return events | ALWAYS_TOLD | (accepts ? EPOLLEXCLUSIVE : 0);
}

static int control(struct epoll_fds *fds, int operation, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    return epoll_ctl(fds->epoll, operation, fd, &event) < 0 ? -errno : 0;
}

int epoll_fds_register(struct epoll_fds *fds, int fd)
{
    struct epoll_fd *record = &fds->at[fd];
    uint32_t had = record->registered;
    uint32_t events = wanted(record);

    if (events == had)
        return 0;
    /* An exclusive registration cannot be modified, nor another made exclusive. */
    bool anew = had == 0 || (had | events) & EPOLLEXCLUSIVE;
    if (had && (anew || events == 0))
        control(fds, EPOLL_CTL_DEL, fd, 0);
    int error = 0;
    if (events)
        error = control(fds, anew ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, events);
    record->registered = error ? 0 : events;
    return error;
}

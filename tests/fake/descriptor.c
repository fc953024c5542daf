/* The proxy's descriptors: what each stands for, and that nobody uses one that is not his. */
#include "tests/fake/internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define FD_FIRST           100000
#define VSOCK_BUFFER_BYTES 262144

struct descriptor *descriptor_new(struct fake *fake, struct net_socket *socket, enum fake_kind kind)
{
    struct descriptor *descriptor = fake_allocate(sizeof(*descriptor));
    size_t bytes = (fake->descriptor_count + 1) * sizeof(struct descriptor *);
    struct descriptor **descriptors = realloc(fake->descriptors, bytes);

    if (!descriptors)
        fake_fail(fake, "out of memory");
    *descriptor = (struct descriptor){
        .fd = FD_FIRST + (int)fake->descriptor_count,
        .open = true,
        .reads = true,
        .writes = true,
        .socket = socket,
        .kind = kind,
        .buffer_bytes = VSOCK_BUFFER_BYTES,
        .buffer_bytes_max = VSOCK_BUFFER_BYTES,
    };
    fake->descriptors = descriptors;
    fake->descriptors[fake->descriptor_count++] = descriptor;
    fake->descriptors_open++;
    if (socket) {
        socket->wake = descriptor_wake;
        socket->owner = fake;
    }
    return descriptor;
}

void descriptors_free(struct fake *fake)
{
    for (unsigned i = 0; i < fake->descriptor_count; i++)
        free(fake->descriptors[i]);
    free(fake->descriptors);
}

struct descriptor *descriptor_of(struct fake *fake, int fd, const char *what)
{
    int index = fd - FD_FIRST;

    if (index < 0 || index >= (int)fake->descriptor_count)
        fake_fail(fake, "%s on descriptor %d, which never was one", what, fd);
    if (!fake->descriptors[index]->open)
        fake_fail(fake, "%s on descriptor %d, which is closed", what, fd);
    return fake->descriptors[index];
}

/* A pipe's two ends are one socket here; each end's closing says its own. */
static void close_pipe_end(struct descriptor *descriptor)
{
    struct net_socket *socket = descriptor->socket;

    if (descriptor->writes)
        socket->peer->ended = true;
    if (descriptor->reads)
        socket->peer->peer_closed = true;
    socket->peer->wake(socket->peer);
}

static void close_pending(struct descriptor *descriptor)
{
    while (descriptor->pending) {
        struct pending *pending = descriptor->pending;
        descriptor->pending = pending->next;
        net_reset(pending->socket);
        free(pending);
    }
}

void descriptor_close(struct fake *fake, int fd, bool reset, const char *what)
{
    struct descriptor *descriptor = descriptor_of(fake, fd, what);

    for (struct flight *flight = fake->ring.flights; flight; flight = flight->next)
        if (flight->descriptor == descriptor)
            fake_fail(fake, "%s on descriptor %d with an operation of kind %u in flight", what, fd,
                      flight->copy.kind);
    fake_note(fake, "%s(%d)", what, fd);
    descriptor->open = false;
    fake->descriptors_open--;
    if (descriptor->listening)
        close_pending(descriptor);
    else if (descriptor->kind == FAKE_FILE)
        close_pipe_end(descriptor);
    else if (reset || (descriptor->closes_by_reset && descriptor->kind == FAKE_TCP))
        net_reset(descriptor->socket);
    else
        net_close(descriptor->socket);
}

unsigned descriptor_poll(const struct descriptor *descriptor)
{
    if (descriptor->listening)
        return descriptor->pending ? POLLIN : 0;
    unsigned events = net_poll(descriptor->socket);
    if (descriptor->kind != FAKE_FILE)
        return events;
    if (descriptor->reads)
        return events & (POLLIN | POLLHUP);
    return (events & POLLOUT) | (descriptor->socket->peer_closed ? POLLERR : 0);
}

void descriptor_wake(struct net_socket *socket)
{
    flights_wake(socket->owner, socket);
}

void listener_wake(struct fake *fake, struct descriptor *descriptor)
{
    for (struct flight *flight = fake->ring.flights; flight; flight = flight->next)
        if (flight->descriptor == descriptor)
            flight_attempt_soon(flight);
}

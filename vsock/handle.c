/* A mutex, a condition and an eventfd. */
#include "vsock/handle.h"

#include "vsock/socket.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define WRITE_RETRY_NS UINT64_C(1000000000)

void vsock_handle_init(struct vsock_handle *handle, int fd)
{
    pthread_condattr_t attributes;

    *handle = (struct vsock_handle){.fd = fd, .wake = -1};
    pthread_mutex_init(&handle->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&handle->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* Nobody is inside. */
static void release(struct vsock_handle *handle)
{
    if (handle->fd >= 0 && !handle->kept)
        close(handle->fd);
    if (handle->wake >= 0)
        close(handle->wake);
    handle->fd = -1;
    handle->wake = -1;
}

void vsock_handle_deinit(struct vsock_handle *handle)
{
    release(handle);
    pthread_cond_destroy(&handle->changed);
    pthread_mutex_destroy(&handle->lock);
}

/* From here on `locked`: with the lock held. */

static int locked_verdict(const struct vsock_handle *handle, enum vsock_direction direction)
{
    if (handle->closed)
        return -EBADF;
    if (direction == VSOCK_NEITHER)
        return 0;
    uint64_t deadline_ns = handle->deadline_ns[direction];
    return deadline_ns && vsock_now_ns() >= deadline_ns ? -ETIMEDOUT : 0;
}

static void locked_change(struct vsock_handle *handle)
{
    if (handle->waiting > 0 && !handle->waking) {
        handle->waking = true;
        eventfd_write(handle->wake, 1);
    }
    pthread_cond_broadcast(&handle->changed);
}

static void locked_wait_change(struct vsock_handle *handle, uint64_t deadline_ns)
{
    struct timespec until = vsock_timespec(deadline_ns);

    if (deadline_ns)
        pthread_cond_timedwait(&handle->changed, &handle->lock, &until);
    else
        pthread_cond_wait(&handle->changed, &handle->lock);
}

static int locked_take_turn(struct vsock_handle *handle)
{
    int error;

    while ((error = locked_verdict(handle, VSOCK_WRITING)) == 0 && handle->writing)
        locked_wait_change(handle, handle->deadline_ns[VSOCK_WRITING]);
    if (error == 0)
        handle->writing = true;
    return error;
}

static void locked_leave(struct vsock_handle *handle)
{
    handle->users--;
    if (handle->closed && handle->users == 0) {
        if (!handle->kept)
            release(handle);
        pthread_cond_broadcast(&handle->changed);
    }
}

int vsock_handle_enter(struct vsock_handle *handle, enum vsock_direction direction)
{
    pthread_mutex_lock(&handle->lock);
    handle->users++;
    int error =
        direction == VSOCK_WRITING ? locked_take_turn(handle) : locked_verdict(handle, direction);
    int fd = handle->fd;
    if (error)
        locked_leave(handle);
    pthread_mutex_unlock(&handle->lock);
    return error ? error : fd;
}

void vsock_handle_leave(struct vsock_handle *handle, enum vsock_direction direction)
{
    pthread_mutex_lock(&handle->lock);
    if (direction == VSOCK_WRITING) {
        handle->writing = false;
        pthread_cond_broadcast(&handle->changed);
    }
    locked_leave(handle);
    pthread_mutex_unlock(&handle->lock);
}

static int locked_begin_wait(struct vsock_handle *handle, enum vsock_direction direction)
{
    while (handle->waking)
        locked_wait_change(handle, 0);
    int error = locked_verdict(handle, direction);
    if (error)
        return error;
    if (handle->wake < 0)
        handle->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (handle->wake < 0)
        return -errno;
    handle->waiting++;
    return 0;
}

static void locked_end_wait(struct vsock_handle *handle)
{
    eventfd_t count;

    handle->waiting--;
    if (handle->waking && handle->waiting == 0) {
        eventfd_read(handle->wake, &count);
        handle->waking = false;
        pthread_cond_broadcast(&handle->changed);
    }
}

/* Until when to wait in poll(2). */
static uint64_t locked_wait_end(const struct vsock_handle *handle, enum vsock_direction direction)
{
    uint64_t deadline_ns = handle->deadline_ns[direction];
    uint64_t retry_ns = vsock_deadline_in(WRITE_RETRY_NS);

    if (direction == VSOCK_WRITING && (deadline_ns == 0 || deadline_ns > retry_ns))
        return retry_ns;
    return deadline_ns;
}

int vsock_handle_wait(struct vsock_handle *handle, enum vsock_direction direction)
{
    pthread_mutex_lock(&handle->lock);
    int error = locked_begin_wait(handle, direction);
    if (error == 0) {
        struct pollfd polled[] = {
            {.fd = handle->fd, .events = direction == VSOCK_WRITING ? POLLOUT : POLLIN},
            {.fd = handle->wake, .events = POLLIN},
        };
        uint64_t end_ns = locked_wait_end(handle, direction);
        pthread_mutex_unlock(&handle->lock);
        error = vsock_poll(polled, 2, end_ns);
        pthread_mutex_lock(&handle->lock);
        locked_end_wait(handle);
        if (error == 0 || error == -ETIMEDOUT)
            error = locked_verdict(handle, direction);
    }
    pthread_mutex_unlock(&handle->lock);
    return error;
}

int vsock_handle_verdict(struct vsock_handle *handle, enum vsock_direction direction)
{
    pthread_mutex_lock(&handle->lock);
    int error = locked_verdict(handle, direction);
    pthread_mutex_unlock(&handle->lock);
    return error;
}

void vsock_handle_stir(struct vsock_handle *handle)
{
    pthread_mutex_lock(&handle->lock);
    locked_change(handle);
    pthread_mutex_unlock(&handle->lock);
}

int vsock_handle_set_deadline(struct vsock_handle *handle, bool reading, bool writing,
                              uint64_t deadline_ns)
{
    pthread_mutex_lock(&handle->lock);
    int error = locked_verdict(handle, VSOCK_NEITHER);
    if (error == 0) {
        if (reading)
            handle->deadline_ns[VSOCK_READING] = deadline_ns;
        if (writing)
            handle->deadline_ns[VSOCK_WRITING] = deadline_ns;
        locked_change(handle);
    }
    pthread_mutex_unlock(&handle->lock);
    return error;
}

uint64_t vsock_handle_deadline(struct vsock_handle *handle, enum vsock_direction direction)
{
    pthread_mutex_lock(&handle->lock);
    uint64_t deadline_ns = handle->deadline_ns[direction];
    pthread_mutex_unlock(&handle->lock);
    return deadline_ns;
}

int vsock_handle_fd(struct vsock_handle *handle)
{
    int fd = vsock_handle_enter(handle, VSOCK_NEITHER);

    if (fd >= 0)
        vsock_handle_leave(handle, VSOCK_NEITHER);
    return fd;
}

static int locked_close(struct vsock_handle *handle, bool keep)
{
    int error = locked_verdict(handle, VSOCK_NEITHER);

    if (error)
        return error;
    handle->closed = true;
    handle->kept = keep;
    locked_change(handle);
    if (handle->users == 0 && !keep)
        release(handle);
    return 0;
}

int vsock_handle_close(struct vsock_handle *handle)
{
    pthread_mutex_lock(&handle->lock);
    int error = locked_close(handle, false);
    pthread_mutex_unlock(&handle->lock);
    return error;
}

int vsock_handle_take(struct vsock_handle *handle)
{
    pthread_mutex_lock(&handle->lock);
    int fd = locked_close(handle, true);
    if (fd == 0) {
        while (handle->users > 0)
            locked_wait_change(handle, 0);
        fd = handle->fd;
        release(handle);
    }
    pthread_mutex_unlock(&handle->lock);
    return fd;
}

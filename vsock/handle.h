/* A descriptor that several threads use at once, with deadlines that any of them may set and a
 * close that ends them all.
 *
 * Every function on it is between vsock_handle_enter() and vsock_handle_leave(); the descriptor is
 * closed (or handed over) when it is closed and the last has left. What has to wait does so in
 * vsock_handle_wait(), in poll(2) on the descriptor and on an eventfd, which exists from the first
 * wait on: who sets a deadline or closes makes it readable (`waking`), and the last who leaves
 * poll(2) makes it unreadable again; who wants to wait meanwhile waits for that.
 *
 * Refuses to know what is read or written.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum vsock_direction {
    VSOCK_READING,
    VSOCK_WRITING,
    VSOCK_DIRECTIONS,
    VSOCK_NEITHER = VSOCK_DIRECTIONS, /* no deadline holds */
};

struct vsock_handle {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* anything below */
    int fd;                 /* -1: gone */
    int wake;               /* the eventfd; -1: nobody has waited */
    unsigned users;
    unsigned waiting; /* of the users, those in poll(2) */
    bool waking;
    bool writing; /* a user has the turn to write */
    bool closed;
    bool kept; /* closed, but its descriptor is not to be */
    uint64_t deadline_ns[VSOCK_DIRECTIONS];
};

/* Owns fd from now on. */
void vsock_handle_init(struct vsock_handle *handle, int fd);

/* Closes where that was not done. Nobody is inside. */
void vsock_handle_deinit(struct vsock_handle *handle);

/* The descriptor, and the caller is a user. VSOCK_WRITING also waits for the turn to write. -EBADF,
 * -ETIMEDOUT: the caller is none. */
int vsock_handle_enter(struct vsock_handle *handle, enum vsock_direction direction);
void vsock_handle_leave(struct vsock_handle *handle, enum vsock_direction direction);

/* Of a user: waits until the descriptor is ready, or may be: a full socket whose other end reads no
 * more is not told to be, so who writes tries each second. 0: try; -EBADF, -ETIMEDOUT; -EMFILE,
 * -ENFILE, -ENOMEM: no eventfd. */
int vsock_handle_wait(struct vsock_handle *handle, enum vsock_direction direction);

/* Of a user: 0, -EBADF or -ETIMEDOUT. */
int vsock_handle_verdict(struct vsock_handle *handle, enum vsock_direction direction);

/* What waits tries again: the socket itself was changed. */
void vsock_handle_stir(struct vsock_handle *handle);

int vsock_handle_set_deadline(struct vsock_handle *handle, bool reading, bool writing,
                              uint64_t deadline_ns);
uint64_t vsock_handle_deadline(struct vsock_handle *handle, enum vsock_direction direction);
int vsock_handle_fd(struct vsock_handle *handle);
int vsock_handle_close(struct vsock_handle *handle);
int vsock_handle_take(struct vsock_handle *handle);

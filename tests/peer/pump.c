/* A loop over epoll. */
#include "pump.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BATCH 256

static int epoll_fd = -1;

double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

void pump_init(void)
{
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0) {
        perror("peer: epoll_create1");
        exit(71);
    }
}

void watch_set(struct watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    if (watch->registered && watch->events == events)
        return;
    if (epoll_ctl(epoll_fd, watch->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, watch->fd, &event) <
        0) {
        perror("peer: epoll_ctl");
        exit(71);
    }
    watch->registered = true;
    watch->events = events;
}

void watch_remove(struct watch *watch)
{
    if (watch->registered)
        epoll_ctl(epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->registered = false;
}

void pump_round(double seconds)
{
    struct epoll_event events[BATCH];
    int count = epoll_wait(epoll_fd, events, BATCH, seconds <= 0 ? 0 : (int)ceil(seconds * 1e3));

    for (int i = 0; i < count; i++) {
        struct watch *watch = events[i].data.ptr;

        if (watch->registered)
            watch->ready(watch, events[i].events);
    }
}

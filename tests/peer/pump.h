/* A loop over epoll: descriptors and who is told when they are ready. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct watch;

typedef void watch_handler(struct watch *watch, uint32_t events);

struct watch {
    int fd;
    uint32_t events; /* as registered */
    bool registered;
    watch_handler *ready;
};

void pump_init(void);

/* Waits for `events` from now on. Level-triggered; EPOLLERR and EPOLLHUP always come. */
void watch_set(struct watch *watch, uint32_t events);
void watch_remove(struct watch *watch);

/* One round, of `seconds` at most. A watch must outlive the round in which it is removed. */
void pump_round(double seconds);

/* CLOCK_MONOTONIC, as Python's time.monotonic() tells it. */
double now(void);

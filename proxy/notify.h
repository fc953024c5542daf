/* What the service manager is told: sd_notify(3). Where nobody asks to be told, by NOTIFY_SOCKET,
 * nothing is loaded and every function returns at once. Where libsystemd is not there already,
 * loading it takes 1 ms and 1.2 MiB, most of it shared with others.
 *
 * The watchdog is fed only while every worker turns: each half of its time they are asked for a
 * sign of life, and it is fed when the last one has answered. One that hangs leaves it unfed, and
 * so does the main thread.
 *
 *   notify_ping_due() --> workers_ping() --all have answered--> notify_alive()
 *
 * Of the main thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define NOTIFY_STATUS_BYTES 384
/* Between two that differ. */
#define NOTIFY_STATUS_NS UINT64_C(5000000000)

struct notify {
    int (*send)(int unset_environment, const char *state); /* NULL: nobody is to be told */
    uint64_t ping_every_ns;                                /* 0: there is no watchdog */
    uint64_t pinged_ns;                                    /* when they were asked */
    bool awaits;                                           /* their answers */
    uint64_t told_ns;                                      /* when the status was */
    char status[NOTIFY_STATUS_BYTES];
};

/* Loads libsystemd where somebody is to be told. */
void notify_init(struct notify *notify);

/* At the start, and after each notify_reloading(). */
void notify_ready(struct notify *notify);
void notify_reloading(struct notify *notify, uint64_t now_ns);

/* Ending may take so long. */
void notify_stopping(struct notify *notify, uint64_t limit_ns);

/* Whether notify_status() would tell it now; only where it is another one than before. */
bool notify_status_due(const struct notify *notify, uint64_t now_ns);
void notify_status(struct notify *notify, const char *status, uint64_t now_ns);

/* Is it time to ask the workers? Then they are to be asked. */
bool notify_ping_due(struct notify *notify, uint64_t now_ns);

/* All have answered. */
void notify_alive(struct notify *notify);

/* How long until something is due, in ms, rounded up; -1: for ever. */
int notify_wait_ms(const struct notify *notify, uint64_t now_ns);

/* By libsystemd's sd_notify(). */
#include "proxy/notify.h"

#include "proxy/library.h"
#include "proxy/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void notify_init(struct notify *notify)
{
    static const char *const names[] = {"libsystemd.so.0", NULL};
    int (*send)(int, const char *) = NULL;
    int (*watchdog)(int, uint64_t *) = NULL;
    const struct library_symbol symbols[] = {
        {"sd_notify", &send},
        {"sd_watchdog_enabled", &watchdog},
        {NULL, NULL},
    };
    char error[LIBRARY_ERROR_BYTES];
    uint64_t watchdog_us = 0;

    *notify = (struct notify){0};
    if (!getenv("NOTIFY_SOCKET"))
        return;
    if (library_open(names, symbols, "libsystemd0", error) < 0) {
        log_warning("vsluice: NOTIFY_SOCKET is set, but nobody can be told: %s", error);
        return;
    }
    notify->send = send;
    if (watchdog(0, &watchdog_us) > 0)
        notify->ping_every_ns = watchdog_us * 1000 / 2;
}

void notify_ready(struct notify *notify)
{
    if (notify->send)
        notify->send(0, "READY=1");
}

void notify_reloading(struct notify *notify, uint64_t now_ns)
{
    char state[64];

    if (!notify->send)
        return;
    snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_ns / 1000);
    notify->send(0, state);
}

void notify_stopping(struct notify *notify, uint64_t limit_ns)
{
    char state[64];

    if (!notify->send)
        return;
    snprintf(state, sizeof(state), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64, limit_ns / 1000);
    notify->send(0, state);
}

bool notify_status_due(const struct notify *notify, uint64_t now_ns)
{
    return notify->send && (!notify->told_ns || now_ns >= notify->told_ns + NOTIFY_STATUS_NS);
}

void notify_status(struct notify *notify, const char *status, uint64_t now_ns)
{
    char state[sizeof("STATUS=") + NOTIFY_STATUS_BYTES];

    if (!notify_status_due(notify, now_ns))
        return;
    notify->told_ns = now_ns;
    if (strncmp(status, notify->status, NOTIFY_STATUS_BYTES - 1) == 0)
        return;
    snprintf(notify->status, sizeof(notify->status), "%s", status);
    snprintf(state, sizeof(state), "STATUS=%s", notify->status);
    notify->send(0, state);
}

bool notify_ping_due(struct notify *notify, uint64_t now_ns)
{
    if (!notify->ping_every_ns || notify->awaits ||
        (notify->pinged_ns && now_ns < notify->pinged_ns + notify->ping_every_ns))
        return false;
    notify->pinged_ns = now_ns;
    notify->awaits = true;
    return true;
}

void notify_alive(struct notify *notify)
{
    if (!notify->awaits)
        return;
    notify->awaits = false;
    notify->send(0, "WATCHDOG=1");
}

static int ms_until(uint64_t due_ns, uint64_t now_ns)
{
    uint64_t ms = due_ns > now_ns ? (due_ns - now_ns + 999999) / 1000000 : 0;

    return ms < 3600000 ? (int)ms : 3600000;
}

int notify_wait_ms(const struct notify *notify, uint64_t now_ns)
{
    if (!notify->send)
        return -1;
    int wait_ms = ms_until(notify->told_ns + NOTIFY_STATUS_NS, now_ns);
    if (!notify->ping_every_ns || notify->awaits)
        return wait_ms;
    int ping_ms = ms_until(notify->pinged_ns + notify->ping_every_ns, now_ns);
    return ping_ms < wait_ms ? ping_ms : wait_ms;
}

/* A short list. */
#include "proxy/drains.h"

#include <stdlib.h>
#include <string.h>

bool drains_set(struct drains *drains, const char *route, uint64_t deadline_ns)
{
    struct drain *drain = calloc(1, sizeof(*drain));
    char *name = strdup(route);

    if (!drain || !name) {
        free(drain);
        free(name);
        return false;
    }
    drains_forget(drains, route);
    *drain = (struct drain){.next = drains->first, .route = name, .deadline_ns = deadline_ns};
    drains->first = drain;
    return true;
}

static struct drain *take(struct drain **link)
{
    struct drain *drain = *link;

    *link = drain->next;
    return drain;
}

void drains_forget(struct drains *drains, const char *route)
{
    struct drain **link = &drains->first;

    while (*link && strcmp((*link)->route, route) != 0)
        link = &(*link)->next;
    if (*link)
        drain_free(take(link));
}

void drains_deinit(struct drains *drains)
{
    while (drains->first)
        drain_free(take(&drains->first));
}

int drains_wait_ms(const struct drains *drains, uint64_t now_ns)
{
    uint64_t next_ns = UINT64_MAX;

    for (const struct drain *drain = drains->first; drain; drain = drain->next)
        next_ns = drain->deadline_ns < next_ns ? drain->deadline_ns : next_ns;
    if (next_ns == UINT64_MAX)
        return -1;
    uint64_t ms = next_ns > now_ns ? (next_ns - now_ns + 999999) / 1000000 : 0;
    return ms < 3600000 ? (int)ms : 3600000;
}

struct drain *drains_take_over(struct drains *drains, uint64_t now_ns)
{
    struct drain **link = &drains->first;

    while (*link && (*link)->deadline_ns > now_ns)
        link = &(*link)->next;
    return *link ? take(link) : NULL;
}

void drain_free(struct drain *drain)
{
    free(drain->route);
    free(drain);
}

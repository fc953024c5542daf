/* A list for each route, in the order in which they were first asked for. */
#include "proxy/target_use.h"

#include "proxy/balance.h"

#include <stdlib.h>
#include <string.h>

static struct target_use *add(struct target_use **link, struct route_use *route, const char *name)
{
    struct target_use *use = calloc(1, sizeof(*use));
    char *copy = strdup(name);

    if (!use || !copy) {
        free(use);
        free(copy);
        return NULL;
    }
    use->route = route;
    use->name = copy;
    use->hash = balance_hash(name, strlen(name));
    *link = use;
    return use;
}

struct target_use *target_use_get(struct route_use *route, const char *name)
{
    struct target_use **link = &route->targets;

    pthread_mutex_lock(&route->uses->mutex);
    while (*link && strcmp((*link)->name, name) != 0)
        link = &(*link)->next;
    struct target_use *use = *link ? *link : add(link, route, name);
    if (use)
        use->references++;
    pthread_mutex_unlock(&route->uses->mutex);
    return use;
}

void target_use_put(struct target_use *use)
{
    if (!use)
        return;
    struct route_use *route = use->route;
    struct target_use **link = &route->targets;
    pthread_mutex_lock(&route->uses->mutex);
    bool over = --use->references == 0;
    if (over) {
        while (*link != use)
            link = &(*link)->next;
        *link = use->next;
    }
    pthread_mutex_unlock(&route->uses->mutex);
    if (!over)
        return;
    free(use->name);
    free(use);
}

bool target_use_is_up(const struct target_use *use)
{
    return !atomic_load(&use->down) && atomic_load(&use->out_until_ns) == 0;
}

bool target_use_is_open(const struct target_use *use, uint64_t now_ns)
{
    return !atomic_load(&use->down) && atomic_load(&use->out_until_ns) <= now_ns;
}

bool target_use_claim(struct target_use *use, uint64_t now_ns, uint64_t fail_ns)
{
    uint64_t until_ns = atomic_load(&use->out_until_ns);

    if (until_ns == 0)
        return true;
    return until_ns <= now_ns &&
           atomic_compare_exchange_strong(&use->out_until_ns, &until_ns, now_ns + fail_ns);
}

/* Whoever comes last sees what all have left it in. */
static bool has_changed(struct target_use *use)
{
    pthread_mutex_lock(&use->route->uses->mutex);
    bool is_down = !target_use_is_up(use);
    bool changed = is_down != use->told_down;
    use->told_down = is_down;
    pthread_mutex_unlock(&use->route->uses->mutex);
    return changed;
}

bool target_use_failed(struct target_use *use, uint64_t now_ns, uint32_t fail_max, uint64_t fail_ns)
{
    atomic_fetch_add(&use->failures, 1);
    unsigned failed = atomic_fetch_add(&use->failed, 1) + 1;
    if (fail_max == 0 || failed < fail_max)
        return false;
    atomic_store(&use->out_until_ns, now_ns + fail_ns);
    return has_changed(use);
}

bool target_use_reached(struct target_use *use)
{
    if (atomic_load(&use->failed) == 0)
        return false;
    atomic_store(&use->failed, 0);
    if (atomic_exchange(&use->out_until_ns, 0) == 0)
        return false;
    return has_changed(use);
}

bool target_use_checked(struct target_use *use, bool good)
{
    atomic_store(&use->down, !good);
    if (good) {
        atomic_store(&use->failed, 0);
        atomic_store(&use->out_until_ns, 0);
    }
    return has_changed(use);
}

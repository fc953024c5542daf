/* A list in the order of names. */
#include "proxy/route_use.h"

#include <stdlib.h>
#include <string.h>

void route_uses_init(struct route_uses *uses)
{
    *uses = (struct route_uses){0};
    pthread_mutex_init(&uses->mutex, NULL);
}

static void use_free(struct route_use *use)
{
    tally_deinit(&use->tally);
    source_uses_free(use->sources);
    free(use->name);
    free(use);
}

void route_uses_deinit(struct route_uses *uses)
{
    struct route_use *next;

    for (struct route_use *use = uses->first; use; use = next) {
        next = use->next;
        use_free(use);
    }
    pthread_mutex_destroy(&uses->mutex);
}

/* Where the route of that name is, or would be. */
static struct route_use **find(struct route_uses *uses, const char *name)
{
    struct route_use **link = &uses->first;

    while (*link && strcmp((*link)->name, name) < 0)
        link = &(*link)->next;
    return link;
}

static bool is_at(struct route_use *const *link, const char *name)
{
    return *link && strcmp((*link)->name, name) == 0;
}

static struct route_use *add(struct route_uses *uses, struct route_use **link, const char *name)
{
    struct route_use *use = calloc(1, sizeof(*use));

    if (!use)
        return NULL;
    use->uses = uses;
    use->name = strdup(name);
    if (!tally_init(&use->tally, uses->workers ? uses->workers : 1) || !use->name) {
        use_free(use);
        return NULL;
    }
    use->next = *link;
    *link = use;
    return use;
}

struct route_use *route_use_get(struct route_uses *uses, const char *name)
{
    pthread_mutex_lock(&uses->mutex);
    struct route_use **link = find(uses, name);
    struct route_use *use = is_at(link, name) ? *link : add(uses, link, name);
    if (use)
        use->references++;
    pthread_mutex_unlock(&uses->mutex);
    return use;
}

struct route_use *route_use_find(struct route_uses *uses, const char *name)
{
    pthread_mutex_lock(&uses->mutex);
    struct route_use **link = find(uses, name);
    struct route_use *use = is_at(link, name) ? *link : NULL;
    if (use)
        use->references++;
    pthread_mutex_unlock(&uses->mutex);
    return use;
}

bool route_use_is_drained(struct route_uses *uses, const char *name)
{
    struct route_use *use = route_use_find(uses, name);
    bool drained = use && atomic_load(&use->drained);

    route_use_put(use);
    return drained;
}

void route_use_put(struct route_use *use)
{
    if (!use)
        return;
    struct route_uses *uses = use->uses;
    pthread_mutex_lock(&uses->mutex);
    if (--use->references == 0 && !atomic_load(&use->drained)) {
        *find(uses, use->name) = use->next;
        use_free(use);
    }
    pthread_mutex_unlock(&uses->mutex);
}

void route_uses_visit(struct route_uses *uses,
                      void (*visit)(void *argument, const struct route_use *use), void *argument)
{
    pthread_mutex_lock(&uses->mutex);
    for (const struct route_use *use = uses->first; use; use = use->next)
        visit(argument, use);
    pthread_mutex_unlock(&uses->mutex);
}

bool route_use_count_sources(struct route_use *use)
{
    pthread_mutex_lock(&use->uses->mutex);
    if (!use->sources)
        use->sources = source_uses_new(SOURCE_USES_RESTING_MAX);
    bool counts = use->sources;
    pthread_mutex_unlock(&use->uses->mutex);
    return counts;
}

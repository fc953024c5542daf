/* A list by name. */
#include "proxy/guest_use.h"

#include "proxy/vmm.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void guest_uses_init(struct guest_uses *uses)
{
    *uses = (struct guest_uses){0};
    pthread_mutex_init(&uses->mutex, NULL);
}

static void use_free(struct guest_use *use)
{
    free(use->name);
    free(use);
}

void guest_uses_deinit(struct guest_uses *uses)
{
    struct guest_use *next;

    for (struct guest_use *use = uses->first; use; use = next) {
        next = use->next;
        assert(use->references == 0);
        use_free(use);
    }
    pthread_mutex_destroy(&uses->mutex);
}

static struct guest_use *find_or_add(struct guest_uses *uses, const char *name)
{
    for (struct guest_use *use = uses->first; use; use = use->next)
        if (strcmp(use->name, name) == 0)
            return use;
    struct guest_use *use = calloc(1, sizeof(*use));
    char *copy = strdup(name);
    if (!use || !copy) {
        free(use);
        free(copy);
        return NULL;
    }
    use->uses = uses;
    use->name = copy;
    use->next = uses->first;
    uses->first = use;
    return use;
}

struct guest_use *guest_use_get(struct guest_uses *uses, const char *name)
{
    pthread_mutex_lock(&uses->mutex);
    struct guest_use *use = find_or_add(uses, name);
    if (use)
        use->references++;
    pthread_mutex_unlock(&uses->mutex);
    return use;
}

struct guest_use *guest_use_ref(struct guest_use *use)
{
    pthread_mutex_lock(&use->uses->mutex);
    use->references++;
    pthread_mutex_unlock(&use->uses->mutex);
    return use;
}

static void forget(struct guest_uses *uses, struct guest_use *use)
{
    struct guest_use **link = &uses->first;

    while (*link != use)
        link = &(*link)->next;
    *link = use->next;
    use_free(use);
}

void guest_use_put(struct guest_use *use)
{
    struct guest_uses *uses;

    if (!use)
        return;
    uses = use->uses;
    pthread_mutex_lock(&uses->mutex);
    if (--use->references == 0 && !atomic_load(&use->frozen))
        forget(uses, use);
    pthread_mutex_unlock(&uses->mutex);
}

void guest_use_freeze(struct guest_use *use, bool frozen)
{
    atomic_store(&use->frozen, frozen);
}

bool guest_use_enter(struct guest_use *use, const struct guest *guest)
{
    if (!use)
        return true;
    unsigned max = vmm_sessions_max(guest, (enum guest_vmm)atomic_load(&use->vmm));
    unsigned sessions = atomic_load(&use->sessions);
    while (sessions < max)
        if (atomic_compare_exchange_weak(&use->sessions, &sessions, sessions + 1))
            return true;
    return false;
}

void guest_use_leave(struct guest_use *use)
{
    if (use)
        atomic_fetch_sub(&use->sessions, 1);
}

/* A list in the order of names. */
#include "proxy/guest_use.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void guest_uses_init(struct guest_uses *uses)
{
    *uses = (struct guest_uses){0};
    pthread_mutex_init(&uses->mutex, NULL);
}

/* Without the port, which a guest's address has none of; NULL: out of memory. */
static char *guest_address_text(const struct guest *guest)
{
    char text[ENDPOINT_TEXT_BYTES];
    size_t length = endpoint_format(&guest->address, text);

    text[length - strlen(":0")] = '\0';
    return strdup(text);
}

static void use_free(struct guest_use *use)
{
    tally_deinit(&use->tally);
    free(use->name);
    free(use->address);
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

/* Where the guest of that name is, or would be. */
static struct guest_use **find(struct guest_uses *uses, const char *name)
{
    struct guest_use **link = &uses->first;

    while (*link && strcmp((*link)->name, name) < 0)
        link = &(*link)->next;
    return link;
}

static bool is_at(struct guest_use *const *link, const char *name)
{
    return *link && strcmp((*link)->name, name) == 0;
}

static struct guest_use *add(struct guest_uses *uses, struct guest_use **link,
                             const struct guest *guest)
{
    struct guest_use *use = calloc(1, sizeof(*use));

    if (!use)
        return NULL;
    use->uses = uses;
    use->name = strdup(guest->name);
    use->address = guest_address_text(guest);
    bool counts = tally_init(&use->tally, uses->workers ? uses->workers : 1);
    if (!use->name || !use->address || !counts) {
        use_free(use);
        return NULL;
    }
    use->next = *link;
    *link = use;
    return use;
}

struct guest_use *guest_use_get(struct guest_uses *uses, const struct guest *guest)
{
    pthread_mutex_lock(&uses->mutex);
    struct guest_use **link = find(uses, guest->name);
    struct guest_use *use = is_at(link, guest->name) ? *link : add(uses, link, guest);
    if (use)
        use->references++;
    pthread_mutex_unlock(&uses->mutex);
    return use;
}

struct guest_use *guest_use_find(struct guest_uses *uses, const char *name)
{
    pthread_mutex_lock(&uses->mutex);
    struct guest_use **link = find(uses, name);
    struct guest_use *use = is_at(link, name) ? *link : NULL;
    if (use)
        use->references++;
    pthread_mutex_unlock(&uses->mutex);
    return use;
}

void guest_uses_visit(struct guest_uses *uses,
                      void (*visit)(void *argument, const struct guest_use *use), void *argument)
{
    pthread_mutex_lock(&uses->mutex);
    for (const struct guest_use *use = uses->first; use; use = use->next)
        visit(argument, use);
    pthread_mutex_unlock(&uses->mutex);
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

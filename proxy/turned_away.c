/* A list of the routes that turned somebody away within the last second. */
#include "proxy/turned_away.h"

#include "proxy/admission.h"
#include "proxy/log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct turned_away {
    struct turned_away *next;
    char *route;
    uint64_t count; /* not told yet */
    uint64_t next_ns;
    char from[ADMISSION_TEXT_BYTES]; /* the latest */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct turned_away *first;

/* Where the one of that route is, or would be. */
static struct turned_away **find(const char *route)
{
    struct turned_away **link = &first;

    while (*link && strcmp((*link)->route, route) != 0)
        link = &(*link)->next;
    return link;
}

/* NULL: out of memory. */
static struct turned_away *find_or_add(const char *route)
{
    struct turned_away **link = find(route);

    if (*link)
        return *link;
    struct turned_away *entry = calloc(1, sizeof(*entry));
    char *copy = strdup(route);
    if (!entry || !copy) {
        free(entry);
        free(copy);
        return NULL;
    }
    entry->route = copy;
    *link = entry;
    return entry;
}

static void drop(struct turned_away **link)
{
    struct turned_away *entry = *link;

    *link = entry->next;
    free(entry->route);
    free(entry);
}

static void tell(struct turned_away *entry, uint64_t now_ns)
{
    log_of("ROUTE", entry->route, LOG_NOTICE,
           "route %s: %llu connection%s refused: not allowed (latest from %s)", entry->route,
           (unsigned long long)entry->count, entry->count == 1 ? "" : "s", entry->from);
    entry->count = 0;
    entry->next_ns = now_ns + TURNED_AWAY_NS;
}

uint64_t turned_away_note(const char *route, const char *from, uint64_t now_ns)
{
    uint64_t next_ns = 0;

    pthread_mutex_lock(&mutex);
    struct turned_away *entry = find_or_add(route);
    if (entry) {
        entry->count++;
        snprintf(entry->from, sizeof(entry->from), "%s", from);
        if (entry->next_ns <= now_ns)
            tell(entry, now_ns);
        next_ns = entry->next_ns;
    }
    pthread_mutex_unlock(&mutex);
    return next_ns;
}

uint64_t turned_away_tell(uint64_t now_ns)
{
    struct turned_away **link = &first;
    uint64_t next_ns = 0;

    pthread_mutex_lock(&mutex);
    while (*link) {
        struct turned_away *entry = *link;
        if (entry->next_ns <= now_ns && entry->count == 0) {
            drop(link);
            continue;
        }
        if (entry->next_ns <= now_ns)
            tell(entry, now_ns);
        if (next_ns == 0 || entry->next_ns < next_ns)
            next_ns = entry->next_ns;
        link = &entry->next;
    }
    pthread_mutex_unlock(&mutex);
    return next_ns;
}

void turned_away_forget(const char *route)
{
    pthread_mutex_lock(&mutex);
    struct turned_away **link = find(route);
    if (*link && (*link)->count > 0)
        tell(*link, 0);
    if (*link)
        drop(link);
    pthread_mutex_unlock(&mutex);
}

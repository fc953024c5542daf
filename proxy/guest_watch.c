/* Directories to watch, sockets to find, and the difference to what was there before. */
#include "proxy/guest_watch.h"

#include "config/endpoint.h"
#include "config/name.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define WATCHED                                                                            \
    (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | \
     IN_ONLYDIR)

/* A directory that is watched. */
struct place {
    int watch;
    unsigned look; /* the latest that wanted it */
};

struct names {
    char **at;
    size_t count;
};

struct guest_watch {
    char *pattern;
    const struct guest_watch_events *events;
    void *owner;
    int inotify;
    bool blind;
    bool retell;
    unsigned look;
    struct place *places; /* by their watch, which inotify counts up */
    size_t place_count;
    struct names known; /* sorted */
};

int guest_watch_new(struct guest_watch **ret, const char *pattern,
                    const struct guest_watch_events *events, void *owner)
{
    struct guest_watch *watch = calloc(1, sizeof(*watch));

    if (!watch)
        return -ENOMEM;
    *watch = (struct guest_watch){
        .pattern = strdup(pattern),
        .events = events,
        .owner = owner,
        .inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK),
    };
    if (watch->inotify < 0 || !watch->pattern) {
        int error = watch->pattern ? -errno : -ENOMEM;
        if (watch->inotify >= 0)
            close(watch->inotify);
        free(watch->pattern);
        free(watch);
        return error;
    }
    *ret = watch;
    return 0;
}

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->at[i]);
    free(names->at);
    *names = (struct names){0};
}

void guest_watch_free(struct guest_watch *watch)
{
    if (!watch)
        return;
    names_free(&watch->known);
    free(watch->places);
    free(watch->pattern);
    close(watch->inotify);
    free(watch);
}

int guest_watch_descriptor(const struct guest_watch *watch)
{
    return watch->inotify;
}

void guest_watch_retell(struct guest_watch *watch)
{
    watch->retell = true;
}

bool guest_watch_is_blind(const struct guest_watch *watch)
{
    return watch->blind;
}

static int place_compare(const void *a, const void *b)
{
    int left = ((const struct place *)a)->watch;
    int right = ((const struct place *)b)->watch;

    return (left > right) - (left < right);
}

static void place_note(struct guest_watch *watch, int descriptor)
{
    struct place wanted = {.watch = descriptor, .look = watch->look};
    struct place *place = NULL;

    if (watch->place_count > 0)
        place = bsearch(&wanted, watch->places, watch->place_count, sizeof(wanted), place_compare);
    if (place) {
        place->look = watch->look;
        return;
    }
    struct place *places =
        reallocarray(watch->places, watch->place_count + 1, sizeof(*watch->places));
    if (!places) {
        watch->blind = true;
        return;
    }
    watch->places = places;
    places[watch->place_count++] = wanted;
}

/* false: there is no such directory. */
static bool watch_directory(struct guest_watch *watch, const char *path)
{
    int descriptor = inotify_add_watch(watch->inotify, *path ? path : "/", WATCHED);

    if (descriptor >= 0)
        place_note(watch, descriptor);
    else if (errno != ENOENT && errno != ENOTDIR)
        watch->blind = true;
    return descriptor >= 0;
}

/* The path with a star where the name is, and nothing else that glob(3) would take for one. */
static void pattern_format(const char *pattern, char text[static PATH_MAX])
{
    size_t length = 0;

    for (const char *c = pattern; *c && length < PATH_MAX - 3; c++) {
        if (strncmp(c, ENDPOINT_GUEST_NAME, strlen(ENDPOINT_GUEST_NAME)) == 0) {
            text[length++] = '*';
            c += strlen(ENDPOINT_GUEST_NAME) - 1;
            continue;
        }
        if (strchr("*?[\\", *c))
            text[length++] = '\\';
        text[length++] = *c;
    }
    text[length] = '\0';
}

static bool is_there(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0;
}

static void watch_below(struct guest_watch *watch, const char *path, const char *rest);

/* Watches the directories of `path`, which has the name in its last component. */
static void watch_each(struct guest_watch *watch, const char *path, const char *rest)
{
    char pattern[PATH_MAX];
    glob_t found;

    pattern_format(path, pattern);
    if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++)
        watch_below(watch, found.gl_pathv[i], rest);
    globfree(&found);
}

/* Watches as deep as there are directories on the way of `rest`, which begins with '/': the last of
 * them hears of the next. It may have come meanwhile, and is looked for again. */
static void watch_below(struct guest_watch *watch, const char *path, const char *rest)
{
    char next[PATH_MAX];
    const char *component = rest + 1;
    const char *end = component + strcspn(component, "/");
    bool has_name = memmem(component, (size_t)(end - component), ENDPOINT_GUEST_NAME,
                           strlen(ENDPOINT_GUEST_NAME));

    if (!*end) {
        watch_directory(watch, path);
        return;
    }
    if (snprintf(next, sizeof(next), "%s/%.*s", path, (int)(end - component), component) >=
        (int)sizeof(next))
        return;
    if (has_name) {
        if (watch_directory(watch, path))
            watch_each(watch, next, end);
        return;
    }
    if (!is_there(next) && (!watch_directory(watch, path) || !is_there(next)))
        return;
    watch_below(watch, next, end);
}

/* Directories that no guest is behind any more. */
static void places_forget(struct guest_watch *watch)
{
    size_t kept = 0;

    for (size_t i = 0; i < watch->place_count; i++) {
        if (watch->places[i].look == watch->look)
            watch->places[kept++] = watch->places[i];
        else
            inotify_rm_watch(watch->inotify, watch->places[i].watch);
    }
    watch->place_count = kept;
}

/* What of the path of a socket stands in the place of the name. false: no name, or not the same one
 * in every place. */
static bool name_of_path(const char *pattern, const char *path,
                         char name[static NAME_BYTES_MAX + 1])
{
    const char *begin = path + (strstr(pattern, ENDPOINT_GUEST_NAME) - pattern);
    struct endpoint expected = {.kind = ENDPOINT_VSOCK_MUX, .fd = -1};

    for (size_t length = strcspn(begin, "/"); length > 0; length--) {
        if (!name_valid(begin, length))
            continue;
        snprintf(name, NAME_BYTES_MAX + 1, "%.*s", (int)length, begin);
        snprintf(expected.name, sizeof(expected.name), "%s", pattern);
        if (endpoint_name_one(&expected, name) == 0 && strcmp(expected.name, path) == 0)
            return true;
    }
    return false;
}

static int name_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int names_add(struct names *names, const char *path, const char *pattern)
{
    char name[NAME_BYTES_MAX + 1];
    struct stat status;

    if (stat(path, &status) < 0 || !S_ISSOCK(status.st_mode) || !name_of_path(pattern, path, name))
        return 0;
    char **at = reallocarray(names->at, names->count + 1, sizeof(*at));
    if (!at)
        return -ENOMEM;
    names->at = at;
    at[names->count] = strdup(name);
    return at[names->count] ? (names->count++, 0) : -ENOMEM;
}

static int names_find(struct names *names, const char *pattern)
{
    char text[PATH_MAX];
    glob_t found;

    *names = (struct names){0};
    pattern_format(pattern, text);
    int r = glob(text, GLOB_NOSORT, NULL, &found);
    if (r == GLOB_NOMATCH)
        return 0;
    int error = r ? -ENOMEM : 0;
    for (size_t i = 0; r == 0 && i < found.gl_pathc && error == 0; i++)
        error = names_add(names, found.gl_pathv[i], pattern);
    globfree(&found);
    if (error < 0)
        names_free(names);
    else if (names->count > 0)
        qsort(names->at, names->count, sizeof(*names->at), name_compare);
    return error;
}

static bool names_have(const struct names *names, const char *name)
{
    return names->count > 0 &&
           bsearch(&name, names->at, names->count, sizeof(*names->at), name_compare);
}

bool guest_watch_knows(const struct guest_watch *watch, const char *name)
{
    return names_have(&watch->known, name);
}

/* Tells of each that is in one and not in the other. */
static void tell(const struct names *those, const struct names *not_these,
                 void (*event)(void *owner, const char *name), void *owner)
{
    for (size_t i = 0; i < those->count; i++)
        if (!names_have(not_these, those->at[i]))
            event(owner, those->at[i]);
}

void guest_watch_forget_events(struct guest_watch *watch)
{
    char events[16384];

    while (read(watch->inotify, events, sizeof(events)) > 0)
        ;
}

int guest_watch_look(struct guest_watch *watch)
{
    static const struct names nobody;
    struct names names;

    watch->look++;
    watch->blind = false;
    guest_watch_forget_events(watch);
    watch_below(watch, "", watch->pattern);
    int error = names_find(&names, watch->pattern);
    places_forget(watch);
    if (error < 0) {
        watch->blind = true;
        return error;
    }
    tell(&watch->known, &names, watch->events->gone, watch->owner);
    tell(&names, watch->retell ? &nobody : &watch->known, watch->events->appeared, watch->owner);
    watch->retell = false;
    names_free(&watch->known);
    watch->known = names;
    return 0;
}

/* Which guests there are, by the paths of their sockets, and when that changes.
 *
 * inotify(7) only says that something changed: what is there is then read anew, after the
 * directories to hear of have been found. So nothing is missed, however fast they come and go, and
 * a queue that overflowed says enough.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct guest_watch;

/* Told by guest_watch_look(), each once, the gone ones first. */
struct guest_watch_events {
    void (*gone)(void *owner, const char *name);
    void (*appeared)(void *owner, const char *name);
};

/* pattern: a path with `{name}` in it, once or more; copied. 0 or a negative errno. */
int guest_watch_new(struct guest_watch **ret, const char *pattern,
                    const struct guest_watch_events *events, void *owner);
void guest_watch_free(struct guest_watch *watch);

/* Readable when something changed, until guest_watch_forget_events() or guest_watch_look(). */
int guest_watch_descriptor(const struct guest_watch *watch);
void guest_watch_forget_events(struct guest_watch *watch);

/* The next look tells of all that are there, once more. */
void guest_watch_retell(struct guest_watch *watch);

/* Something could not be watched (too many watches): look again from time to time. */
bool guest_watch_is_blind(const struct guest_watch *watch);

/* Whether it has told of that one, and not that it is gone. */
bool guest_watch_knows(const struct guest_watch *watch, const char *name);

/* Looks what there is, and tells what is new. 0 or a negative errno: it could not be seen. */
int guest_watch_look(struct guest_watch *watch);

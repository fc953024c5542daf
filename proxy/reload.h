/* Reading the configuration anew: the way from the thread that asks for it to the one that does it.
 *
 * The admin socket has a thread of its own, and what listens is the main one's: so a request waits
 * until it has been seen to.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

enum reload_outcome {
    RELOAD_DONE,
    RELOAD_REFUSED, /* for mistakes, and nothing has changed */
    RELOAD_CLOSED,  /* nobody does it any more */
};

struct reload {
    int event; /* readable when one was asked for */
    pthread_mutex_t mutex;
    pthread_cond_t told;
    bool wanted;
    bool closed;
    unsigned long count; /* of those that were seen to */
    char *mistakes;      /* of the latest; NULL: none */
};

/* 0 or a negative errno. */
int reload_init(struct reload *reload);
void reload_deinit(struct reload *reload);

/* Of any thread: asks, and waits for what comes of it. *ret_mistakes, where it was refused: the
 * caller's to free, a line for each; NULL: out of memory. */
enum reload_outcome reload_ask(struct reload *reload, char **ret_mistakes);

/* Of the main thread: was it asked for? Then reload_tell() follows. */
bool reload_is_wanted(struct reload *reload);

/* What came of it: NULL, or the mistakes for which nothing has changed. */
void reload_tell(struct reload *reload, const char *mistakes);

/* Those who wait, and those who will ask, are told that nobody does it any more. */
void reload_close(struct reload *reload);

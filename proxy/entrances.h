/* The sockets that a configuration listens on, as the program itself holds them: each opening with
 * what it is bound to. Workers accept by descriptors of their own.
 */
#pragma once

#include "proxy/bind.h"
#include "proxy/opening.h"

struct workers;

/* The exit status (sysexits.h) where an address cannot be had, for that error. */
int exit_status_of_error(int error);

struct entrance {
    struct opening *opening;
    struct bound bound;
    struct endpoint address; /* that it is bound to; where that cannot be told, as it was written */
    bool kept;               /* while it is updated: goes on */
    bool made_way; /* while it is updated: is closed already, for one that is to have its address */
};

#define ENTRANCES_ERROR_BYTES (BIND_ERROR_BYTES + ENDPOINT_TEXT_BYTES)

struct entrances {
    struct entrance *at;
    size_t count;
    char error[ENTRANCES_ERROR_BYTES]; /* the first of the latest update that failed, with its route
                                        */
};

/* Binds every listen endpoint of every route. 0; or the exit status (sysexits.h) of the first that
 * cannot be had: each was logged, unless `quiet`, and what could be had is there. */
int entrances_open(struct entrances *ret, struct config *config, struct uses *uses, bool quiet);

/* Makes them those of another configuration: what listens on the same endpoint goes on without a
 * pause, under its new route; what is no longer there is closed, what is new opened. 0; or an exit
 * status as above, and nothing has changed, except that they are fewer where one made way for
 * another and could not be had again. */
int entrances_update(struct entrances *entrances, struct config *config, struct uses *uses,
                     struct workers *workers, bool quiet);

/* Those that were made of a configuration, and those whose endpoints one listens on. */
bool entrance_is_of(const struct entrance *entrance, const struct config *config);
bool entrance_is_for(const struct entrance *entrance, const struct config *config);

/* Those of which that is true become others', as they are. false: out of memory, and nothing has
 * changed. */
bool entrances_move(struct entrances *from, struct entrances *to,
                    bool (*moves)(const struct entrance *, const struct config *),
                    const struct config *config);

/* The workers accept, or will once they turn. 0 or a negative errno. */
int entrances_give(const struct entrances *entrances, struct workers *workers);

/* One line for each. */
void entrances_announce(const struct entrances *entrances);

/* The files of Unix sockets are that user's from now on, where the route says nothing else. 0 or a
 * negative errno. */
int entrances_give_files(const struct entrances *entrances, uid_t uid, gid_t gid);

/* No worker accepts any more, some time soon. */
void entrances_take_back(const struct entrances *entrances, struct workers *workers);

/* Closes the sockets, and removes their files. Any number of times. */
void entrances_close(struct entrances *entrances);

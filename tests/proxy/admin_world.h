/* An admin server over guests that are not there, and clients that do not keep to HTTP. */
#pragma once

#include "proxy/admin.h"
#include "proxy/admin_client.h"

#include <semaphore.h>
#include <stdbool.h>

#define FAKE_GUESTS 4
#define AWKWARD     "a b/c?d%e&f\303\274" /* no configuration has it; the ways of it are the same */

struct fake_guest {
    const char *name;
    int sessions;
    bool frozen;
};

/* POST /wait answers when `released` is posted, and posts `entered` before. */
struct admin_world {
    struct fake_guest guests[FAKE_GUESTS];
    unsigned calls;       /* of handlers */
    unsigned inside;      /* handlers that run at this moment */
    unsigned inside_most; /* ever */
    bool signals_blocked; /* SIGTERM was, in the last handler */
    sem_t entered;
    sem_t released;
    int descriptor; /* the next, before it starts */
    char directory[256];
    char path[300]; /* of the socket */
    struct admin *admin;
};

/* A directory of its own, which is removed at the end of all tests; the server is not started. */
void admin_world_init(struct admin_world *world);
/* Starts, and asserts that it did. */
void admin_world_start(struct admin_world *world);
/* As admin_start(), with the times of `times`. */
int admin_world_try(struct admin_world *world, const struct admin_options *times,
                    struct admin **ret, char error[static ADMIN_ERROR_BYTES]);
/* Stops, and looks for leaks of memory and descriptors. */
void admin_world_end(struct admin_world *world);

/* Calls, asserts that it was answered with `status`, and returns the body, to be freed. */
char *world_call(const struct admin_world *world, const char *method, const char *path,
                 long status);

/* A connection of no client. */
int raw_connect(const char *path);
void raw_send(int fd, const char *text);
/* Until the other end closes, at most 60 s; NUL-terminated, to be freed. */
char *raw_read_all(int fd);
/* Until `marker` was read; what was read, to be freed. */
char *raw_read_until(int fd, const char *marker);

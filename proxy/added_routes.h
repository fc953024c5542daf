/* Routes that were added at run time: the text of each, which is read with the configuration's
 * files whenever they are, until it is removed or the program ends. Of the main thread. */
#pragma once

#include "config/config.h"

#include <stdbool.h>
#include <stddef.h>

#define ADDED_ROUTES_MAX 1000
/* What is about to be added stands there. */
#define ADDED_ROUTES_PLACE "run-time"

struct added_route {
    struct added_route *next;
    char *name;
    char *place; /* where it stands, in messages: run-time:NAME */
    char *text;  /* its section */
    size_t bytes;
    unsigned line; /* of its first, in what it was added with */
};

struct added_routes {
    struct added_route *first;
    size_t count;
};

/* The sections of a text that was found right. false: out of memory, and there are none. */
bool added_routes_split(const char *text, size_t bytes, struct added_routes *ret);

/* How many sections a text seems to have. */
size_t added_routes_count(const char *text, size_t bytes);

/* Takes all of `more`, behind the others. */
void added_routes_append(struct added_routes *routes, struct added_routes *more);

struct added_route *added_routes_find(const struct added_routes *routes, const char *name);

/* Takes one out, and puts it back in front. */
void added_routes_take(struct added_routes *routes, struct added_route *route);
void added_routes_put_back(struct added_routes *routes, struct added_route *route);

void added_route_free(struct added_route *route);
void added_routes_deinit(struct added_routes *routes);

/* What to read them from, with room for one more: an array to free, in which they borrow their
 * texts. NULL: out of memory. */
struct config_text *added_routes_texts(const struct added_routes *routes);

/* What the admin socket can be asked: a table of methods, path patterns and handlers, and the
 * request as a handler sees it. Knows nothing of sockets or HTTP's framing.
 *
 * Whatever is asked, the answer is of type application/json, unless its handler says otherwise. An
 * error is {"error": "..."}, a sentence that names the remedy.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define ADMIN_VALUES_MAX     4
#define ADMIN_PARAMETERS_MAX 4
#define ADMIN_ALLOW_BYTES    64

struct admin_parameter {
    const char *key;
    const char *value; /* "" where none was given */
};

/* Lives until its handler returns, with all that it points at. */
struct admin_request {
    const char *method;
    const char *path;                     /* as it was sent, without the query */
    const char *accept;                   /* its header; NULL: there is none */
    const char *values[ADMIN_VALUES_MAX]; /* what stood for the pattern's {}, decoded, in order */
    struct admin_parameter parameters[ADMIN_PARAMETERS_MAX + 1]; /* of the query, decoded */
    const char *body;                                            /* with a NUL behind it */
    size_t body_bytes;

    FILE *answer;                  /* the handler writes its answer here */
    const char *content_type;      /* "application/json"; a handler may set another literal */
    char allow[ADMIN_ALLOW_BYTES]; /* with 405: what the Allow header says; else "" */
};

struct admin_route {
    const char *method;
    /* Segments that stand for themselves, and up to ADMIN_VALUES_MAX that stand for any one:
     * /guests/{name}/freeze */
    const char *pattern;
    /* Returns an HTTP status. */
    int (*handle)(void *owner, struct admin_request *request);
    /* Keys that its query may have; any other is refused before the handler is called. */
    const char *parameters[ADMIN_PARAMETERS_MAX];
};

struct admin_routes {
    const struct admin_route *at;
    size_t count;
    void *owner; /* handed to every handler */
    /* Of the POST whose request may have a body; NULL: none has. */
    const char *body_path;
    bool read_only; /* what is no GET is refused */
};

/* Calls the handler that `uri` (path and query, as sent) asks for, or answers with an error itself.
 * The caller has set the request's method, accept and answer. Returns an HTTP status; 0: out of
 * memory. */
int admin_routes_call(const struct admin_routes *routes, const char *uri,
                      struct admin_request *request);

/* May a request of this method for `uri` have a body? */
bool admin_routes_take_body(const struct admin_routes *routes, const char *method, const char *uri);

/* The value of a parameter; NULL: not given. */
const char *admin_request_parameter(const struct admin_request *request, const char *key);

/* For handlers: an error as the answer, in place of what was written before. Returns `status`. */
__attribute__((format(printf, 3, 4))) int admin_refuse(struct admin_request *request, int status,
                                                       const char *format, ...);

/* The same with a text of any length. */
int admin_refuse_text(struct admin_request *request, int status, const char *text);

/* A text as a JSON string, with its quotation marks. Where it is no UTF-8, '?' stands for the bytes
 * that are not ASCII. */
void admin_print_string(FILE *stream, const char *text);

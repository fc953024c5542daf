/* A session of an answer of the admin socket. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

/* Borrows the answer's texts. */
struct session_row {
    json_int_t number;
    const char *route;
    const char *state;
    const char *initiator; /* NULL: not known, as what follows */
    const char *told;
    const char *target; /* NULL: none was chosen yet */
    double age;
    double idle; /* negative: not known */
    json_int_t there;
    json_int_t back;
    const char *way_there;
    const char *way_back;
    json_int_t worker;
};

/* false: it is none. */
bool session_row_read(json_t *session, struct session_row *ret);

/* "PATH?route=...&guest=...&limit=...", of what is not NULL: to free. NULL: out of memory. */
char *session_filter_path(const char *path, const char *route, const char *guest,
                          const char *limit);

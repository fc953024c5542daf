/* A configuration while it is read: the config itself, and what only reading and checking need:
 * where every section and key stands.
 */
#pragma once

#include "config/config.h"
#include "config/key.h"

struct key;

/* Where something was written. */
struct place {
    const char *file;     /* NULL: on the command line */
    unsigned line;        /* of the command line: which of its routes, from 1 */
    const char *argument; /* the route of the command line; else NULL */
};

enum section_kind {
    SECTION_GLOBAL,
    SECTION_GUEST,
    SECTION_ROUTE,
    SECTION_KIND_COUNT,
};

/* Sections of a file, and routes of the command line. */
struct section {
    enum section_kind kind;
    size_t index; /* of its guest or route in the config */
    struct place place;
    unsigned key_lines[KEY_COUNT]; /* 0: the key was not given */
    bool duplicate; /* of an earlier section: what it lacks is no mistake, nor what it claims */
    bool lost;      /* a line could not be read: what is missing is no mistake of its own */
};

struct draft {
    struct config *config;
    struct problems *problems;
    uint64_t connect_timeout_ns; /* of [global] */
    bool access_log;             /* of [global] */
    struct place admin_socket;   /* where they were given */
    struct place admin_listen;

    struct section *sections;
    size_t section_count;
    bool exhausted; /* out of memory */

    /* while reading */
    struct place place;       /* of the line */
    struct section *current;  /* NULL: before the first section of a file */
    bool routes_only;         /* other sections are a mistake here */
    bool skipping;            /* in a section that is not known: its keys are passed over */
    const struct key *key;    /* the one above; NULL: what continues it is passed over */
    unsigned empty_list_line; /* of a list without an entry yet; 0: none */
};

/* Makes an array with room for `count` elements hold one more. Returns it; NULL: out of memory, and
 * the array is as before. */
void *array_grow(void *array, size_t count, size_t element_bytes);

/* Each adds one, with defaults, but for the listens. NULL: out of memory, and the draft is
 * exhausted. */
struct section *draft_section_add(struct draft *draft, enum section_kind kind,
                                  const struct place *place);
struct guest *draft_guest_add(struct draft *draft, const char *name);
struct route *draft_route_add(struct draft *draft, const char *name);
/* `port_count` of them, whose ports follow each other. Out of memory: the draft is exhausted. */
void draft_listens_add(struct draft *draft, struct route *route, const struct endpoint *endpoint,
                       uint32_t port_count);

void draft_target_add(struct draft *draft, struct route *route, const struct endpoint *endpoint,
                      uint32_t port_count);

/* The guest and route of the section being read. */
struct guest *draft_guest(const struct draft *draft);
struct route *draft_route(const struct draft *draft);

/* Adds a mistake at a place. */
__attribute__((format(printf, 3, 4))) void draft_problem(const struct draft *draft,
                                                         const struct place *place,
                                                         const char *format, ...);

/* "FILE:LINE", or the argument of the command line in quotation marks. */
#define PLACE_TEXT_BYTES 4352
const char *place_format(const struct place *place, char text[static PLACE_TEXT_BYTES]);

/* The events of a file (reader.h): section.c. */
void section_begin(struct draft *draft, const char *header, unsigned line);

/* One LISTEN=TARGET of the command line, the `number`th from 1. */
void argument_read(struct draft *draft, const char *text, unsigned number);

/* Resolves guests and checks the whole. */
void draft_check(struct draft *draft);

/* What one guest makes of a template (template.c), which stands at `place`: a route of its own
 * behind all others, not resolved yet. NULL: it cannot be, and a problem was added, or out of
 * memory. */
struct route *draft_route_of_guest(struct draft *draft, const struct place *place,
                                   const struct route *template, const char *guest_name);

/* Adds the guest of that name as [guest *] has it. false: it cannot be, and a problem was added, or
 * out of memory. */
bool draft_guest_of_each(struct draft *draft, const struct guest *each, const char *name);

/* Is it one for each guest? */
bool route_is_template(const struct route *route);

/* Is each word of `allow` and `deny` for a listener that the route has? */
void access_check(const struct draft *draft, const struct section *section,
                  const struct route *route);

/* May who connects wait where the route says so? */
void limit_check(const struct draft *draft, const struct section *section,
                 const struct route *route);

/* Finds the guests that its endpoints name. The key lines of the section are its places. */
void draft_route_resolve(const struct draft *draft, const struct section *section,
                         struct route *route);

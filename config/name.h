/* Names: what a guest or route may be called, and which of the known names a wrong one is nearest
 * to. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define NAME_BYTES_MAX 48

/* What name_valid() wants, for messages. */
#define NAME_FORM "at most 48 letters, digits, '.', '_' and '-'"

bool name_valid(const char *name, size_t length);

/* The search for the known name that a wrong one was meant to be: init, offer every known name,
 * then look at `best`. Borrows all names. */
struct name_search {
    const char *wrong;
    const char *best; /* NULL: none is nearly right */
    size_t distance;  /* of the best */
};

void name_search_init(struct name_search *search, const char *wrong);
void name_search_offer(struct name_search *search, const char *known);

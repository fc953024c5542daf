/* What the checks of a whole configuration share: check.c and target_check.c. */
#pragma once

#include "config/draft.h"

/* The place of a key that the section has; line 0: it has none. */
struct place section_key_place(const struct section *section, enum key_id key);
struct place section_listen_place(const struct section *section, const struct route_listen *listen);
struct place section_target_place(const struct section *section, const struct route_target *target);

/* The address of a guest whose own could not be read is of no kind that a guest has. */
bool guest_has_address(const struct guest *guest);

bool listen_is_mux(const struct route_listen *listen);

/* The guest that an endpoint names. NULL: there is none, and a problem was added. */
const struct guest *draft_guest_find(const struct draft *draft, const struct endpoint *endpoint,
                                     const struct place *place);

/* Where a vsock-mux has a Unix socket for a port, PATH_PORT: is that a path? Else a problem was
 * added. */
bool draft_mux_port_fits(const struct draft *draft, const struct place *place, const char *verb,
                         const struct endpoint *written, const struct endpoint *mux);

/* What goes together: targets, listeners and the keys about targets. */
void targets_check(const struct draft *draft, const struct section *section,
                   const struct route *route);

/* Finds the guests that they name; two that are one are told. */
void targets_resolve(const struct draft *draft, const struct section *section, struct route *route);

/* The guests of [guest *] that are there, and the routes that were made for each.
 *
 * A guest whose sockets cannot be had is told of once, and tried again from time to time.
 */
#pragma once

#include "config/config.h"
#include "proxy/uses.h"

#include <stdint.h>

struct entrances;
struct guest_routes;
struct workers;

/* For a config with a guest_each; all stay the caller's. 0 or a negative errno. */
int guest_routes_new(struct guest_routes **ret, struct config *config, struct uses *uses,
                     struct workers *workers);

/* Whether another config has routes for the guests that are found at the same place. */
bool guest_routes_go_on(const struct guest_routes *routes, const struct config *config);

/* Before another config is applied: the sockets of guests that have a section there become `its`,
 * to go on or be closed; of `its`, those of guests that have none any more become theirs; and those
 * of others make way for what it listens on itself. */
void guest_routes_yield(struct guest_routes *routes, struct config *config, struct entrances *its);

/* Goes on by that config, where it can; or by the same, and all sockets are whose they were. What
 * listens on the same endpoint stays. */
void guest_routes_update(struct guest_routes *routes, struct config *config, struct entrances *its);

/* Each guest that is there: its config and its sockets. */
void guest_routes_visit(const struct guest_routes *routes,
                        void (*visit)(void *argument, const struct config *config,
                                      const struct entrances *entrances),
                        void *argument);

/* Closes every socket. NULL: nothing. */
void guest_routes_free(struct guest_routes *routes);

/* Readable when something changed. */
int guest_routes_descriptor(const struct guest_routes *routes);

/* Something changed, says its descriptor: is looked at in a moment, with what changes until then.
 */
void guest_routes_note(struct guest_routes *routes);

/* How long until guest_routes_look() is to be called, in ms; -1: for as long as nothing changes. */
int guest_routes_wait_ms(const struct guest_routes *routes);

/* Opens and closes as guests have come and gone, where it is time to look. */
void guest_routes_look(struct guest_routes *routes);

/* Checks of targets: connecting to each at its times, and hearing whether it answers as it should.
 *
 * One worker checks, by its own ring: the targets of what it listens for, each once however many
 * listeners lead to it. What comes of it is known of the target (proxy/target_use.h) over all
 * workers, and is logged where it changes.
 *
 *              +--------------------- good or bad ------------------------+
 *              v                                                          |
 *           WAITING --interval over--> dialing --connected--> hearing ----+
 *              |                          |                      |
 *              +------ nobody listens ----+----------------------+--> (free, nothing in flight)
 */
#pragma once

#include "proxy/opening.h"
#include "proxy/resolver.h"
#include "ring/ring.h"

struct check;

struct checks {
    struct ring *ring; /* NULL: another worker checks */
    struct resolver *resolver;
    struct check *first;
};

/* It is listened for an opening; then no longer. */
void checks_attend(struct checks *checks, struct opening *opening);
void checks_leave(struct checks *checks, struct opening *opening);

/* Has all ended, of what is no longer listened for? */
bool checks_at_rest(const struct checks *checks);

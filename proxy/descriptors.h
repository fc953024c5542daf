/* File descriptors: how many there may be, and how many sessions that makes. */
#pragma once

#include <stddef.h>

/* Beside two for each session: for the name service, files under /proc, connections that are being
 * refused. */
#define DESCRIPTORS_RESERVE 16
#define DESCRIPTORS_OF_RING 4
/* Of what is left, pipes get so small a part. */
#define DESCRIPTORS_PIPES_PART 8

/* Raises the soft limit to the hard one. */
void descriptors_raise_limit(void);

/* How many may be open. */
size_t descriptors_limit(void);

/* What the limit leaves room for, beside what is open already, the rings of the workers, their
 * listeners, and a connection that each of those accepts when the last room is taken, and `others`.
 */
struct descriptors_share {
    size_t sessions; /* of all workers, at most `sessions_wanted` where that is not 0; 0: none */
    unsigned pipes;  /* that the lanes of each worker may borrow */
};
void descriptors_divide(size_t listeners, size_t workers, size_t others, size_t sessions_wanted,
                        struct descriptors_share *ret);

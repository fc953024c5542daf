/* The dials of a worker that wait for one guest, in the order in which they came.
 *
 * Only the first tries, after pauses that grow; when it gets through the next one follows at once.
 * So a guest that comes up meets its initiators in their order, and one that is away is asked by
 * one dial and not by all.
 */
#pragma once

#include "config/endpoint.h"

#include <stdbool.h>
#include <stdint.h>

struct dial;

#define DIAL_LINE_PAUSE_NS_MIN UINT64_C(100000000)
#define DIAL_LINE_PAUSE_NS_MAX UINT64_C(1000000000)

struct dial_line {
    struct dial_line *next;
    struct dial_line **link;
    const struct endpoint *target;
    uint32_t port;
    struct dial *first;
    struct dial *last;
    uint64_t pause_ns; /* before the first tries again */
    bool held;         /* the guest is, or was, frozen: nobody's time runs */
};

struct dial_lines {
    struct dial_line *first;
};

/* The line for a port of a target, which outlives it. NULL: nobody waits. */
struct dial_line *dial_lines_find(const struct dial_lines *lines, const struct endpoint *target,
                                  uint32_t port);

/* dial_lines_find(), made where there is none; it is freed when the last dial leaves it. NULL: out
 * of memory. */
struct dial_line *dial_lines_get(struct dial_lines *lines, const struct endpoint *target,
                                 uint32_t port);

void dial_line_join(struct dial_line *line, struct dial *dial);

/* The one who is first now, where the one that leaves was; else NULL. The line may be gone on
 * return. */
struct dial *dial_line_leave(struct dial_line *line, struct dial *dial);

/* The first has failed again. */
void dial_line_slow_down(struct dial_line *line);

/* The dials of a worker that wait for one guest, in the order in which they came.
 *
 * Only the first tries, after pauses that grow; when it gets through the next one follows at once.
 * So a guest that comes up meets its initiators in their order, and one that is away is asked by
 * one dial and not by all.
 */
#pragma once

#include "config/endpoint.h"

#include <stdint.h>

struct dial;

#define DIAL_LINE_PAUSE_NS_MIN UINT64_C(100000000)
#define DIAL_LINE_PAUSE_NS_MAX UINT64_C(1000000000)

struct dial_line {
    struct dial_line *next;
    const struct endpoint *target;
    struct dial *first;
    struct dial *last;
    unsigned count;
    uint64_t pause_ns; /* before the first tries again */
};

struct dial_lines {
    struct dial_line *first;
};

/* The line for a target, which outlives it; made where there is none. NULL: out of memory. */
struct dial_line *dial_lines_get(struct dial_lines *lines, const struct endpoint *target);

/* Nobody waits. */
void dial_lines_deinit(struct dial_lines *lines);

void dial_line_join(struct dial_line *line, struct dial *dial);

/* The one who is first now, where the one that leaves was; else NULL. */
struct dial *dial_line_leave(struct dial_line *line, struct dial *dial);

/* The first has failed again. */
void dial_line_slow_down(struct dial_line *line);

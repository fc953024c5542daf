/* A doubly linked list for each target. */
#include "proxy/dial_line.h"

#include "proxy/dial.h"

#include <stdlib.h>

struct dial_line *dial_lines_get(struct dial_lines *lines, const struct endpoint *target)
{
    for (struct dial_line *line = lines->first; line; line = line->next)
        if (line->target == target)
            return line;
    struct dial_line *line = calloc(1, sizeof(*line));
    if (!line)
        return NULL;
    line->target = target;
    line->next = lines->first;
    lines->first = line;
    return line;
}

void dial_lines_deinit(struct dial_lines *lines)
{
    struct dial_line *next;

    for (struct dial_line *line = lines->first; line; line = next) {
        next = line->next;
        free(line);
    }
    lines->first = NULL;
}

void dial_line_join(struct dial_line *line, struct dial *dial)
{
    dial->line = line;
    dial->before = line->last;
    dial->behind = NULL;
    *(line->last ? &line->last->behind : &line->first) = dial;
    line->last = dial;
    line->count++;
}

struct dial *dial_line_leave(struct dial_line *line, struct dial *dial)
{
    struct dial *behind = dial->behind;

    *(dial->before ? &dial->before->behind : &line->first) = behind;
    *(behind ? &behind->before : &line->last) = dial->before;
    line->count--;
    dial->line = NULL;
    return dial->before ? NULL : behind;
}

void dial_line_slow_down(struct dial_line *line)
{
    uint64_t pause_ns = line->pause_ns * 2;

    if (pause_ns < DIAL_LINE_PAUSE_NS_MIN)
        pause_ns = DIAL_LINE_PAUSE_NS_MIN;
    line->pause_ns = pause_ns < DIAL_LINE_PAUSE_NS_MAX ? pause_ns : DIAL_LINE_PAUSE_NS_MAX;
}

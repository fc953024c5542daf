/* A doubly linked list for each target. */
#include "proxy/dial_line.h"

#include "proxy/dial.h"

#include <stdlib.h>

struct dial_line *dial_lines_find(const struct dial_lines *lines, const struct endpoint *target,
                                  uint32_t port)
{
    struct dial_line *line = lines->first;

    while (line && (line->target != target || line->port != port))
        line = line->next;
    return line;
}

struct dial_line *dial_lines_get(struct dial_lines *lines, const struct endpoint *target,
                                 uint32_t port)
{
    struct dial_line *line = dial_lines_find(lines, target, port);

    if (line)
        return line;
    line = calloc(1, sizeof(*line));
    if (!line)
        return NULL;
    line->target = target;
    line->port = port;
    line->next = lines->first;
    line->link = &lines->first;
    if (line->next)
        line->next->link = &line->next;
    lines->first = line;
    return line;
}

static void line_free(struct dial_line *line)
{
    *line->link = line->next;
    if (line->next)
        line->next->link = line->link;
    free(line);
}

void dial_line_join(struct dial_line *line, struct dial *dial)
{
    dial->line = line;
    dial->before = line->last;
    dial->behind = NULL;
    *(line->last ? &line->last->behind : &line->first) = dial;
    line->last = dial;
}

struct dial *dial_line_leave(struct dial_line *line, struct dial *dial)
{
    struct dial *behind = dial->behind;

    *(dial->before ? &dial->before->behind : &line->first) = behind;
    *(behind ? &behind->before : &line->last) = dial->before;
    dial->line = NULL;
    if (!line->first)
        line_free(line);
    return dial->before ? NULL : behind;
}

void dial_line_slow_down(struct dial_line *line)
{
    uint64_t pause_ns = line->pause_ns * 2;

    if (pause_ns < DIAL_LINE_PAUSE_NS_MIN)
        pause_ns = DIAL_LINE_PAUSE_NS_MIN;
    line->pause_ns = pause_ns < DIAL_LINE_PAUSE_NS_MAX ? pause_ns : DIAL_LINE_PAUSE_NS_MAX;
}

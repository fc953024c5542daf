/* A list of texts. */
#include "proxy/added_routes.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the next line begins; NULL: there is none. */
static const char *next_line(const char *line, const char *end)
{
    const char *newline = memchr(line, '\n', (size_t)(end - line));

    return newline && newline + 1 < end ? newline + 1 : NULL;
}

/* The first line from here on that begins a section. */
static const char *next_section(const char *line, const char *end, unsigned *number)
{
    for (; line; line = next_line(line, end), ++*number)
        if (*line == '[')
            return line;
    return NULL;
}

size_t added_routes_count(const char *text, size_t bytes)
{
    const char *end = text + bytes;
    unsigned number = 1;
    size_t count = 0;

    for (const char *line = bytes ? text : NULL; (line = next_section(line, end, &number));
         line = next_line(line, end))
        count++;
    return count;
}

/* Of `[route NAME]`. */
static char *read_name(const char *section)
{
    const char *word = section + 1 + strspn(section + 1, " \t");
    const char *name = word + strcspn(word, " \t]");

    name += strspn(name, " \t");
    size_t length = strcspn(name, "]");
    while (length > 0 && isspace((unsigned char)name[length - 1]))
        length--;
    return strndup(name, length);
}

static struct added_route *route_new(const char *section, size_t bytes, unsigned line)
{
    struct added_route *route = calloc(1, sizeof(*route));

    if (!route)
        return NULL;
    route->text = strndup(section, bytes);
    route->name = route->text ? read_name(route->text) : NULL;
    route->bytes = bytes;
    route->line = line;
    if (route->name && asprintf(&route->place, "%s:%s", ADDED_ROUTES_PLACE, route->name) < 0)
        route->place = NULL;
    if (route->place)
        return route;
    added_route_free(route);
    return NULL;
}

void added_route_free(struct added_route *route)
{
    free(route->name);
    free(route->place);
    free(route->text);
    free(route);
}

void added_routes_deinit(struct added_routes *routes)
{
    while (routes->first) {
        struct added_route *route = routes->first;
        routes->first = route->next;
        added_route_free(route);
    }
    routes->count = 0;
}

bool added_routes_split(const char *text, size_t bytes, struct added_routes *ret)
{
    const char *end = text + bytes;
    struct added_route **link = &ret->first;
    unsigned line = 1;
    const char *section = bytes ? next_section(text, end, &line) : NULL;

    *ret = (struct added_routes){0};
    while (section) {
        unsigned next_number = line + 1;
        const char *next = next_section(next_line(section, end), end, &next_number);
        *link = route_new(section, (size_t)((next ? next : end) - section), line);
        if (!*link) {
            added_routes_deinit(ret);
            return false;
        }
        link = &(*link)->next;
        ret->count++;
        section = next;
        line = next_number;
    }
    return true;
}

void added_routes_append(struct added_routes *routes, struct added_routes *more)
{
    struct added_route **link = &routes->first;

    while (*link)
        link = &(*link)->next;
    *link = more->first;
    routes->count += more->count;
    *more = (struct added_routes){0};
}

struct added_route *added_routes_find(const struct added_routes *routes, const char *name)
{
    struct added_route *route = routes->first;

    while (route && strcmp(route->name, name) != 0)
        route = route->next;
    return route;
}

void added_routes_take(struct added_routes *routes, struct added_route *route)
{
    struct added_route **link = &routes->first;

    while (*link != route)
        link = &(*link)->next;
    *link = route->next;
    routes->count--;
}

void added_routes_put_back(struct added_routes *routes, struct added_route *route)
{
    route->next = routes->first;
    routes->first = route;
    routes->count++;
}

struct config_text *added_routes_texts(const struct added_routes *routes)
{
    struct config_text *texts = calloc(routes->count + 1, sizeof(*texts));
    size_t count = 0;

    for (const struct added_route *route = routes->first; texts && route; route = route->next)
        texts[count++] = (struct config_text){
            .name = route->place,
            .text = route->text,
            .bytes = route->bytes,
            .line = route->line,
        };
    return texts;
}

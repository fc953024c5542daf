/* Routes of the command line: LISTEN=TARGET, named by what they listen on.
 *
 * A Unix path may hold '=', so the route is split where what follows begins with a kind of
 * endpoint; where that is so in several places, where both halves are endpoints.
 */
#include "config/draft.h"

#include <stdlib.h>
#include <string.h>

struct halves {
    struct endpoint listen;
    struct endpoint target;
    uint32_t listen_port_count;
    uint32_t target_port_count;
};

/* Reads both halves; error_listen and error_target are empty where there was none. */
static bool halves_parse(const char *listen, const char *target, struct halves *ret,
                         char *error_listen, char *error_target)
{
    error_listen[0] = '\0';
    error_target[0] = '\0';
    int r_listen = endpoint_of_route_parse(listen, ENDPOINT_LISTEN, &ret->listen,
                                           &ret->listen_port_count, error_listen);
    int r_target = endpoint_of_route_parse(target, ENDPOINT_TARGET, &ret->target,
                                           &ret->target_port_count, error_target);
    return r_listen == 0 && r_target == 0;
}

/* The '=' to split `text` at; NULL: there is none. *ret_ways is in how many places it can be split.
 */
static char *split_find(char *text, unsigned *ret_ways)
{
    char error[ENDPOINT_ERROR_BYTES];
    char error_other[ENDPOINT_ERROR_BYTES];
    struct halves halves;
    char *first = NULL;
    char *kindred = NULL; /* followed by a kind */
    char *right = NULL;   /* between two endpoints */

    *ret_ways = 0;
    for (char *c = strchr(text, '='); c; c = strchr(c + 1, '=')) {
        if (!first)
            first = c;
        if (!endpoint_kind_leads(c + 1))
            continue;
        if (!kindred)
            kindred = c;
        *c = '\0';
        bool splits = halves_parse(text, c + 1, &halves, error, error_other);
        *c = '=';
        if (splits) {
            right = c;
            ++*ret_ways;
        }
    }
    return right ? right : kindred ? kindred : first;
}

char *config_split_route(char *text)
{
    unsigned ways;
    char *split = split_find(text, &ways);

    if (!split || ways > 1)
        return NULL;
    *split = '\0';
    return split + 1;
}

static void route_add(struct draft *draft, const char *name, const struct halves *halves)
{
    struct section *section = draft_section_add(draft, SECTION_ROUTE, &draft->place);

    if (!section)
        return;
    section->index = draft->config->route_count;
    struct route *route = draft_route_add(draft, name);
    if (!route) {
        draft->section_count--;
        return;
    }
    section->key_lines[KEY_LISTEN] = draft->place.line;
    section->key_lines[KEY_TARGET] = draft->place.line;
    draft_target_add(draft, route, &halves->target, halves->target_port_count);
    draft_listens_add(draft, route, &halves->listen, halves->listen_port_count);
}

static void halves_read(struct draft *draft, const char *listen, const char *target)
{
    char error_listen[ENDPOINT_ERROR_BYTES];
    char error_target[ENDPOINT_ERROR_BYTES];
    struct halves halves;

    if (halves_parse(listen, target, &halves, error_listen, error_target)) {
        route_add(draft, listen, &halves);
        return;
    }
    if (*error_listen)
        draft_problem(draft, &draft->place, "%s", error_listen);
    if (*error_target)
        draft_problem(draft, &draft->place, "%s", error_target);
}

void argument_read(struct draft *draft, const char *text, unsigned number)
{
    char *copy = strdup(text);
    unsigned ways;

    if (!copy) {
        draft->exhausted = true;
        return;
    }
    draft->place = (struct place){.line = number, .argument = text};
    char *split = split_find(copy, &ways);
    if (!split) {
        draft_problem(draft, &draft->place,
                      "is no route; write LISTEN=TARGET, such as 'tcp:127.0.0.1:8080=vsock:3:80'");
    } else if (ways > 1) {
        draft_problem(draft, &draft->place,
                      "can be split at more than one '='; put this route into a file");
    } else {
        *split = '\0';
        halves_read(draft, copy, split + 1);
    }
    free(copy);
}

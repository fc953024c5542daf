/* JSON, and a query. */
#include "proxy/session_row.h"

#include "proxy/admin_uri.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_or_null(json_t *session, const char *key)
{
    return json_string_value(json_object_get(session, key));
}

bool session_row_read(json_t *session, struct session_row *ret)
{
    json_t *idle = json_object_get(session, "idle");

    ret->idle = json_is_number(idle) ? json_number_value(idle) : -1;
    ret->initiator = text_or_null(session, "initiator");
    ret->told = text_or_null(session, "told");
    ret->target = text_or_null(session, "target");
    ret->way_there = text_or_null(session, "way_there");
    ret->way_back = text_or_null(session, "way_back");
    return json_unpack(session, "{s:I, s:s, s:s, s:F, s:I, s:I, s:I}", "number", &ret->number,
                       "route", &ret->route, "state", &ret->state, "age", &ret->age, "bytes_there",
                       &ret->there, "bytes_back", &ret->back, "worker", &ret->worker) == 0;
}

/* false: out of memory. */
static bool add(FILE *stream, const char *key, const char *value, bool *any)
{
    if (!value)
        return true;
    char *encoded = malloc(ADMIN_URI_ENCODED_BYTES(strlen(value)));
    if (!encoded)
        return false;
    admin_uri_encode(value, encoded);
    fprintf(stream, "%c%s=%s", *any ? '&' : '?', key, encoded);
    *any = true;
    free(encoded);
    return true;
}

char *session_filter_path(const char *path, const char *route, const char *guest, const char *limit)
{
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);
    bool any = false;

    if (!stream)
        return NULL;
    fputs(path, stream);
    bool whole = add(stream, "route", route, &any) && add(stream, "guest", guest, &any) &&
                 add(stream, "limit", limit, &any);
    if (fclose(stream) == 0 && whole)
        return text;
    free(text);
    return NULL;
}

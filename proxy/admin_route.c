/* The admin socket's table of routes. */
#include "proxy/admin_route.h"

#include "proxy/admin_uri.h"

#include <assert.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SENTENCE_BYTES 2048
/* Of what somebody sent, in a sentence. */
#define QUOTED_MAX   200
#define SEGMENTS_MAX 8

/* Most names and addresses are. */
static bool is_plain(const char *text)
{
    while (*text >= ' ' && *text < 0x7f && *text != '"' && *text != '\\')
        text++;
    return !*text;
}

void admin_print_string(FILE *stream, const char *text)
{
    if (is_plain(text)) {
        fprintf(stream, "\"%s\"", text);
        return;
    }
    json_t *string = json_string(text);

    if (!string) {
        char *ascii = strdup(text);
        for (char *byte = ascii; byte && *byte; byte++)
            if (*byte & 0x80)
                *byte = '?';
        string = ascii ? json_string(ascii) : NULL;
        free(ascii);
    }
    if (!string || json_dumpf(string, stream, JSON_ENCODE_ANY) < 0)
        fputs("\"\"", stream);
    json_decref(string);
}

int admin_refuse_text(struct admin_request *request, int status, const char *text)
{
    rewind(request->answer);
    fputs("{\"error\": ", request->answer);
    admin_print_string(request->answer, text);
    fputs("}\n", request->answer);
    request->content_type = "application/json";
    return status;
}

int admin_refuse(struct admin_request *request, int status, const char *format, ...)
{
    char sentence[SENTENCE_BYTES];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    return admin_refuse_text(request, status, sentence);
}

const char *admin_request_parameter(const struct admin_request *request, const char *key)
{
    for (const struct admin_parameter *parameter = request->parameters; parameter->key; parameter++)
        if (strcmp(parameter->key, key) == 0)
            return parameter->value;
    return NULL;
}

/* What stands between the slashes of a path, decoded. */
struct segments {
    char *at[SEGMENTS_MAX];
    size_t count; /* SEGMENTS_MAX + 1: more than that, and not kept */
};

/* Cuts `path` up. False: a segment is not encoded as it should be. */
static bool split_path(char *path, struct segments *ret)
{
    char *rest = *path == '/' ? path + 1 : NULL;

    ret->count = 0;
    for (char *segment; (segment = strsep(&rest, "/"));) {
        if (ret->count == SEGMENTS_MAX) {
            ret->count++;
            return true;
        }
        if (!admin_uri_decode(segment))
            return false;
        ret->at[ret->count++] = segment;
    }
    return true;
}

/* Cuts `query` up, KEY=VALUE&KEY=VALUE. */
static bool split_query(char *query, struct admin_parameter *ret)
{
    size_t count = 0;

    for (char *part; (part = strsep(&query, "&"));) {
        char *value = strchr(part, '=');
        if (!*part)
            continue;
        if (count == ADMIN_PARAMETERS_MAX)
            return false;
        if (value)
            *value++ = '\0';
        if (!admin_uri_decode(part) || (value && !admin_uri_decode(value)))
            return false;
        ret[count++] = (struct admin_parameter){.key = part, .value = value ? value : ""};
    }
    return true;
}

static bool matches(const char *pattern, const struct segments *path,
                    const char *values[static ADMIN_VALUES_MAX])
{
    size_t count = 0;
    size_t i = 0;

    for (; *pattern == '/'; i++) {
        const char *segment = pattern + 1;
        size_t length = strcspn(segment, "/");
        pattern = segment + length;
        if (i >= path->count || path->count > SEGMENTS_MAX)
            return false;
        if (*segment == '{') {
            assert(count < ADMIN_VALUES_MAX);
            if (!*path->at[i])
                return false;
            values[count++] = path->at[i];
        } else if (strlen(path->at[i]) != length || memcmp(path->at[i], segment, length) != 0) {
            return false;
        }
    }
    return i == path->count;
}

static bool is_open(const struct admin_routes *routes, const struct admin_route *route)
{
    return !routes->read_only || strcmp(route->method, "GET") == 0;
}

static int refuse_path(const struct admin_routes *routes, struct admin_request *request)
{
    char known[SENTENCE_BYTES / 2] = "";
    size_t length = 0;

    for (size_t i = 0; i < routes->count && length < sizeof(known); i++) {
        if (!is_open(routes, &routes->at[i]))
            continue;
        length += (size_t)snprintf(known + length, sizeof(known) - length, "%s%s %s",
                                   length ? ", " : "", routes->at[i].method, routes->at[i].pattern);
    }
    return admin_refuse(request, 404, "there is no '%.*s' here; there are %s", QUOTED_MAX,
                        request->path, known);
}

static int refuse_parameter(const struct admin_route *route, const char *key,
                            struct admin_request *request)
{
    char known[SENTENCE_BYTES / 2] = "none";
    size_t length = 0;

    for (size_t i = 0; i < ADMIN_PARAMETERS_MAX && route->parameters[i] && length < sizeof(known);
         i++)
        length += (size_t)snprintf(known + length, sizeof(known) - length, "%s'%s'", i ? ", " : "",
                                   route->parameters[i]);
    return admin_refuse(request, 400, "'%.*s' is no parameter of %s %s; known here: %s", QUOTED_MAX,
                        key, route->method, route->pattern, known);
}

static bool is_known(const struct admin_route *route, const char *key)
{
    for (size_t i = 0; i < ADMIN_PARAMETERS_MAX && route->parameters[i]; i++)
        if (strcmp(route->parameters[i], key) == 0)
            return true;
    return false;
}

static int call(const struct admin_route *route, void *owner, struct admin_request *request)
{
    for (const struct admin_parameter *parameter = request->parameters; parameter->key; parameter++)
        if (!is_known(route, parameter->key))
            return refuse_parameter(route, parameter->key, request);
    return route->handle(owner, request);
}

static int choose(const struct admin_routes *routes, const struct segments *path,
                  struct admin_request *request)
{
    size_t length = 0;
    bool closed = false;

    for (size_t i = 0; i < routes->count; i++) {
        const struct admin_route *route = &routes->at[i];
        memset(request->values, 0, sizeof(request->values));
        if (!matches(route->pattern, path, request->values))
            continue;
        closed |= !is_open(routes, route);
        if (!is_open(routes, route))
            continue;
        if (strcmp(route->method, request->method) == 0)
            return call(route, routes->owner, request);
        if (length < sizeof(request->allow))
            length += (size_t)snprintf(request->allow + length, sizeof(request->allow) - length,
                                       "%s%s", length ? ", " : "", route->method);
    }
    if (length == 0 && closed)
        return admin_refuse(request, 403,
                            "'%.*s' changes what runs, and here it can only be looked at; ask the "
                            "admin socket",
                            QUOTED_MAX, request->path);
    if (length == 0)
        return refuse_path(routes, request);
    return admin_refuse(request, 405, "'%.*s' is not for %.*s; use %s", QUOTED_MAX, request->path,
                        QUOTED_MAX, request->method, request->allow);
}

int admin_routes_call(const struct admin_routes *routes, const char *uri,
                      struct admin_request *request)
{
    char *path = strdup(uri);  /* to be shown */
    char *parts = strdup(uri); /* to be cut up */
    struct segments segments;
    int status = 0;

    if (path && parts) {
        char *query = parts + strcspn(parts, "?");
        if (*query)
            *query++ = '\0';
        path[strcspn(path, "?")] = '\0';
        request->path = path;
        request->content_type = "application/json";
        request->allow[0] = '\0';
        memset(request->parameters, 0, sizeof(request->parameters));
        if (!split_path(parts, &segments))
            status = admin_refuse(request, 400, "'%.*s' is not percent-encoded as it should be",
                                  QUOTED_MAX, path);
        else if (!split_query(query, request->parameters))
            status = admin_refuse(request, 400,
                                  "the query is not KEY=VALUE&..., percent-encoded, of %d at most",
                                  ADMIN_PARAMETERS_MAX);
        else
            status = choose(routes, &segments, request);
    }
    free(path);
    free(parts);
    return status;
}

bool admin_routes_take_body(const struct admin_routes *routes, const char *method, const char *uri)
{
    const char *path = routes->body_path;

    return path && strcmp(method, "POST") == 0 && strlen(path) == strcspn(uri, "?") &&
           strncmp(uri, path, strlen(path)) == 0;
}

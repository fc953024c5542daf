/* vsluice status: what the routes of a running vsluice do. */
#include "proxy/admin_ask.h"
#include "proxy/command.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

struct row {
    const char *name;
    json_int_t sessions;
    json_int_t done;
    json_int_t failed;
    json_int_t there;
    json_int_t back;
    json_t *targets; /* NULL: it has one */
    int drained;
};

static bool row_read(json_t *route, struct row *ret)
{
    bool sound = json_unpack(route, "{s:s, s:I, s:I, s:I, s:I, s:I, s:o, s:b}", "name", &ret->name,
                             "sessions", &ret->sessions, "done", &ret->done, "failed", &ret->failed,
                             "bytes_there", &ret->there, "bytes_back", &ret->back, "targets",
                             &ret->targets, "drained", &ret->drained) == 0;

    if (sound && json_array_size(ret->targets) < 2)
        ret->targets = NULL;
    return sound;
}

struct target_row {
    const char *name;
    json_int_t sessions;
    json_int_t failed;
    int up;
};

static bool target_row_read(json_t *target, struct target_row *ret)
{
    return json_unpack(target, "{s:s, s:I, s:I, s:b}", "target", &ret->name, "sessions",
                       &ret->sessions, "failures", &ret->failed, "up", &ret->up) == 0;
}

/* Names of targets are set in. */
#define INDENT 2

static void widen(int *width, const char *name, int indent)
{
    if ((int)strlen(name) + indent > *width)
        *width = (int)strlen(name) + indent;
}

/* Of the first column; -1: a row is not understood. */
static int find_width(json_t *routes)
{
    int width = (int)strlen("ROUTE");
    struct row row;
    struct target_row target_row;
    json_t *route, *target;
    size_t i, j;

    json_array_foreach(routes, i, route)
    {
        if (!row_read(route, &row))
            return -1;
        widen(&width, row.name, 0);
        json_array_foreach(row.targets, j, target)
        {
            if (!target_row_read(target, &target_row))
                return -1;
            widen(&width, target_row.name, INDENT);
        }
    }
    return width;
}

static void target_rows_print(json_t *targets, int width)
{
    struct target_row row;
    json_t *target;
    size_t i;

    json_array_foreach(targets, i, target)
    {
        target_row_read(target, &row);
        printf("%*s%-*s  %8" JSON_INTEGER_FORMAT "  %10s  %8" JSON_INTEGER_FORMAT "%s\n", INDENT,
               "", width - INDENT, row.name, row.sessions, "", row.failed, row.up ? "" : "  down");
    }
}

static bool rows_print(json_t *routes)
{
    struct row row;
    json_t *route;
    size_t i;
    int width = find_width(routes);

    if (width < 0)
        return false;
    printf("%-*s  %8s  %10s  %8s  %16s  %16s\n", width, "ROUTE", "SESSIONS", "DONE", "FAILED",
           "BYTES THERE", "BYTES BACK");
    json_array_foreach(routes, i, route)
    {
        row_read(route, &row);
        printf("%-*s  %8" JSON_INTEGER_FORMAT "  %10" JSON_INTEGER_FORMAT "  %8" JSON_INTEGER_FORMAT
               "  %16" JSON_INTEGER_FORMAT "  %16" JSON_INTEGER_FORMAT "%s\n",
               width, row.name, row.sessions, row.done, row.failed, row.there, row.back,
               row.drained ? "  drained" : "");
        target_rows_print(row.targets, width);
    }
    return true;
}

static int status(const char *socket_path)
{
    const char *version;
    const char *engine;
    json_int_t workers;
    json_int_t sessions;
    json_t *routes;
    json_t *answer;

    int failed = admin_ask(socket_path, "GET", "/status", &answer);
    if (failed)
        return failed;
    bool sound =
        json_unpack(answer, "{s:s, s:s, s:I, s:I, s:o}", "version", &version, "engine", &engine,
                    "workers", &workers, "sessions", &sessions, "routes", &routes) == 0;
    if (sound) {
        printf("vsluice %s, %s, %" JSON_INTEGER_FORMAT " workers, %" JSON_INTEGER_FORMAT
               " sessions\n\n",
               version, engine, workers, sessions);
        sound = rows_print(routes);
    }
    json_decref(answer);
    return sound ? EX_OK : admin_ask_odd(socket_path);
}

int command_status(int argc, char **argv)
{
    return admin_ask_command(argc, argv, status);
}

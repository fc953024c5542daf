/* vsluice status: what the routes of a running vsluice do. */
#include "proxy/admin_ask.h"
#include "proxy/command.h"

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
    int drained;
};

static bool row_read(json_t *route, struct row *ret)
{
    return json_unpack(route, "{s:s, s:I, s:I, s:I, s:I, s:I, s:b}", "name", &ret->name, "sessions",
                       &ret->sessions, "done", &ret->done, "failed", &ret->failed, "bytes_there",
                       &ret->there, "bytes_back", &ret->back, "drained", &ret->drained) == 0;
}

static bool rows_print(json_t *routes)
{
    struct row row;
    json_t *route;
    size_t i;
    int width = (int)strlen("ROUTE");

    json_array_foreach(routes, i, route)
    {
        if (!row_read(route, &row))
            return false;
        if ((int)strlen(row.name) > width)
            width = (int)strlen(row.name);
    }
    printf("%-*s  %8s  %10s  %8s  %16s  %16s\n", width, "ROUTE", "SESSIONS", "DONE", "FAILED",
           "BYTES THERE", "BYTES BACK");
    json_array_foreach(routes, i, route)
    {
        row_read(route, &row);
        printf("%-*s  %8" JSON_INTEGER_FORMAT "  %10" JSON_INTEGER_FORMAT "  %8" JSON_INTEGER_FORMAT
               "  %16" JSON_INTEGER_FORMAT "  %16" JSON_INTEGER_FORMAT "%s\n",
               width, row.name, row.sessions, row.done, row.failed, row.there, row.back,
               row.drained ? "  drained" : "");
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

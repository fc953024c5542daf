/* vsluice drain: a route of a running vsluice stops listening, and its sessions go on. */
#include "proxy/admin_ask.h"
#include "proxy/admin_uri.h"
#include "proxy/command.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define POLL_US 100000

struct wish {
    const char *admin;
    const char *config_path;
    const char *route;
    const char *timeout;
    bool wait;
    bool undo;
};

/* NULL: out of memory. */
static char *drain_path(const struct wish *wish)
{
    const char *timeout = wish->timeout ? wish->timeout : "";
    char *route = malloc(ADMIN_URI_ENCODED_BYTES(strlen(wish->route)));
    char *time = malloc(ADMIN_URI_ENCODED_BYTES(strlen(timeout)));
    char *path = NULL;

    if (route && time) {
        admin_uri_encode(wish->route, route);
        admin_uri_encode(timeout, time);
        if (asprintf(&path, "/routes/%s/drain%s%s", route, wish->timeout ? "?timeout=" : "", time) <
            0)
            path = NULL;
    }
    free(route);
    free(time);
    return path;
}

static json_t *find_route(json_t *status, const char *name)
{
    json_t *route;
    size_t i;

    json_array_foreach(json_object_get(status, "routes"), i, route)
    {
        const char *its = json_string_value(json_object_get(route, "name"));
        if (its && strcmp(its, name) == 0)
            return route;
    }
    return NULL;
}

/* Until it has no session left, or is drained no longer. */
static int wait_drained(const struct wish *wish, const char *socket_path)
{
    for (;;) {
        json_t *answer;
        json_int_t sessions = 0;
        int drained = true;
        int status = admin_ask(socket_path, "GET", "/status", &answer);
        if (status)
            return status;
        json_t *route = find_route(answer, wish->route);
        bool sound = route && json_unpack(route, "{s:I, s:b}", "sessions", &sessions, "drained",
                                          &drained) == 0;
        json_decref(answer);
        if (!sound)
            return admin_ask_odd(socket_path);
        if (!drained) {
            fprintf(stderr, "vsluice: route %s is no longer drained\n", wish->route);
            return EX_UNAVAILABLE;
        }
        if (sessions == 0)
            break;
        usleep(POLL_US);
    }
    printf("route %s has no session left\n", wish->route);
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static int drain(const struct wish *wish, const char *socket_path)
{
    char *path = drain_path(wish);
    json_int_t sessions;
    json_t *answer;

    int status =
        path ? admin_ask(socket_path, wish->undo ? "DELETE" : "POST", path, &answer) : EX_OSERR;
    free(path);
    if (status)
        return status;
    bool sound = json_unpack(answer, "{s:I}", "sessions", &sessions) == 0;
    json_decref(answer);
    if (!sound)
        return admin_ask_odd(socket_path);
    printf("route %s is %s, %" JSON_INTEGER_FORMAT " session%s%s\n", wish->route,
           wish->undo ? "not drained" : "drained", sessions, sessions == 1 ? "" : "s",
           wish->undo ? "" : " left");
    if (fflush(stdout) != 0)
        return EX_IOERR;
    return wish->wait && !wish->undo ? wait_drained(wish, socket_path) : EX_OK;
}

static int usage(const char *what)
{
    fprintf(stderr, "vsluice drain: %s\n", what);
    return command_usage("drain");
}

static bool wish_read(int argc, char **argv, struct wish *ret)
{
    static const struct option options[] = {
        {"admin", required_argument, NULL, 'a'},   {"config", required_argument, NULL, 'c'},
        {"timeout", required_argument, NULL, 't'}, {"wait", no_argument, NULL, 'w'},
        {"undo", no_argument, NULL, 'u'},          {0},
    };
    int option;

    *ret = (struct wish){0};
    optind = 1;
    while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        switch (option) {
        case 'a': ret->admin = optarg; break;
        case 'c': ret->config_path = optarg; break;
        case 't': ret->timeout = optarg; break;
        case 'w': ret->wait = true; break;
        case 'u': ret->undo = true; break;
        default: return false;
        }
    }
    ret->route = argc == optind + 1 ? argv[optind] : NULL;
    return true;
}

int command_drain(int argc, char **argv)
{
    struct wish wish;
    char *socket_path;

    if (!wish_read(argc, argv, &wish))
        return command_usage("drain");
    if (!wish.route || !*wish.route)
        return usage("give the name of one ROUTE, as 'vsluice route list' shows it");
    if (wish.undo && (wish.timeout || wish.wait))
        return usage("--undo goes without --timeout and --wait");
    int status = admin_ask_socket("drain", wish.admin, wish.config_path, &socket_path);
    if (status == 0) {
        status = drain(&wish, socket_path);
        free(socket_path);
    }
    return status;
}

/* vsluice end: sessions of a running vsluice end. */
#include "proxy/admin_ask.h"
#include "proxy/command.h"
#include "proxy/session_row.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

struct wish {
    const char *admin;
    const char *config_path;
    const char *route;
    const char *guest;
    char **numbers;
    int count;
};

static int tell(const char *socket_path, json_t *answer)
{
    json_int_t ended;
    bool sound = json_unpack(answer, "{s:I}", "ended", &ended) == 0;

    json_decref(answer);
    if (!sound)
        return admin_ask_odd(socket_path);
    printf("%" JSON_INTEGER_FORMAT " session%s ended\n", ended, ended == 1 ? "" : "s");
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

/* The first failure, when all have been asked for. */
static int end_numbers(const char *socket_path, char **numbers, int count)
{
    json_int_t ended = 0;
    int status = 0;

    for (int i = 0; i < count; i++) {
        char path[64];
        json_t *answer;
        snprintf(path, sizeof(path), "/sessions/%s/end", numbers[i]);
        int failed = admin_ask(socket_path, "POST", path, &answer);
        status = status ? status : failed;
        if (failed)
            continue;
        ended++;
        json_decref(answer);
    }
    printf("%" JSON_INTEGER_FORMAT " session%s ended\n", ended, ended == 1 ? "" : "s");
    return status ? status : fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static int end(const struct wish *wish, const char *socket_path)
{
    json_t *answer;

    if (wish->count > 0)
        return end_numbers(socket_path, wish->numbers, wish->count);
    char *path = session_filter_path("/sessions/end", wish->route, wish->guest, NULL);
    int status = path ? admin_ask(socket_path, "POST", path, &answer) : EX_OSERR;
    free(path);
    return status ? status : tell(socket_path, answer);
}

static int usage(const char *what)
{
    fprintf(stderr, "vsluice end: %s\n", what);
    return command_usage("end");
}

static int check(const struct wish *wish)
{
    bool all = wish->route || wish->guest;

    if (all && wish->count > 0)
        return usage("give NUMBERs of sessions, or --route or --guest, not both");
    if (!all && wish->count == 0)
        return usage("give the NUMBER of a session, as 'vsluice sessions' shows it, --route or "
                     "--guest");
    for (int i = 0; i < wish->count; i++) {
        const char *number = wish->numbers[i];
        if (!*number || number[strspn(number, "0123456789")] || strlen(number) > 20)
            return usage("that is no NUMBER of a session; 'vsluice sessions' shows them");
    }
    return 0;
}

static bool wish_read(int argc, char **argv, struct wish *ret)
{
    static const struct option options[] = {
        {"admin", required_argument, NULL, 'a'},
        {"config", required_argument, NULL, 'c'},
        {"route", required_argument, NULL, 'r'},
        {"guest", required_argument, NULL, 'g'},
        {0},
    };
    int option;

    *ret = (struct wish){0};
    optind = 1;
    while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        switch (option) {
        case 'a': ret->admin = optarg; break;
        case 'c': ret->config_path = optarg; break;
        case 'r': ret->route = optarg; break;
        case 'g': ret->guest = optarg; break;
        default: return false;
        }
    }
    ret->numbers = argv + optind;
    ret->count = argc - optind;
    return true;
}

int command_end(int argc, char **argv)
{
    struct wish wish;
    char *socket_path;

    if (!wish_read(argc, argv, &wish))
        return command_usage("end");
    int status = check(&wish);
    if (status == 0)
        status = admin_ask_socket("end", wish.admin, wish.config_path, &socket_path);
    if (status == 0) {
        status = end(&wish, socket_path);
        free(socket_path);
    }
    return status;
}

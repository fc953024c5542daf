/* vsluice sessions: the sessions of a running vsluice. */
#include "proxy/admin_ask.h"
#include "proxy/admin_uri.h"
#include "proxy/columns.h"
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
    const char *limit;
    bool json;
};

static bool add_row(struct columns *columns, json_t *session)
{
    char texts[4][COLUMNS_NUMBER_BYTES];
    struct session_row row;

    if (!session_row_read(session, &row))
        return false;
    columns_add(columns, "%" JSON_INTEGER_FORMAT, row.number);
    columns_add(columns, "%s", row.route);
    columns_add(columns, "%s", row.state);
    columns_add(columns, "%s%s%s", row.told ? row.told : "", row.told ? " through " : "",
                row.initiator ? row.initiator : "unknown");
    columns_add(columns, "%s", row.target ? row.target : "-");
    columns_add(columns, "%s", columns_time(row.age, texts[0]));
    columns_add(columns, "%s", row.idle < 0 ? "-" : columns_time(row.idle, texts[1]));
    columns_add(columns, "%s", columns_bytes((double)row.there, texts[2]));
    columns_add(columns, "%s", columns_bytes((double)row.back, texts[3]));
    columns_add(columns, "%s", row.way_there ? row.way_there : "-");
    columns_add(columns, "%s", row.way_back ? row.way_back : "-");
    columns_add(columns, "%" JSON_INTEGER_FORMAT, row.worker);
    return true;
}

static bool print_table(json_t *answer)
{
    struct columns columns = {.heads = {"SESSION", "<ROUTE", "<STATE", "<INITIATOR", "<TARGET",
                                        "AGE", "IDLE", "THERE", "BACK", "<WAY", "<WAY BACK",
                                        "WORKER"}};
    json_t *sessions = json_object_get(answer, "sessions");
    json_int_t matching = json_integer_value(json_object_get(answer, "matching"));
    json_t *session;
    size_t i;
    bool sound = json_is_array(sessions);

    json_array_foreach(sessions, i, session)
    {
        sound = sound && add_row(&columns, session);
    }
    sound = sound && columns_print(&columns, &(struct columns_form){0}, stdout);
    columns_deinit(&columns);
    if (sound && (size_t)matching > json_array_size(sessions))
        fprintf(stderr, "the latest %zu of %" JSON_INTEGER_FORMAT "; --limit N shows more\n",
                json_array_size(sessions), matching);
    return sound;
}

static int show(const struct wish *wish, const char *socket_path)
{
    json_t *answer;
    char *path = session_filter_path("/sessions", wish->route, wish->guest, wish->limit);
    int status = path ? admin_ask(socket_path, "GET", path, &answer) : EX_OSERR;

    free(path);
    if (status)
        return status;
    bool sound = true;
    if (wish->json) {
        json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
        putchar('\n');
    } else {
        sound = print_table(answer);
    }
    json_decref(answer);
    if (!sound)
        return admin_ask_odd(socket_path);
    return fflush(stdout) == 0 ? EX_OK : EX_IOERR;
}

static bool wish_read(int argc, char **argv, struct wish *ret)
{
    static const struct option options[] = {
        {"admin", required_argument, NULL, 'a'},
        {"config", required_argument, NULL, 'c'},
        {"route", required_argument, NULL, 'r'},
        {"guest", required_argument, NULL, 'g'},
        {"limit", required_argument, NULL, 'l'},
        {"json", no_argument, NULL, 'j'},
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
        case 'l': ret->limit = optarg; break;
        case 'j': ret->json = true; break;
        default: return false;
        }
    }
    return argc == optind;
}

int command_sessions(int argc, char **argv)
{
    struct wish wish;
    char *socket_path;

    if (!wish_read(argc, argv, &wish))
        return command_usage("sessions");
    int status = admin_ask_socket("sessions", wish.admin, wish.config_path, &socket_path);
    if (status == 0) {
        status = show(&wish, socket_path);
        free(socket_path);
    }
    return status;
}

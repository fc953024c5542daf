/* vsluice reload: a running vsluice reads its configuration anew. */
#include "proxy/admin_ask.h"
#include "proxy/command.h"

#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

static int reload(const char *socket_path)
{
    json_t *answer;
    int status = admin_ask(socket_path, "POST", "/reload", &answer);

    if (status)
        return status;
    json_decref(answer);
    puts("reloaded");
    return EX_OK;
}

int command_reload(int argc, char **argv)
{
    static const struct option options[] = {
        {"admin", required_argument, NULL, 'a'},
        {"config", required_argument, NULL, 'c'},
        {0},
    };
    const char *socket_path = NULL;
    const char *path = NULL;
    struct config *config = NULL;
    int status = 0;
    int option;

    optind = 1;
    while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (option == 'a')
            socket_path = optarg;
        else if (option == 'c')
            path = optarg;
        else
            return command_usage(argv[0]);
    }
    if (argc > optind || (socket_path && path)) {
        fputs("vsluice reload: give -c FILE or --admin PATH, and nothing else\n", stderr);
        return command_usage(argv[0]);
    }
    if (!socket_path) {
        status = admin_ask_find(path, &config);
        if (status)
            return status;
        socket_path = config->admin_path;
    }
    status = reload(socket_path);
    config_free(config);
    return status;
}

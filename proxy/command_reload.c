/* vsluice reload: a running vsluice reads its configuration anew. */
#include "proxy/admin_ask.h"
#include "proxy/command.h"

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
    return admin_ask_command(argc, argv, reload);
}

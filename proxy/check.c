/* vsluice check: the routing table, or every mistake. */
#include "proxy/command.h"
#include "proxy/command_config.h"

#include <stdio.h>
#include <sysexits.h>

int command_check(int argc, char **argv)
{
    struct config *config;
    int status = command_config_read(argc, argv, &config);
    if (status)
        return status;
    status = config_print(config, stdout) < 0 || fflush(stdout) != 0 ? EX_IOERR : EX_OK;
    config_free(config);
    return status;
}

/* The subcommands of vsluice-load: arguments from their own name on, an exit status of sysexits.h.
 */
#pragma once

int serve_command(int argc, char **argv);
int run_command(int argc, char **argv);

/* EX_USAGE, and where the help is. */
int command_usage(const char *command);

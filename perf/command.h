/* The subcommands of vsluice-load: arguments from their own name on ("vsluice-load run"), an exit
 * status of sysexits.h. */
#pragma once

int serve_command(int argc, char **argv);
int run_command(int argc, char **argv);

/* EX_USAGE, and where the help is. */
int command_usage(const char *command);

/* Tells what came of it that a ring could not be made, or broke: negative errno. */
void command_ring_error(const char *what, int error);

/* The subcommands of vsluice. Each takes the arguments from its own name on, prints for people, and
 * returns an exit status of sysexits.h. */
#pragma once

int command_run(int argc, char **argv);
int command_check(int argc, char **argv);
int command_connect(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_drain(int argc, char **argv);
int command_end(int argc, char **argv);
int command_guest(int argc, char **argv);
int command_reload(int argc, char **argv);
int command_route(int argc, char **argv);
int command_sessions(int argc, char **argv);
int command_status(int argc, char **argv);
int command_top(int argc, char **argv);

/* Points at the help; returns EX_USAGE. */
int command_usage(const char *command);

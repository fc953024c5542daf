/* Reading the configuration for a command: options, files, routes of the command line, and the
 * report of every mistake. */
#pragma once

#include "config/config.h"

/* Of `NAME [-c FILE] [LISTEN=TARGET ...]`. 0: *ret is the caller's, free of mistakes and with at
 * least one route; else all mistakes have been printed, and it is the exit status. */
int command_config_read(int argc, char **argv, struct config **ret);

/* Reads the sources; 0, or prints every mistake and returns `status`. */
int command_config_load(const struct config_sources *sources, int status, struct config **ret);

/* Reads once more what command_config_read() has read, with the texts of `more`, and as its `again`
 * has read it. 0: *ret is the caller's; else every mistake is in `problems`. */
int command_config_reread(int argc, char **argv, const struct config_sources *more,
                          struct problems *problems, struct config **ret);

/* What commands ask a running vsluice by its admin socket, and how they tell of failures. */
#pragma once

#include "proxy/admin_client.h"

#include <jansson.h>

/* 0: *ret, the answer, is the caller's; else it was told, and this is the exit status. */
int admin_ask(const char *socket_path, const char *method, const char *path, json_t **ret);

/* The same with a body. */
int admin_ask_with(const char *socket_path, const char *method, const char *path, const char *body,
                   json_t **ret);

/* The same where it is told to nobody but the caller: the exit status, and a sentence. */
#define ADMIN_ASK_ERROR_BYTES 65536
int admin_ask_quietly(const struct admin_call *call, json_t **ret,
                      char error[static ADMIN_ASK_ERROR_BYTES]);

/* What a command gave: `--admin PATH`, or the FILE of `-c FILE`, or neither (NULL, both). 0: *ret
 * is the path of the admin socket, to free; else it was told, and this is the exit status. */
int admin_ask_socket(const char *command, const char *admin, const char *config_path, char **ret);

/* The answer is none that is understood: tells it, and returns the exit status. */
int admin_ask_odd(const char *socket_path);

/* A command that has no words of its own, `NAME [-c FILE | --admin PATH]`: calls `run` with the
 * path of the admin socket. Returns the exit status. */
int admin_ask_command(int argc, char **argv, int (*run)(const char *socket_path));

/* A call, and what is said where it fails. */
#include "proxy/admin_ask.h"

#include "proxy/command.h"
#include "proxy/command_config.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static int status_of_error(int error)
{
    switch (-error) {
    case EACCES:
    case EPERM: return EX_NOPERM;
    case ENOMEM: return EX_OSERR;
    case ENAMETOOLONG: return EX_USAGE;
    default: return EX_UNAVAILABLE;
    }
}

static int say_odd(const char *socket_path, char error[static ADMIN_ASK_ERROR_BYTES])
{
    snprintf(error, ADMIN_ASK_ERROR_BYTES,
             "%s: the answer is not understood; is the running vsluice of this version?",
             socket_path);
    return EX_UNAVAILABLE;
}

int admin_ask_odd(const char *socket_path)
{
    char error[ADMIN_ASK_ERROR_BYTES];
    int status = say_odd(socket_path, error);

    fprintf(stderr, "vsluice: %s\n", error);
    return status;
}

/* What listens there may be another program, and this is shown on a terminal. */
static void clean(char *text)
{
    for (; *text; text++)
        if (iscntrl((unsigned char)*text) && *text != '\n')
            *text = '?';
}

/* The server's own sentence, where it has one. */
static int say_refusal(const char *socket_path, const struct admin_answer *answer,
                       char error[static ADMIN_ASK_ERROR_BYTES])
{
    json_t *body = json_loadb(answer->body, answer->bytes, 0, NULL);
    const char *sentence = json_string_value(json_object_get(body, "error"));

    if (sentence)
        snprintf(error, ADMIN_ASK_ERROR_BYTES, "%s", sentence);
    else
        snprintf(error, ADMIN_ASK_ERROR_BYTES, "%s: refused with status %ld", socket_path,
                 answer->status);
    json_decref(body);
    clean(error);
    return answer->status == 400 ? EX_USAGE : EX_UNAVAILABLE;
}

int admin_ask_quietly(const struct admin_call *call, json_t **ret,
                      char error[static ADMIN_ASK_ERROR_BYTES])
{
    struct admin_answer answer;
    int status = 0;

    int failed = admin_call(call, &answer, error);
    if (failed)
        return status_of_error(failed);
    if (answer.status != 200) {
        status = say_refusal(call->socket_path, &answer, error);
    } else {
        *ret = json_loadb(answer.body, answer.bytes, 0, NULL);
        status = *ret ? 0 : say_odd(call->socket_path, error);
    }
    admin_answer_deinit(&answer);
    return status;
}

int admin_ask_with(const char *socket_path, const char *method, const char *path, const char *body,
                   json_t **ret)
{
    struct admin_call call = {
        .socket_path = socket_path, .method = method, .path = path, .body = body};
    char *error = malloc(ADMIN_ASK_ERROR_BYTES);

    if (!error) {
        fputs("vsluice: out of memory\n", stderr);
        return EX_OSERR;
    }
    int status = admin_ask_quietly(&call, ret, error);
    if (status)
        fprintf(stderr, "vsluice: %s\n", error);
    free(error);
    return status;
}

int admin_ask(const char *socket_path, const char *method, const char *path, json_t **ret)
{
    return admin_ask_with(socket_path, method, path, NULL, ret);
}

/* What the configuration says, whatever else is wrong in it; NULL: nothing. */
static char *find_named(const struct config_sources *sources)
{
    struct problems problems;

    problems_init(&problems);
    struct config *config = config_read(sources, &problems);
    char *path = config && config->admin_path ? strdup(config->admin_path) : NULL;
    problems_deinit(&problems);
    config_free(config);
    return path;
}

/* Of the configuration. */
static int find(const char *config_path, char **ret)
{
    struct config_sources sources = {.path = config_path ? config_path : CONFIG_PATH_DEFAULT};
    struct config *config;

    *ret = find_named(&sources);
    if (*ret)
        return 0;
    int status = command_config_load(&sources, EX_CONFIG, &config);
    if (status)
        return status;
    fprintf(stderr,
            "vsluice: %s has no 'admin-socket' in [global]: add one and restart vsluice, or give "
            "--admin PATH\n",
            sources.path);
    config_free(config);
    return EX_CONFIG;
}

int admin_ask_socket(const char *command, const char *admin, const char *config_path, char **ret)
{
    if (admin && config_path) {
        fprintf(stderr, "vsluice %s: give -c FILE or --admin PATH, not both\n", command);
        return command_usage(command);
    }
    if (!admin)
        return find(config_path, ret);
    *ret = strdup(admin);
    return *ret ? 0 : EX_OSERR;
}

int admin_ask_command(int argc, char **argv, int (*run)(const char *socket_path))
{
    static const struct option options[] = {
        {"admin", required_argument, NULL, 'a'},
        {"config", required_argument, NULL, 'c'},
        {0},
    };
    const char *admin = NULL;
    const char *config_path = NULL;
    char *socket_path;
    int option;

    optind = 1;
    while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (option == 'a')
            admin = optarg;
        else if (option == 'c')
            config_path = optarg;
        else
            return command_usage(argv[0]);
    }
    if (argc > optind) {
        fprintf(stderr, "vsluice %s: give -c FILE or --admin PATH, and nothing else\n", argv[0]);
        return command_usage(argv[0]);
    }
    int status = admin_ask_socket(argv[0], admin, config_path, &socket_path);
    if (status == 0) {
        status = run(socket_path);
        free(socket_path);
    }
    return status;
}

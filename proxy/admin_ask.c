/* A call, and what is said where it fails. */
#include "proxy/admin_ask.h"

#include "proxy/admin_client.h"
#include "proxy/command.h"
#include "proxy/command_config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
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

int admin_ask_odd(const char *socket_path)
{
    fprintf(stderr,
            "vsluice: %s: the answer is not understood; is the running vsluice of this version?\n",
            socket_path);
    return EX_UNAVAILABLE;
}

/* The server's own sentence, where it has one. */
static int report_refusal(const char *socket_path, const struct admin_answer *answer)
{
    json_t *body = json_loadb(answer->body, answer->bytes, 0, NULL);
    const char *sentence = json_string_value(json_object_get(body, "error"));

    if (sentence)
        fprintf(stderr, "vsluice: %s\n", sentence);
    else
        fprintf(stderr, "vsluice: %s: refused with status %ld\n", socket_path, answer->status);
    json_decref(body);
    return EX_UNAVAILABLE;
}

int admin_ask(const char *socket_path, const char *method, const char *path, json_t **ret)
{
    struct admin_call call = {.socket_path = socket_path, .method = method, .path = path};
    struct admin_answer answer;
    char error[ADMIN_CLIENT_ERROR_BYTES];
    int status = 0;

    int failed = admin_call(&call, &answer, error);
    if (failed) {
        fprintf(stderr, "vsluice: %s\n", error);
        return status_of_error(failed);
    }
    if (answer.status != 200) {
        status = report_refusal(socket_path, &answer);
    } else {
        *ret = json_loadb(answer.body, answer.bytes, 0, NULL);
        status = *ret ? 0 : admin_ask_odd(socket_path);
    }
    admin_answer_deinit(&answer);
    return status;
}

int admin_ask_find(const char *path, struct config **ret)
{
    struct config_sources sources = {.path = path ? path : CONFIG_PATH_DEFAULT};
    struct config *config;

    int status = command_config_load(&sources, EX_CONFIG, &config);
    if (status)
        return status;
    if (!config->admin_path) {
        fprintf(stderr,
                "vsluice: %s has no 'admin-socket' in [global]: add one and restart vsluice, or "
                "give --admin PATH\n",
                sources.path);
        config_free(config);
        return EX_CONFIG;
    }
    *ret = config;
    return 0;
}

int admin_ask_command(int argc, char **argv, int (*run)(const char *socket_path))
{
    static const struct option options[] = {
        {"admin", required_argument, NULL, 'a'},
        {"config", required_argument, NULL, 'c'},
        {0},
    };
    const char *socket_path = NULL;
    const char *path = NULL;
    struct config *config = NULL;
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
        fprintf(stderr, "vsluice %s: give -c FILE or --admin PATH, and nothing else\n", argv[0]);
        return command_usage(argv[0]);
    }
    int status = socket_path ? 0 : admin_ask_find(path, &config);
    if (status == 0)
        status = run(socket_path ? socket_path : config->admin_path);
    config_free(config);
    return status;
}

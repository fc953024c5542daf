/* The configuration of a command. */
#include "proxy/command_config.h"

#include "proxy/command.h"

#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>

int command_config_load(const struct config_sources *sources, int status, struct config **ret)
{
    struct problems problems;

    problems_init(&problems);
    struct config *config = config_read(sources, &problems);
    if (!config) {
        fputs("vsluice: out of memory\n", stderr);
        problems_deinit(&problems);
        return EX_OSERR;
    }
    bool sound = problems.count == 0;
    for (const struct problem *problem = problems.first; problem; problem = problem->next)
        fprintf(stderr, "%s\n", problem->text);
    if (!sound)
        fprintf(stderr, "vsluice: %zu mistake%s; nothing was started\n", problems.count,
                problems.count == 1 ? "" : "s");
    problems_deinit(&problems);
    if (!sound) {
        config_free(config);
        return status;
    }
    *ret = config;
    return 0;
}

int command_config_read(int argc, char **argv, struct config **ret)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {0},
    };
    struct config_sources sources = {0};
    int option;

    optind = 1;
    while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (option != 'c')
            return command_usage(argv[0]);
        sources.path = optarg;
    }
    sources.routes = (const char *const *)argv + optind;
    sources.route_count = (size_t)(argc - optind);
    if (!sources.path && sources.route_count == 0)
        sources.path = CONFIG_PATH_DEFAULT;

    struct config *config;
    int status = command_config_load(&sources, sources.path ? EX_CONFIG : EX_USAGE, &config);
    if (status)
        return status;
    if (config->route_count + config->template_count == 0) {
        fprintf(stderr, "vsluice: %s has no [route NAME] section, and no route was given\n",
                sources.path);
        config_free(config);
        return EX_CONFIG;
    }
    *ret = config;
    return 0;
}

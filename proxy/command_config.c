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

static int sources_find(int argc, char **argv, struct config_sources *ret)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {0},
    };
    int option;

    *ret = (struct config_sources){0};
    optind = 1;
    while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (option != 'c')
            return command_usage(argv[0]);
        ret->path = optarg;
    }
    ret->routes = (const char *const *)argv + optind;
    ret->route_count = (size_t)(argc - optind);
    if (!ret->path && ret->route_count == 0)
        ret->path = CONFIG_PATH_DEFAULT;
    return 0;
}

static bool has_route(const struct config *config)
{
    return config->route_count + config->template_count > 0;
}

int command_config_read(int argc, char **argv, struct config **ret)
{
    struct config_sources sources;
    struct config *config;

    int status = sources_find(argc, argv, &sources);
    if (status == 0)
        status = command_config_load(&sources, sources.path ? EX_CONFIG : EX_USAGE, &config);
    if (status)
        return status;
    if (!has_route(config)) {
        fprintf(stderr, "vsluice: %s has no [route NAME] section, and no route was given\n",
                sources.path);
        config_free(config);
        return EX_CONFIG;
    }
    *ret = config;
    return 0;
}

int command_config_reread(int argc, char **argv, const struct config_sources *more,
                          struct problems *problems, struct config **ret)
{
    struct config_sources sources;

    int status = sources_find(argc, argv, &sources);
    sources.texts = more->texts;
    sources.text_count = more->text_count;
    sources.again = more->again;
    struct config *config = status == 0 ? config_read(&sources, problems) : NULL;
    if (!config)
        problems_add(problems, NULL, 0, "out of memory");
    else if (problems->count == 0 && !has_route(config))
        problems_add(problems, sources.path, 0, "has no [route NAME] section");
    if (problems->count > 0) {
        config_free(config);
        return EX_CONFIG;
    }
    *ret = config;
    return 0;
}

/* The configuration, read anew and applied. */
#include "proxy/service.h"

#include "proxy/command_config.h"
#include "proxy/log.h"
#include "ring/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool same_text(const char *one, const char *other)
{
    return one && other ? strcmp(one, other) == 0 : one == other;
}

static bool same_endpoint(const struct endpoint *one, const struct endpoint *other)
{
    return one && other ? endpoint_equal(one, other) : one == other;
}

/* What only a new start can change. */
static void tell_unchanged(const struct config *old, const struct config *new)
{
    const struct {
        const char *key;
        bool same;
    } keys[] = {
        {"workers", old->workers == new->workers},
        {"max-sessions", old->sessions_max == new->sessions_max},
        {"admin-socket", same_text(old->admin_path, new->admin_path)},
        {"admin-listen", same_endpoint(old->admin_listen, new->admin_listen)},
        {"user", old->user_uid == new->user_uid && old->user_gid == new->user_gid},
        {"sandbox", old->sandbox == new->sandbox},
    };

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (!keys[i].same)
            log_line("reload: '%s' of [global] holds from the next start on", keys[i].key);
}

/* The guests of [guest *], as the new configuration has them. */
static void reload_guests(struct service *service)
{
    struct config *config = service->config;
    int error = 0;

    if (service->guest_routes && guest_routes_go_on(service->guest_routes, config)) {
        guest_routes_update(service->guest_routes, config, &service->entrances);
        return;
    }
    guest_routes_free(service->guest_routes);
    service->guest_routes = NULL;
    if (config->template_count > 0 && config->guest_each)
        error = guest_routes_new(&service->guest_routes, config, &service->uses, service->workers);
    if (error < 0)
        log_warning("vsluice: no guests of [guest *]: %s", strerror(-error));
    if (service->guest_routes)
        guest_routes_look(service->guest_routes);
}

static const char nothing_changed[] =
    "an address cannot be had, as the log says; nothing has changed";
static const char less_listens[] =
    "an address cannot be had, nor can again what made way for it, as the log says; nothing else "
    "has changed";

/* All of it or nothing. Takes the config. NULL, or what is wrong. */
const char *service_apply(struct service *service, struct config *config)
{
    struct config *old = service->config;
    size_t count = service->entrances.count;

    if (service->guest_routes)
        guest_routes_yield(service->guest_routes, config, &service->entrances);
    int status =
        entrances_update(&service->entrances, config, &service->uses, service->workers, false);
    if (status) {
        if (service->guest_routes)
            guest_routes_update(service->guest_routes, old, &service->entrances);
        config_free(config);
        return service->entrances.count < count ? less_listens : nothing_changed;
    }
    tell_unchanged(old, config);
    workers_await_closed(service->workers);
    service->config = config;
    reload_guests(service);
    config_free(old);
    workers_await_closed(service->workers);
    return NULL;
}

int service_read(const struct service *service, bool again, const struct config_text *more,
                 struct problems *problems, struct config **ret)
{
    struct config_text *texts = added_routes_texts(&service->added);
    struct config_sources sources = {
        .texts = texts,
        .text_count = service->added.count,
        .again = again ? service->config : NULL,
    };

    if (!texts) {
        problems_add(problems, NULL, 0, "out of memory");
        return -ENOMEM;
    }
    if (more)
        texts[sources.text_count++] = *more;
    int status = command_config_reread(service->argc, service->argv, &sources, problems, ret);
    free(texts);
    return status;
}

/* The remedy, where what is wrong was added at run time. */
static void tell_added(struct problems *problems)
{
    static const char place[] = ADDED_ROUTES_PLACE ":";
    const struct problem *problem = problems->first;

    while (problem && (!problem->file || strncmp(problem->file, place, strlen(place)) != 0))
        problem = problem->next;
    if (problem)
        problems_add(problems, NULL, 0,
                     "%sNAME is a route that was added at run time; 'vsluice route remove NAME' "
                     "takes it back",
                     place);
}

void service_tell_address(const struct service *service, struct problems *problems)
{
    if (*service->entrances.error)
        problems_add(problems, NULL, 0, "%s", service->entrances.error);
}

bool service_reload(struct service *service, char **ret_mistakes)
{
    struct problems problems;
    struct config *config;

    problems_init(&problems);
    notify_reloading(&service->notify, clock_ns());
    int status = service_read(service, false, NULL, &problems, &config);
    tell_added(&problems);
    const char *refusal = status == 0 ? service_apply(service, config) : NULL;
    if (refusal)
        problems_add(&problems, NULL, 0, "%s", refusal);
    for (const struct problem *problem = problems.first; problem; problem = problem->next)
        log_error("reload: %s", problem->text);
    bool refused = problems.count > 0;
    if (refused) {
        log_event(&(struct log_event){.priority = LOG_ERR, .id = LOG_ID_REFUSED},
                  "reload: %zu mistake%s; all%s goes on as before", problems.count,
                  problems.count == 1 ? "" : "s", refusal == less_listens ? " else" : "");
        if (refusal)
            service_tell_address(service, &problems);
        *ret_mistakes = problems_text(&problems);
    } else {
        log_configure(service->config);
        log_event(&(struct log_event){.priority = LOG_INFO, .id = LOG_ID_RELOADED}, "reloaded");
    }
    service->reload_refused = refused;
    notify_ready(&service->notify);
    problems_deinit(&problems);
    return !refused;
}

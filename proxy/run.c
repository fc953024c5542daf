/* vsluice run: binds every route, says so, and relays until told to stop. */
#include "proxy/bind.h"
#include "proxy/command.h"
#include "proxy/command_config.h"
#include "proxy/descriptors.h"
#include "proxy/log.h"
#include "proxy/refusal.h"
#include "proxy/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sysexits.h>

/* One bound socket of a route, until a worker takes it over. */
struct opening {
    const struct route *route;
    const struct route_listen *listen;
    struct bound bound;
};

struct openings {
    struct opening *at;
    size_t count;
};

static void openings_close(struct openings *openings)
{
    for (size_t i = 0; i < openings->count; i++)
        bound_close(&openings->at[i].bound);
    free(openings->at);
}

static int status_of_error(int error)
{
    switch (-error) {
    case EACCES:
    case EPERM: return EX_NOPERM;
    case EADDRINUSE:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case EBADF:
    case EEXIST:
    case ENOENT: return EX_UNAVAILABLE;
    default: return EX_OSERR;
    }
}

/* Says each address that cannot be had; the exit status is the first one's. */
static int open_route(struct openings *openings, const struct route *route)
{
    int status = 0;

    for (size_t i = 0; i < route->listen_count; i++) {
        struct bound bound[BOUND_MAX];
        char error[BIND_ERROR_BYTES];
        const struct route_listen *listen = &route->listens[i];

        int count = bind_route_listen(route, &listen->resolved, bound, error);
        if (count < 0) {
            log_line("vsluice: route %s: %s", route->name, error);
            status = status ? status : status_of_error(count);
        }
        for (int b = 0; b < count; b++)
            openings->at[openings->count++] =
                (struct opening){.route = route, .listen = listen, .bound = bound[b]};
    }
    return status;
}

static int open_routes(struct openings *openings, const struct config *config)
{
    size_t max = 0;
    int status = 0;

    for (size_t i = 0; i < config->route_count; i++)
        max += config->routes[i].listen_count * BOUND_MAX;
    *openings = (struct openings){.at = calloc(max, sizeof(*openings->at))};
    if (!openings->at)
        return EX_OSERR;
    for (size_t i = 0; i < config->route_count; i++) {
        int failed = open_route(openings, &config->routes[i]);
        status = status ? status : failed;
    }
    return status;
}

static int prepare(struct worker *worker, const struct config *config,
                   const struct openings *openings, int signals)
{
    size_t sessions_max = descriptors_sessions_max(openings->count, config->sessions_max);
    if (sessions_max == 0) {
        log_line("vsluice: the limit of open files leaves room for no session: raise LimitNOFILE "
                 "or 'ulimit -n'");
        return EX_OSERR;
    }
    size_t buffers_max = 2 * sessions_max + RING_BUFFERS_IDLE;
    struct ring_options ring_options = {
        .buffers_max =
            buffers_max < RING_BUFFERS_LIMIT ? (unsigned)buffers_max : RING_BUFFERS_LIMIT,
    };
    struct worker_options options = {
        .sessions_max = sessions_max,
        .listener_max = openings->count,
        .drain_timeout_ns = config->drain_timeout_ns,
        .signals = signals,
    };
    int error = ring_new(&options.ring, &ring_options);
    if (error < 0) {
        fputs("vsluice: ", stderr);
        refusal_explain(error, stderr);
        return EX_UNAVAILABLE;
    }
    error = worker_init(worker, &options);
    if (error < 0) {
        log_line("vsluice: cannot start: %s", strerror(-error));
        return EX_OSERR;
    }
    return 0;
}

static void announce(const struct opening *opening)
{
    char target[ENDPOINT_TEXT_BYTES];

    endpoint_format(&opening->route->target, target);
    log_line("listening on %s -> %s (route %s)", opening->bound.text, target, opening->route->name);
}

static int relay(const struct config *config, struct openings *openings, int signals)
{
    struct worker worker;
    int status = prepare(&worker, config, openings, signals);
    if (status) {
        openings_close(openings);
        return status;
    }
    for (size_t i = 0; i < openings->count; i++) {
        const struct opening *opening = &openings->at[i];
        announce(opening);
        worker_listen(&worker, opening->route, opening->listen->peer_cid, &opening->bound);
    }
    free(openings->at);
    log_line("ready");
    int error = worker_run(&worker);
    if (error < 0) {
        log_line("vsluice: the ring failed: %s", strerror(-error));
        return EX_OSERR;
    }
    worker_deinit(&worker);
    log_line("stopped");
    return EX_OK;
}

/* SIGTERM and SIGINT, to be read from a descriptor; threads that start later block them too. */
static int take_signals(void)
{
    sigset_t stop;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    return signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK);
}

int command_run(int argc, char **argv)
{
    struct config *config;
    struct openings openings;
    int status = command_config_read(argc, argv, &config);
    if (status)
        return status;

    descriptors_raise_limit();
    int signals = take_signals();
    if (signals < 0) {
        log_line("vsluice: signalfd: %s", strerror(errno));
        config_free(config);
        return EX_OSERR;
    }
    status = open_routes(&openings, config);
    if (status)
        openings_close(&openings);
    else
        status = relay(config, &openings, signals);
    config_free(config);
    return status;
}

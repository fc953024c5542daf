/* vsluice run: binds every route, says so, and relays until told to stop. */
#include "proxy/bind.h"
#include "proxy/command.h"
#include "proxy/command_config.h"
#include "proxy/descriptors.h"
#include "proxy/log.h"
#include "proxy/refusal.h"
#include "proxy/workers.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

static void openings_close(struct openings *openings)
{
    for (size_t i = 0; i < openings->count; i++)
        bound_close(&openings->at[i].bound);
    free(openings->at);
    *openings = (struct openings){0};
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

static unsigned worker_count(const struct config *config)
{
    cpu_set_t cpus;

    if (config->workers)
        return config->workers;
    return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus) : 1;
}

static int prepare(struct workers **ret, const struct config *config,
                   const struct openings *openings)
{
    struct workers_options options = {.count = worker_count(config), .openings = openings};
    bool refused;

    descriptors_divide(openings->count, options.count, config->sessions_max, &options.descriptors);
    if (options.descriptors.sessions < options.count)
        options.count = (unsigned)options.descriptors.sessions;
    if (options.count == 0) {
        log_line("vsluice: the limit of open files leaves room for no session: raise LimitNOFILE "
                 "or 'ulimit -n'");
        return EX_OSERR;
    }
    int error = workers_start(ret, &options, &refused);
    if (error < 0 && !refused) {
        log_line("vsluice: cannot start: %s", strerror(-error));
        return EX_OSERR;
    }
    int refusal = error < 0 ? error : workers_engine_refusal(*ret);
    if (refusal < 0) {
        fputs("vsluice: ", stderr);
        refusal_explain(refusal, stderr);
    }
    if (error < 0)
        return error == -EBADRQC ? EX_CONFIG : EX_UNAVAILABLE;
    if (refusal < 0)
        log_line("vsluice: going on with %s, which takes more processor time",
                 workers_engine_name(*ret));
    return 0;
}

static void announce(const struct opening *opening)
{
    char target[ENDPOINT_TEXT_BYTES];

    endpoint_format(&opening->route->target, target);
    log_line("listening on %s -> %s (route %s)", opening->bound.text, target, opening->route->name);
}

/* How far stopping has come, and what makes it go on. */
struct stopping {
    enum mailbox_order order;
    uint64_t deadline_ns; /* of draining */
};

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void stop(struct stopping *stopping, struct workers *workers, struct openings *openings,
                 uint64_t drain_timeout_ns)
{
    char sessions[WORKERS_LOAD_BYTES];

    if (stopping->order == MAILBOX_ACCEPT) {
        stopping->deadline_ns = clock_ns() + drain_timeout_ns;
        stopping->order = MAILBOX_DRAIN;
        openings_close(openings);
        workers_drain(workers);
        log_line("stopping: no longer listening, %s may finish",
                 workers_load_format(workers, sessions));
    } else if (stopping->order == MAILBOX_DRAIN) {
        log_line("stopping at once: %s are ended", workers_load_format(workers, sessions));
        stopping->order = MAILBOX_END;
        workers_command(workers, stopping->order);
    }
}

static void drain_over(struct stopping *stopping, struct workers *workers)
{
    char sessions[WORKERS_LOAD_BYTES];

    log_line("stopping: drain-timeout is over, %s are ended",
             workers_load_format(workers, sessions));
    stopping->order = MAILBOX_END;
    workers_command(workers, stopping->order);
}

/* Until the next thing to do; -1: for as long as it takes. Rounded up. */
static int wait_ms(const struct stopping *stopping)
{
    uint64_t now_ns = clock_ns();

    if (stopping->order != MAILBOX_DRAIN)
        return -1;
    if (now_ns >= stopping->deadline_ns)
        return 0;
    uint64_t ms = (stopping->deadline_ns - now_ns + 999999) / 1000000;
    return ms < 3600000 ? (int)ms : 3600000;
}

/* Until all workers have ended, as they were told or because a ring broke. */
static int supervise(struct workers *workers, struct openings *openings, int signals,
                     uint64_t drain_timeout_ns)
{
    struct stopping stopping = {.order = MAILBOX_ACCEPT};
    struct signalfd_siginfo info;
    eventfd_t ends;
    int error;

    while (workers_running(workers, &error) > 0) {
        struct pollfd events[] = {{.fd = signals, .events = POLLIN},
                                  {.fd = workers_ended_event(workers), .events = POLLIN}};
        if (error && stopping.order == MAILBOX_ACCEPT)
            stop(&stopping, workers, openings, drain_timeout_ns);
        int ready = poll(events, 2, wait_ms(&stopping));
        if (events[1].revents)
            eventfd_read(events[1].fd, &ends);
        while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
            stop(&stopping, workers, openings, drain_timeout_ns);
        if (ready == 0 && stopping.order == MAILBOX_DRAIN && wait_ms(&stopping) == 0)
            drain_over(&stopping, workers);
    }
    return error;
}

static int relay(const struct config *config, struct openings *openings, int signals)
{
    struct workers *workers;
    int status = prepare(&workers, config, openings);
    if (status)
        return status;
    for (size_t i = 0; i < openings->count; i++)
        announce(&openings->at[i]);
    workers_command(workers, MAILBOX_ACCEPT);
    log_line("ready");
    int error = supervise(workers, openings, signals, config->drain_timeout_ns);
    struct sessions_totals totals;
    workers_free(workers, &totals);
    if (error < 0) {
        log_line("vsluice: the ring failed: %s", strerror(-error));
        return EX_OSERR;
    }
    log_line("stopped after %" PRIu64 " sessions, %" PRIu64
             " bytes; lanes changed their way %" PRIu64 " times",
             totals.sessions, totals.bytes, totals.ways);
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
    if (status == 0)
        status = relay(config, &openings, signals);
    openings_close(&openings);
    close(signals);
    config_free(config);
    return status;
}

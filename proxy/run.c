/* vsluice run: binds every route, says so, and relays until told to stop. */
#include "proxy/admin.h"
#include "proxy/command.h"
#include "proxy/command_config.h"
#include "proxy/descriptors.h"
#include "proxy/log.h"
#include "proxy/privilege.h"
#include "proxy/refusal.h"
#include "proxy/sandbox.h"
#include "proxy/service.h"
#include "proxy/service_orders.h"
#include "ring/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

static unsigned worker_count(const struct config *config)
{
    cpu_set_t cpus;

    if (config->workers)
        return config->workers;
    return sched_getaffinity(0, sizeof(cpus), &cpus) == 0 ? (unsigned)CPU_COUNT(&cpus) : 1;
}

/* Listeners that guests may still bring: of the descriptors, up to so small a part. */
#define LISTENERS_PART 8

static size_t listeners_expected(const struct service *service, unsigned workers)
{
    size_t limit = descriptors_limit() / (LISTENERS_PART * (workers + 1));

    return service->entrances.count + (service->config->template_count > 0 ? limit : 0);
}

static int prepare(struct service *service)
{
    const struct config *config = service->config;
    struct workers_options options = {.count = worker_count(config)};
    bool refused;

    descriptors_divide(listeners_expected(service, options.count), options.count,
                       (config->admin_path ? ADMIN_DESCRIPTORS : 0) +
                           (config->admin_listen ? ADMIN_DESCRIPTORS : 0),
                       config->sessions_max, &options.descriptors);
    if (options.descriptors.sessions < options.count)
        options.count = (unsigned)options.descriptors.sessions;
    if (options.count == 0) {
        log_error("vsluice: the limit of open files leaves room for no session: raise LimitNOFILE "
                  "or 'ulimit -n'");
        return EX_OSERR;
    }
    int error = workers_start(&service->workers, &options, &refused);
    if (error < 0 && !refused) {
        log_error("vsluice: cannot start: %s", strerror(-error));
        return EX_OSERR;
    }
    int refusal = error < 0 ? error : workers_engine_refusal(service->workers);
    if (refusal < 0) {
        fputs("vsluice: ", stderr);
        refusal_explain(refusal, stderr);
    }
    if (error < 0)
        return error == -EBADRQC ? EX_CONFIG : EX_UNAVAILABLE;
    if (refusal < 0)
        log_warning("vsluice: going on with %s, which takes more processor time",
                    workers_engine_name(service->workers));
    return 0;
}

/* Beyond drain-timeout, until all has ended. */
#define STOP_MARGIN_NS UINT64_C(10000000000)

/* How far stopping has come, and what makes it go on. */
struct stopping {
    enum mailbox_order order;
    uint64_t deadline_ns; /* of draining */
};

static void stop_listening(struct service *service)
{
    orders_close(&service->orders);
    admin_stop(service->admin);
    service->admin = NULL;
    admin_stop(service->admin_tcp);
    service->admin_tcp = NULL;
    guest_routes_free(service->guest_routes);
    service->guest_routes = NULL;
    entrances_close(&service->entrances);
    workers_drain(service->workers);
}

static void stop(struct stopping *stopping, struct service *service)
{
    struct workers *workers = service->workers;
    char sessions[WORKERS_LOAD_BYTES];

    if (stopping->order == MAILBOX_ACCEPT) {
        stopping->deadline_ns = clock_ns() + service->config->drain_timeout_ns;
        stopping->order = MAILBOX_DRAIN;
        notify_stopping(&service->notify, service->config->drain_timeout_ns + STOP_MARGIN_NS);
        stop_listening(service);
        log_line("stopping: no longer listening, %s may finish",
                 workers_load_format(workers, sessions));
    } else if (stopping->order == MAILBOX_DRAIN) {
        log_warning("stopping at once: %s are ended", workers_load_format(workers, sessions));
        stopping->order = MAILBOX_END;
        workers_command(workers, stopping->order);
    }
}

static void drain_over(struct stopping *stopping, struct workers *workers)
{
    char sessions[WORKERS_LOAD_BYTES];

    log_warning("stopping: drain-timeout is over, %s are ended",
                workers_load_format(workers, sessions));
    stopping->order = MAILBOX_END;
    workers_command(workers, stopping->order);
}

/* Until the deadline of draining; -1: there is none. Rounded up. */
static int drain_wait_ms(const struct stopping *stopping)
{
    uint64_t now_ns = clock_ns();

    if (stopping->order != MAILBOX_DRAIN)
        return -1;
    if (now_ns >= stopping->deadline_ns)
        return 0;
    uint64_t ms = (stopping->deadline_ns - now_ns + 999999) / 1000000;
    return ms < 3600000 ? (int)ms : 3600000;
}

static void take_signal(struct service *service, struct stopping *stopping, uint32_t number)
{
    char *mistakes = NULL;

    if (number != SIGHUP)
        stop(stopping, service);
    else if (stopping->order == MAILBOX_ACCEPT)
        service_reload(service, &mistakes);
    free(mistakes); /* the log has them */
}

/* The watchdog, and the line of `systemctl status`. */
static void tell_manager(struct service *service, bool stopping)
{
    struct workers *workers = service->workers;
    char sessions[WORKERS_LOAD_BYTES];
    char status[NOTIFY_STATUS_BYTES];
    uint64_t now_ns = clock_ns();

    if (notify_ping_due(&service->notify, now_ns))
        workers_ping(workers);
    else if (service->notify.awaits && workers_answered(workers))
        notify_alive(&service->notify);
    if (!notify_status_due(&service->notify, now_ns))
        return;
    size_t routes = service->config->route_count;
    snprintf(status, sizeof(status), "%s%s, %zu route%s%s", stopping ? "stopping: " : "",
             workers_load_format(workers, sessions), routes, routes == 1 ? "" : "s",
             service->reload_refused ? "; the latest reload was refused, as the log says" : "");
    notify_status(&service->notify, status, now_ns);
}

/* -1 stands for ever. */
static int sooner_ms(int one, int other)
{
    return one < 0 || (other >= 0 && other < one) ? other : one;
}

/* Waits for the next thing to do, and does what it finds. */
static void attend(struct service *service, struct stopping *stopping)
{
    struct guest_routes *guests = service->guest_routes;
    struct pollfd events[] = {
        {.fd = service->signals, .events = POLLIN},
        {.fd = workers_event(service->workers), .events = POLLIN},
        {.fd = guests ? guest_routes_descriptor(guests) : -1, .events = POLLIN},
        {.fd = service->orders.event, .events = POLLIN},
    };
    struct signalfd_siginfo info;
    eventfd_t tells;

    int wait_ms = guests ? guest_routes_wait_ms(guests) : drain_wait_ms(stopping);
    wait_ms = sooner_ms(wait_ms, drains_wait_ms(&service->drains, clock_ns()));
    poll(events, 4, sooner_ms(wait_ms, notify_wait_ms(&service->notify, clock_ns())));
    if (events[1].revents)
        eventfd_read(events[1].fd, &tells);
    tell_manager(service, stopping->order != MAILBOX_ACCEPT);
    if (events[2].revents)
        guest_routes_note(guests);
    if (guests)
        guest_routes_look(guests);
    if (events[3].revents)
        service_orders_see_to(service);
    service_drains_look(service);
    while (read(service->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
        take_signal(service, stopping, info.ssi_signo);
    if (drain_wait_ms(stopping) == 0)
        drain_over(stopping, service->workers);
}

/* Until all workers have ended, as they were told or because a ring broke. */
static int supervise(struct service *service)
{
    struct stopping stopping = {.order = MAILBOX_ACCEPT};
    int error;

    while (workers_running(service->workers, &error) > 0) {
        if (error && stopping.order == MAILBOX_ACCEPT)
            stop(&stopping, service);
        attend(service, &stopping);
    }
    return error;
}

static int begin_admin_socket(struct service *service)
{
    char error[ADMIN_ERROR_BYTES];
    struct admin_options options = {
        .path = service->config->admin_path,
        .routes = {admin_actions_routes, ADMIN_ACTIONS_COUNT, &service->actions,
                   ADMIN_ACTIONS_BODY_PATH, false},
    };

    int failed = options.path ? admin_start(&service->admin, &options, error) : 0;
    if (failed < 0)
        log_error("vsluice: admin-socket: %s", error);
    return failed;
}

static int begin_admin_listen(struct service *service)
{
    char error[ADMIN_ERROR_BYTES];
    struct admin_options options = {
        .tcp = service->config->admin_listen,
        .routes = {admin_actions_routes, ADMIN_ACTIONS_COUNT, &service->actions, NULL, true},
    };

    if (!options.tcp)
        return 0;
    int failed = admin_start(&service->admin_tcp, &options, error);
    if (failed < 0)
        log_line("vsluice: admin-listen: %s", error);
    else
        log_line("metrics at %s, to be read only", admin_address(service->admin_tcp));
    return failed;
}

static int begin_admin(struct service *service)
{
    service->actions = (struct admin_actions){&service->uses, service->workers, &service->orders};
    int failed = begin_admin_socket(service);
    return failed < 0 ? failed : begin_admin_listen(service);
}

/* All that listens is there. What root made for itself is the user's. */
static int drop_privilege(struct service *service)
{
    const struct privilege *privilege = &service->privilege;
    char why[PRIVILEGE_ERROR_BYTES];
    int error = 0;

    if (privilege->stays)
        log_line("vsluice: goes on as root: there is no user '" PRIVILEGE_USER
                 "' to become; make it, or say 'user =' in [global]");
    if (!privilege->drops)
        return 0;
    error = entrances_give_files(&service->entrances, privilege->uid, privilege->gid);
    if (error == 0)
        error = admin_give_file(service->admin, privilege->uid, privilege->gid);
    if (error < 0)
        snprintf(why, sizeof(why), "the files of Unix sockets cannot be given to that user: %s",
                 strerror(-error));
    else
        error = privilege_drop(privilege, why);
    if (error < 0)
        log_line("vsluice: user: %s", why);
    else
        log_line("goes on as user %ju, group %ju", (uintmax_t)privilege->uid,
                 (uintmax_t)privilege->gid);
    return error;
}

/* All libraries that are always needed are there, and all rings. */
static void begin_sandbox(const struct service *service)
{
    char why[SANDBOX_ERROR_BYTES];

    if (service->config->sandbox && sandbox_begin(why) < 0)
        log_line("vsluice: goes on without its filter of system calls: %s", why);
}

/* The guests that are there already are listened for before `ready` is said. */
static int begin(struct service *service)
{
    struct config *config = service->config;
    int error = entrances_give(&service->entrances, service->workers);

    if (error == 0)
        entrances_announce(&service->entrances);
    if (error == 0 && config->guest_each && config->template_count > 0)
        error = guest_routes_new(&service->guest_routes, config, &service->uses, service->workers);
    if (error < 0)
        log_error("vsluice: cannot start: %s", strerror(-error));
    if (error == 0)
        error = begin_admin(service);
    if (error == 0)
        error = drop_privilege(service);
    if (error < 0) {
        workers_command(service->workers, MAILBOX_DRAIN);
        return exit_status_of_error(error);
    }
    if (service->guest_routes)
        guest_routes_look(service->guest_routes);
    begin_sandbox(service);
    workers_command(service->workers, MAILBOX_ACCEPT);
    log_event(&(struct log_event){.priority = LOG_INFO, .id = LOG_ID_READY}, "ready");
    notify_ready(&service->notify);
    return 0;
}

static int relay(struct service *service)
{
    struct sessions_totals totals;
    int status = prepare(service);
    if (status)
        return status;
    log_start();
    status = begin(service);
    int error = supervise(service);
    stop_listening(service);
    workers_free(service->workers, &totals);
    service->broken = error < 0;
    if (status)
        return status;
    if (error < 0) {
        log_error("vsluice: the ring failed: %s", strerror(-error));
        return EX_OSERR;
    }
    uint64_t changes = 0;
    for (unsigned way = 0; way < ROUTE_LANE_COUNT; way++)
        changes += totals.ways[way];
    log_line("stopped after %" PRIu64 " sessions, %" PRIu64
             " bytes; lanes changed their way %" PRIu64 " times",
             totals.sessions, totals.bytes, changes);
    return EX_OK;
}

/* SIGTERM, SIGINT and SIGHUP, to be read from a descriptor; threads that start later block them
 * too. */
static int take_signals(void)
{
    sigset_t taken;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&taken);
    sigaddset(&taken, SIGTERM);
    sigaddset(&taken, SIGINT);
    sigaddset(&taken, SIGHUP);
    sigprocmask(SIG_BLOCK, &taken, NULL);
    return signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
}

int command_run(int argc, char **argv)
{
    struct service service = {.argc = argc, .argv = argv};
    int status = command_config_read(argc, argv, &service.config);
    if (status)
        return status;

    char why[PRIVILEGE_ERROR_BYTES];
    if (privilege_choose(&service.privilege, service.config, why) < 0) {
        log_error("vsluice: user: %s", why);
        config_free(service.config);
        return EX_NOPERM;
    }
    log_configure(service.config);
    notify_init(&service.notify);
    descriptors_raise_limit();
    service.signals = take_signals();
    if (service.signals < 0) {
        log_error("vsluice: signalfd: %s", strerror(errno));
        config_free(service.config);
        return EX_OSERR;
    }
    if (orders_init(&service.orders) < 0) {
        log_error("vsluice: eventfd: %s", strerror(errno));
        close(service.signals);
        config_free(service.config);
        return EX_OSERR;
    }
    guest_uses_init(&service.uses.guests);
    route_uses_init(&service.uses.routes);
    service.uses.guests.workers = worker_count(service.config);
    service.uses.routes.workers = worker_count(service.config);
    status = entrances_open(&service.entrances, service.config, &service.uses, false);
    if (status == 0)
        status = relay(&service);
    log_stop();
    entrances_close(&service.entrances);
    if (!service.broken) {
        guest_uses_deinit(&service.uses.guests);
        route_uses_deinit(&service.uses.routes);
    }
    orders_deinit(&service.orders);
    added_routes_deinit(&service.added);
    drains_deinit(&service.drains);
    close(service.signals);
    config_free(service.config);
    return status;
}

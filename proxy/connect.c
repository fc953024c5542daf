/* vsluice connect: one session between standard input and output and a target. */
#include "config/units.h"
#include "proxy/command.h"
#include "proxy/command_config.h"
#include "proxy/refusal.h"
#include "proxy/resolver.h"
#include "proxy/session.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

/* Both lanes, and the send that each may have in hand. */
#define CONNECT_BUFFERS RING_BUFFERS_IDLE

struct outcome {
    const char *target;
    int status;
};

static int status_of_reason(enum reason reason)
{
    switch (reason) {
    case REASON_NONE:
    case REASON_DONE: return EX_OK;
    case REASON_TARGET_DENIED: return EX_NOPERM;
    case REASON_INITIATOR_RESET:
    case REASON_TARGET_RESET:
    case REASON_INITIATOR_GONE:
    case REASON_TARGET_GONE: return EX_IOERR;
    case REASON_NO_DESCRIPTORS:
    case REASON_NO_MEMORY:
    case REASON_SYSTEM: return EX_OSERR;
    default: return EX_UNAVAILABLE;
    }
}

static void ended(void *owner, const struct session *session)
{
    struct outcome *outcome = owner;

    outcome->status = status_of_reason(session->reason);
    if (reason_whole(session->reason))
        return;
    fprintf(stderr, "vsluice: %s: %s: %s (%s)\n", outcome->target, reason_token(session->reason),
            reason_text(session->reason), reason_detail(session->reason, session->error));
}

static void released(void *owner)
{
}

/* Its route has one target. */
static void target(void *owner, const struct session *session, enum reason reason, int error)
{
}

static const struct sessions_events events = {
    .ended = ended,
    .target = target,
    .released = released,
};

static int turn_until_done(struct ring *ring, struct resolver *resolver, struct sessions *sessions)
{
    while (sessions_count(sessions) > 0 || !resolver_stop(resolver)) {
        int error = ring_turn(ring);
        if (error < 0) {
            fprintf(stderr, "vsluice: the ring failed: %s\n", strerror(-error));
            return EX_OSERR;
        }
    }
    return EX_OK;
}

static int relay(struct opening *opening, const char *target)
{
    struct ring_options options = {.entries = 16, .buffers_max = CONNECT_BUFFERS};
    struct outcome outcome = {.target = target};
    struct ring *ring;
    struct resolver *resolver;
    struct sessions sessions;

    int error = ring_new(&ring, &options);
    if (error < 0) {
        fputs("vsluice: ", stderr);
        refusal_explain(error, stderr);
        return EX_UNAVAILABLE;
    }
    error = resolver_new(&resolver, ring);
    if (error < 0) {
        fprintf(stderr, "vsluice: cannot start: %s\n", strerror(-error));
        ring_free(ring);
        return EX_OSERR;
    }
    sessions_init(&sessions, ring, resolver, 1, &events, &outcome);
    struct arrival arrival = {
        .opening = opening,
        .fd = STDIN_FILENO,
        .fd_write = STDOUT_FILENO,
        .transport = TRANSPORT_FILE,
    };
    error = sessions_start(&sessions, &arrival);
    if (error < 0) {
        fprintf(stderr, "vsluice: cannot start: %s\n", strerror(-error));
        outcome.status = EX_OSERR;
    }
    int status = turn_until_done(ring, resolver, &sessions);
    if (status)
        return status;
    sessions_deinit(&sessions);
    resolver_free(resolver);
    ring_free(ring);
    return outcome.status;
}

/* The one route of this run: the target is read by the same rules as any route's. */
static int read_target(const char *target, const char *path, struct config **ret)
{
    char error[ENDPOINT_ERROR_BYTES];
    char text[ENDPOINT_TEXT_BYTES + 16];
    struct endpoint endpoint;

    if (endpoint_parse(target, ENDPOINT_TARGET, &endpoint, error) < 0) {
        fprintf(stderr, "vsluice: %s\n", error);
        return EX_USAGE;
    }
    snprintf(text, sizeof(text), "fd:0=%s", target);
    const char *const routes[] = {text};
    struct config_sources sources = {.routes = routes, .route_count = 1};
    if (endpoint.kind == ENDPOINT_GUEST)
        sources.path = path ? path : CONFIG_PATH_DEFAULT;
    return command_config_load(&sources, EX_CONFIG, ret);
}

int command_connect(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"timeout", required_argument, NULL, 't'},
        {0},
    };
    const char *path = NULL;
    uint64_t timeout_ns = 0;
    int option;

    optind = 1;
    while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
        if (option == 'c') {
            path = optarg;
        } else if (option != 't') {
            return command_usage(argv[0]);
        } else if (duration_parse(optarg, &timeout_ns) < 0 || timeout_ns == 0) {
            fprintf(stderr, "vsluice: --timeout %s: not a duration: 500ms, 5s, 1m\n", optarg);
            return EX_USAGE;
        }
    }
    if (argc - optind != 1) {
        fputs("vsluice connect: give one TARGET\n", stderr);
        return command_usage(argv[0]);
    }
    struct config *config;
    int status = read_target(argv[optind], path, &config);
    if (status)
        return status;
    struct route *route = config->routes;
    struct uses uses;
    while (route->file) /* all others stand in files */
        route++;
    if (timeout_ns)
        route->connect_timeout_ns = timeout_ns;
    signal(SIGPIPE, SIG_IGN);
    guest_uses_init(&uses.guests);
    route_uses_init(&uses.routes);
    struct opening *opening = opening_new(config, route, route->listens, &uses);
    status = opening ? relay(opening, argv[optind]) : EX_OSERR;
    if (opening)
        opening_unref(opening);
    guest_uses_deinit(&uses.guests);
    route_uses_deinit(&uses.routes);
    config_free(config);
    return status;
}

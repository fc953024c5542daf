/* vsluice-load serve. */
#include "config/units.h"
#include "perf/command.h"
#include "perf/descriptors.h"
#include "perf/endpoint_socket.h"
#include "perf/pattern.h"
#include "perf/server.h"

#include <ctype.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sysexits.h>
#include <unistd.h>

#define THREADS_MAX 64

/* Where one thread cannot serve, none does. */
static void *serve_thread(void *argument)
{
    const struct server_options *options = argument;
    int error = server_run(options);

    if (error < 0) {
        command_ring_error("serving ended", error);
        kill(getpid(), SIGTERM);
    }
    return (void *)(intptr_t)error;
}

/* Until SIGTERM or SIGINT. */
static int serve(struct server_options *options, unsigned threads)
{
    pthread_t ids[THREADS_MAX];
    sigset_t stop;
    int number;
    int status = EX_OK;

    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
    for (unsigned i = 0; i < threads; i++)
        if (pthread_create(&ids[i], NULL, serve_thread, options) != 0)
            return EX_OSERR;
    sigwait(&stop, &number);
    eventfd_write(options->stop, threads);
    for (unsigned i = 0; i < threads; i++) {
        void *error;
        pthread_join(ids[i], &error);
        status = error ? EX_OSERR : status;
    }
    return status;
}

static int listen_and_serve(const char *text, struct server_options *options, unsigned threads)
{
    char error[ENDPOINT_SOCKET_ERROR_BYTES];
    char bound[ENDPOINT_TEXT_BYTES];
    struct endpoint endpoint;
    struct address address;

    _Static_assert(ENDPOINT_SOCKET_ERROR_BYTES >= ENDPOINT_ERROR_BYTES, "one buffer for both");
    if (endpoint_parse(text, ENDPOINT_LISTEN, &endpoint, error) < 0) {
        fprintf(stderr, "vsluice-load: %s\n", error);
        return EX_USAGE;
    }
    if (!endpoint_socket_serves(&endpoint)) {
        fprintf(stderr, "vsluice-load serve: %s: " ENDPOINT_SOCKET_KINDS "\n", text);
        return EX_USAGE;
    }
    options->listener = endpoint_socket_listen(&endpoint, &address, error);
    if (options->listener < 0) {
        fprintf(stderr, "vsluice-load: %s\n", error);
        return EX_UNAVAILABLE;
    }
    options->stop = eventfd(0, EFD_CLOEXEC);
    address_format(&address, bound);
    fprintf(stderr, "serving on %s\n", bound);
    int status = serve(options, threads);
    close(options->stop);
    close(options->listener);
    if (address_transport(&address) == TRANSPORT_UNIX && strncmp(bound, "unix:/", 6) == 0)
        unlink(bound + 5);
    return status;
}

/* 0: it is no number. */
static unsigned long read_threads(const char *text)
{
    char *end;
    unsigned long threads = strtoul(text, &end, 10);

    return *end || !isdigit((unsigned char)*text) ? 0 : threads;
}

int serve_command(int argc, char **argv)
{
    static const struct option names[] = {
        {"threads", required_argument, NULL, 't'},
        {"stall-after", required_argument, NULL, 'a'},
        {"stall", required_argument, NULL, 's'},
        {0},
    };
    struct server_options options = {0};
    unsigned long threads = 1;
    int name;

    optind = 1;
    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (name == 't')
            threads = read_threads(optarg);
        else if (name != 'a' && name != 's')
            return command_usage(argv[0]);
        else if (duration_parse(optarg, name == 'a' ? &options.stall_after_ns : &options.stall_ns) <
                 0) {
            fprintf(stderr, "vsluice-load: '%s' is no duration: 500ms, 5s, 1m\n", optarg);
            return EX_USAGE;
        }
    }
    if (argc - optind != 1 || threads == 0 || threads > THREADS_MAX) {
        fprintf(stderr, "vsluice-load serve: give one ENDPOINT, and 1 to %d threads\n",
                THREADS_MAX);
        return command_usage(argv[0]);
    }
    signal(SIGPIPE, SIG_IGN);
    descriptors_raise_limit();
    pattern_init();
    return listen_and_serve(argv[optind], &options, (unsigned)threads);
}

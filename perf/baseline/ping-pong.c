/* The least that a request and its answer cost: what a load tester is to be measured against.
 *
 *   ping-pong [--connections N] [--seconds S] ENDPOINT    one request after the other
 *   ping-pong --echo ENDPOINT                             answers, until killed
 *
 * Nothing but epoll_wait(2), recv(2) and send(2) for each request; no latency is taken and no byte
 * is looked at. Both ends speak perf/protocol.h, so that either may face vsluice-load. They trust
 * whom they talk to: opening blocks.
 */
#include "perf/endpoint_socket.h"
#include "perf/protocol.h"
#include "ring/clock.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <sysexits.h>
#include <unistd.h>

#define MESSAGE_BYTES   64
#define EVENTS_MAX      256
#define CONNECTIONS_MAX 65536

struct connection {
    int fd;
    unsigned received; /* of the answer */
};

struct options {
    unsigned connections;
    double seconds;
    bool echo;
    struct endpoint endpoint;
};

static void watch(int epoll, int fd, uint32_t index)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};

    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
        err(EX_OSERR, "epoll_ctl");
}

static void without_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int wait_for(int epoll, struct epoll_event events[static EVENTS_MAX])
{
    int count = epoll_wait(epoll, events, EVENTS_MAX, -1);

    if (count < 0 && errno != EINTR)
        err(EX_OSERR, "epoll_wait");
    return count;
}

static void send_message(int fd)
{
    static const char message[MESSAGE_BYTES];

    if (send(fd, message, sizeof(message), MSG_NOSIGNAL) != sizeof(message))
        err(EX_IOERR, "send");
}

static int open_connection(const struct address *address, uint64_t stream)
{
    struct protocol_header header = {
        .mode = PROTOCOL_RR,
        .stream = stream,
        .request = MESSAGE_BYTES,
        .response = MESSAGE_BYTES,
    };
    uint8_t bytes[PROTOCOL_HEADER_BYTES];
    uint8_t answer[PROTOCOL_ANSWER_BYTES];
    unsigned version;
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, (const struct sockaddr *)&address->storage, address->length) < 0)
        err(EX_UNAVAILABLE, "connect");
    without_delay(fd);
    protocol_header_write(&header, bytes);
    if (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) != sizeof(bytes) ||
        recv(fd, answer, sizeof(answer), MSG_WAITALL) != sizeof(answer))
        err(EX_UNAVAILABLE, "opening");
    if (protocol_answer_read(answer, &version) < 0)
        errx(EX_PROTOCOL, "what answers there is neither 'ping-pong --echo' nor 'vsluice-load "
                          "serve' of this version");
    return fd;
}

/* Returns whether the answer is whole. */
static bool take_answer(struct connection *connection)
{
    char answer[MESSAGE_BYTES];
    ssize_t count = recv(connection->fd, answer, sizeof(answer) - connection->received, 0);

    if (count <= 0)
        err(EX_IOERR, "recv");
    connection->received = (connection->received + (unsigned)count) % MESSAGE_BYTES;
    return connection->received == 0;
}

/* Until `over` is readable, which is watched under the index after the last connection's. */
static uint64_t ping(int epoll, struct connection *connections, unsigned over)
{
    struct epoll_event events[EVENTS_MAX];
    uint64_t requests = 0;

    for (unsigned i = 0; i < over; i++)
        send_message(connections[i].fd);
    while (true) {
        int count = wait_for(epoll, events);
        for (int i = 0; i < count; i++) {
            unsigned index = events[i].data.u32;
            if (index == over)
                return requests;
            if (take_answer(&connections[index])) {
                requests++;
                send_message(connections[index].fd);
            }
        }
    }
}

static int start_timer(double seconds)
{
    struct itimerspec time = {.it_value.tv_sec = (time_t)seconds};
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);

    time.it_value.tv_nsec = (long)((seconds - (double)time.it_value.tv_sec) * 1e9);
    if (timer < 0 || timerfd_settime(timer, 0, &time, NULL) < 0)
        err(EX_OSERR, "timerfd");
    return timer;
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static int run(const struct options *options)
{
    char error[ENDPOINT_SOCKET_ERROR_BYTES];
    struct address address;
    struct rusage before;
    struct rusage after;
    struct connection *connections = calloc(options->connections, sizeof(*connections));
    int epoll = epoll_create1(EPOLL_CLOEXEC);

    if (!connections || epoll < 0)
        err(EX_OSERR, "start");
    if (endpoint_socket_address(&options->endpoint, &address, error) < 0)
        errx(EX_USAGE, "%s", error);
    for (unsigned i = 0; i < options->connections; i++) {
        connections[i].fd = open_connection(&address, i);
        watch(epoll, connections[i].fd, i);
    }
    watch(epoll, start_timer(options->seconds), options->connections);
    uint64_t start_ns = clock_ns();
    getrusage(RUSAGE_SELF, &before);
    uint64_t requests = ping(epoll, connections, options->connections);
    getrusage(RUSAGE_SELF, &after);
    double seconds = (double)(clock_ns() - start_ns) / 1e9;
    double user_s = seconds_of(after.ru_utime) - seconds_of(before.ru_utime);
    double system_s = seconds_of(after.ru_stime) - seconds_of(before.ru_stime);
    printf("{\"requests\": %" PRIu64 ", \"seconds\": %.6f, \"user_s\": %.6f, \"system_s\": %.6f, "
           "\"cpu_us_per_request\": %.3f}\n",
           requests, seconds, user_s, system_s,
           requests ? (user_s + system_s) * 1e6 / (double)requests : 0);
    free(connections);
    return requests ? EX_OK : EX_IOERR;
}

/* Returns whether it is to be answered. */
static bool welcome(int fd)
{
    struct protocol_header header;
    uint8_t bytes[PROTOCOL_HEADER_BYTES];
    uint8_t answer[PROTOCOL_ANSWER_BYTES];

    if (recv(fd, bytes, sizeof(bytes), MSG_WAITALL) != sizeof(bytes))
        return false;
    enum protocol_status status = protocol_header_read(bytes, &header);
    if (status == PROTOCOL_WELCOME &&
        (header.mode != PROTOCOL_RR || header.flags || header.request != header.response))
        status = PROTOCOL_WRONG_HEADER;
    protocol_answer_write(status, answer);
    return send(fd, answer, sizeof(answer), MSG_NOSIGNAL) == sizeof(answer) &&
           status == PROTOCOL_WELCOME;
}

static void accept_one(int epoll, int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return;
    without_delay(fd);
    if (welcome(fd))
        watch(epoll, fd, (uint32_t)fd);
    else
        close(fd);
}

static void answer_one(int fd)
{
    char bytes[MESSAGE_BYTES];
    ssize_t count = recv(fd, bytes, sizeof(bytes), 0);

    if (count <= 0 || send(fd, bytes, (size_t)count, MSG_NOSIGNAL) != count)
        close(fd);
}

static int echo(const struct options *options)
{
    char error[ENDPOINT_SOCKET_ERROR_BYTES];
    char bound[ENDPOINT_TEXT_BYTES];
    struct address address;
    struct epoll_event events[EVENTS_MAX];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int listener = endpoint_socket_listen(&options->endpoint, &address, error);

    if (epoll < 0)
        err(EX_OSERR, "epoll_create1");
    if (listener < 0)
        errx(EX_UNAVAILABLE, "%s", error);
    address_format(&address, bound);
    fprintf(stderr, "serving on %s\n", bound);
    watch(epoll, listener, (uint32_t)listener);
    while (true) {
        int count = wait_for(epoll, events);
        for (int i = 0; i < count; i++) {
            if ((int)events[i].data.u32 == listener)
                accept_one(epoll, listener);
            else
                answer_one((int)events[i].data.u32);
        }
    }
}

static int usage(void)
{
    fprintf(stderr, "usage: ping-pong [--connections N] [--seconds S] ENDPOINT\n"
                    "       ping-pong --echo ENDPOINT\n");
    return EX_USAGE;
}

int main(int argc, char **argv)
{
    static const struct option names[] = {
        {"connections", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 's'},
        {"echo", no_argument, NULL, 'e'},
        {0},
    };
    struct options options = {.connections = 1, .seconds = 2};
    char error[ENDPOINT_ERROR_BYTES];
    int name;

    while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (name) {
        case 'c': options.connections = (unsigned)strtoul(optarg, NULL, 10); break;
        case 's': options.seconds = strtod(optarg, NULL); break;
        case 'e': options.echo = true; break;
        default: return usage();
        }
    }
    if (argc - optind != 1 || options.connections == 0 || options.connections > CONNECTIONS_MAX ||
        !(options.seconds > 0) || options.seconds > 86400)
        return usage();
    if (endpoint_parse(argv[optind], options.echo ? ENDPOINT_LISTEN : ENDPOINT_TARGET,
                       &options.endpoint, error) < 0)
        errx(EX_USAGE, "%s", error);
    return options.echo ? echo(&options) : run(&options);
}

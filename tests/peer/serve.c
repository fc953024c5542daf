/* The target: accepts, and does what each session's plan says. */
#include "modes.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX     10
#define GRACE_SECONDS 0.5

static const struct options *options;
static uint64_t tally[SESSION_FAILED + 1];
static uint64_t accepted, bytes_in, bytes_out;
static struct session *ended_sessions; /* chained by their echo pointers, to be freed */
static volatile sig_atomic_t told_to_stop;

static void on_signal(int signal)
{
    told_to_stop = signal;
}

static void session_changed(struct session *session)
{
    static const char *const what[] = {"open", "ok", "broken", "headless", "FAIL"};

    if (session->end == SESSION_OPEN)
        return;
    tally[session->end]++;
    bytes_in += session->in.offset;
    bytes_out += session->out.offset;
    if (options->verbose || (session->end == SESSION_FAILED && tally[SESSION_FAILED] <= LINES_MAX))
        session_print(session, what[session->end]);
    session_close(session, false);
    session->echo = (uint8_t *)ended_sessions;
    ended_sessions = session;
}

static void free_ended(void)
{
    while (ended_sessions != NULL) {
        struct session *next = (struct session *)ended_sessions->echo;

        free(ended_sessions);
        ended_sessions = next;
    }
}

static void listener_ready(struct watch *watch, uint32_t events)
{
    for (unsigned i = 0; i < 64; i++) {
        int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct session *session;

        if (fd < 0) {
            if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)
                return;
            perror("peer: accept");
            exit(71);
        }
        session = malloc(sizeof(*session));
        if (session == NULL)
            abort();
        accepted++;
        session_start(session, ROLE_TARGET, fd, fd, NULL, session_changed);
    }
}

int serve(const struct place *place, const struct options *serve_options)
{
    struct sigaction action = {.sa_handler = on_signal};
    char text[PLACE_TEXT_BYTES];
    struct watch listener = {.ready = listener_ready, .fd = place_listen(place, text)};
    double deadline = serve_options->timeout > 0 ? now() + serve_options->timeout : 0;
    double grace = 0;
    uint64_t ended;

    options = serve_options;
    if (listener.fd < 0)
        return 69;
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    watch_set(&listener, EPOLLIN);
    printf("listening on %s\n", text);
    do {
        pump_round(0.1);
        free_ended();
        ended = tally[SESSION_OK] + tally[SESSION_BROKEN] + tally[SESSION_HEADLESS] +
                tally[SESSION_FAILED];
        if (deadline > 0 && now() > deadline) {
            printf("FAIL timeout\n");
            tally[SESSION_FAILED]++;
            break;
        }
        /* What has arrived when it is told to stop is still judged. */
        if (told_to_stop && grace == 0)
            grace = now() + GRACE_SECONDS;
    } while ((!told_to_stop || (ended < accepted && now() < grace)) &&
             (options->sessions == 0 || ended < options->sessions));
    printf("served accepted=%llu ok=%llu broken=%llu headless=%llu failed=%llu open=%llu in=%llu "
           "out=%llu\n",
           (unsigned long long)accepted, (unsigned long long)tally[SESSION_OK],
           (unsigned long long)tally[SESSION_BROKEN], (unsigned long long)tally[SESSION_HEADLESS],
           (unsigned long long)tally[SESSION_FAILED], (unsigned long long)(accepted - ended),
           (unsigned long long)bytes_in, (unsigned long long)bytes_out);
    return tally[SESSION_FAILED] > 0 || (tally[SESSION_HEADLESS] > 0 && !options->headless_ok);
}

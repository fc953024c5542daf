/* guest-dialer [-t SECONDS] [-n ATTEMPTS] ENDPOINT
 *
 * In a guest: dials the host, says which guest this is and how busy, and waits for an answer that
 * begins with "ok", as guest-listener gives it. Tries again, after longer and longer pauses, while
 * that may help. SIGTERM ends a dial and a pause at once, and lets a report finish, which has
 * SECONDS.
 *
 *     guest-dialer vsock:host:1024
 *
 * Exit status: 0 reported, 1 not, 2 usage.
 */
#include "endpoint.h"
#include "lines.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#define USAGE        2
#define TIMEOUT_S    5
#define ATTEMPTS     10
#define PAUSE_MS_MIN 100L
#define PAUSE_MS_MAX 10000L
#define NS_PER_S     UINT64_C(1000000000)

static struct vsock_cancel *cancel;
static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    stopping = 1;
    vsock_cancel_ask(cancel);
}

static int signals_catch(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    int r = vsock_cancel_new(&cancel);

    if (r < 0)
        return r;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaddset(&action.sa_mask, SIGINT);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    return 0;
}

/* Sleeps, unless asked to stop. The signals are blocked up to pselect(), so that none is missed
 * between looking and sleeping. */
static void pause_for(long ms)
{
    const struct timespec duration = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    sigset_t signals, before;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, &before);
    if (!stopping)
        pselect(0, NULL, NULL, NULL, &duration, &before);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

static int report_write(struct vsock_conn *conn)
{
    double load[3] = {0, 0, 0};
    uint32_t cid = VSOCK_CID_ANY;
    char text[LINE_BYTES_MAX];

    getloadavg(load, 3);
    vsock_context_id(&cid); /* where that fails, the host knows us by our address */
    snprintf(text, sizeof(text), "report cid=%u load=%.2f,%.2f,%.2f\n", cid, load[0], load[1],
             load[2]);
    return vsock_conn_write(conn, text, strlen(text), NULL);
}

static int answer_read(struct vsock_conn *conn)
{
    struct lines lines = {.conn = conn};
    char *line;
    int r = lines_next(&lines, &line);

    if (r < 0)
        return r;
    if (r == 0)
        return -ECONNRESET;
    line_clean(line);
    printf("answer: %s\n", line);
    return strncmp(line, "ok", 2) == 0 ? 0 : -EPROTO;
}

/* 0: the report was taken. Otherwise it has said what went wrong. */
static int report(const struct endpoint *endpoint, uint64_t timeout_ns)
{
    const struct vsock_dial_options options = {.timeout_ns = timeout_ns, .cancel = cancel};
    struct vsock_conn *conn;
    const char *operation = "write";
    int r = endpoint_dial(endpoint, &options, &conn);

    if (r < 0) {
        endpoint_complain(endpoint, "dial", r);
        return r;
    }
    vsock_conn_set_deadline(conn, vsock_deadline_in(timeout_ns));
    r = report_write(conn);
    if (r == 0) {
        operation = "read";
        r = answer_read(conn);
    }
    if (r < 0)
        conn_complain(conn, operation, r);
    vsock_conn_free(conn);
    return r;
}

/* What may be better in a moment: a host whose program is not up yet, or is being restarted. */
static bool passes(int error)
{
    return error == -ETIMEDOUT || error == -ECONNRESET || error == -ECONNREFUSED ||
           error == -EPIPE || error == -ENODEV || error == -ENOENT;
}

static int report_persistently(const struct endpoint *endpoint, uint64_t timeout_ns,
                               unsigned long attempts)
{
    long pause_ms = PAUSE_MS_MIN;

    for (;;) {
        int r = report(endpoint, timeout_ns);
        if (r == 0 || --attempts == 0 || !passes(r))
            return r;
        /* Up to half as long again: guests that were started together do not dial together. */
        pause_for(pause_ms + random() % (pause_ms / 2));
        pause_ms = pause_ms * 2 < PAUSE_MS_MAX ? pause_ms * 2 : PAUSE_MS_MAX;
    }
}

int main(int argc, char *argv[])
{
    unsigned long seconds = TIMEOUT_S, attempts = ATTEMPTS;
    struct endpoint endpoint;
    int option, r;

    while ((option = getopt(argc, argv, "t:n:")) != -1) {
        switch (option) {
        case 't': seconds = strtoul(optarg, NULL, 10); break;
        case 'n': attempts = strtoul(optarg, NULL, 10); break;
        default: seconds = 0;
        }
    }
    if (optind != argc - 1 || seconds < 1 || seconds > 86400 || attempts < 1 ||
        endpoint_parse(argv[optind], &endpoint) < 0) {
        fprintf(stderr, "usage: %s [-t SECONDS] [-n ATTEMPTS] ENDPOINT\n", argv[0]);
        return USAGE;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    srandom((unsigned int)(time(NULL) ^ getpid()));
    r = signals_catch();
    if (r < 0) {
        fprintf(stderr, "%s: %s\n", argv[0], strerror(-r));
        return EXIT_FAILURE;
    }
    r = report_persistently(&endpoint, seconds * NS_PER_S, attempts);
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    vsock_cancel_free(cancel);
    return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

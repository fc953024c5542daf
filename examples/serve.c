/* One thread accepts, each connection has a thread of its own, and the main thread waits for the
 * signal to stop. Closing the listener is what ends the thread that accepts.
 */
#include "serve.h"

#include "endpoint.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 64
#define PATIENCE_S      10
#define PATIENCE_S_MAX  86400
#define NS_PER_S        UINT64_C(1000000000)

static struct {
    struct endpoint endpoint;
    struct vsock_listener *listener;
    serve_handler *handle;
    uint64_t patience_ns;
    sem_t free_places;
    int status; /* of the program; written by the thread that accepts */
} server;

static void *connection_thread(void *argument)
{
    struct vsock_conn *conn = argument;

    server.handle(conn, server.patience_ns);
    vsock_conn_free(conn);
    sem_post(&server.free_places);
    return NULL;
}

/* Takes the connection. */
static void connection_start(struct vsock_conn *conn)
{
    pthread_t thread;
    int error;

    if (sem_trywait(&server.free_places) < 0) {
        conn_complain(conn, "serve", -EBUSY);
        vsock_conn_free(conn);
        return;
    }
    error = pthread_create(&thread, NULL, connection_thread, conn);
    if (error != 0) {
        conn_complain(conn, "serve", -error);
        vsock_conn_free(conn);
        sem_post(&server.free_places);
        return;
    }
    pthread_detach(thread);
}

/* Whether an accept that failed is worth another try: what is short may come back. */
static bool passes(int error)
{
    return error == -ECONNABORTED || error == -EMFILE || error == -ENFILE || error == -ENOBUFS ||
           error == -ENOMEM;
}

static void *accept_thread(void *argument)
{
    static const struct timespec pause = {.tv_nsec = 100 * 1000 * 1000};
    struct vsock_conn *conn;

    for (;;) {
        int r = vsock_listener_accept(server.listener, &conn);
        if (r == 0) {
            connection_start(conn);
            continue;
        }
        if (r == -EBADF) /* the main thread closed it */
            return NULL;
        endpoint_complain(&server.endpoint, "accept", r);
        if (!passes(r)) {
            server.status = EXIT_FAILURE;
            kill(getpid(), SIGTERM); /* to the main thread */
            return NULL;
        }
        nanosleep(&pause, NULL);
    }
}

/* The port may be one that the kernel chose. */
static void say_where(void)
{
    struct vsock_address address = vsock_listener_address(server.listener);
    char text[VSOCK_ADDRESS_TEXT_BYTES];

    vsock_address_format(&address, text);
    printf("listening on %s\n",
           server.endpoint.kind == ENDPOINT_VSOCK ? text : server.endpoint.text);
}

static int run(void)
{
    pthread_t acceptor;
    sigset_t stop;
    int error, number;

    /* Threads inherit it: the signals are for sigwait() alone. */
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);

    sem_init(&server.free_places, 0, CONNECTIONS_MAX);
    error = pthread_create(&acceptor, NULL, accept_thread, NULL);
    if (error != 0) {
        endpoint_complain(&server.endpoint, "serve", -error);
        return EXIT_FAILURE;
    }
    say_where();
    sigwait(&stop, &number);
    vsock_listener_close(server.listener);
    pthread_join(acceptor, NULL);
    return server.status;
}

int serve(int argc, char *argv[], serve_handler *handle)
{
    unsigned long seconds = argc > 2 ? strtoul(argv[2], NULL, 10) : PATIENCE_S;
    int r, status;

    if (argc < 2 || argc > 3 || seconds < 1 || seconds > PATIENCE_S_MAX) {
        fprintf(stderr, "usage: %s ENDPOINT [SECONDS]\n", argv[0]);
        return EXIT_FAILURE;
    }
    r = endpoint_parse(argv[1], &server.endpoint);
    if (r < 0) {
        fprintf(stderr, "%s: no endpoint: %s\n", argv[1], strerror(-r));
        return EXIT_FAILURE;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    server.handle = handle;
    server.patience_ns = seconds * NS_PER_S;
    r = endpoint_listen(&server.endpoint, &server.listener);
    if (r < 0) {
        endpoint_complain(&server.endpoint, "listen", r);
        return EXIT_FAILURE;
    }
    status = run();
    vsock_listener_free(server.listener);
    return status;
}

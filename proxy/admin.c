/* The admin socket on libmicrohttpd. */
#include "proxy/admin.h"

#include "proxy/admin_connections.h"
#include "proxy/admin_door.h"
#include "proxy/bind_unix.h"
#include "proxy/library.h"
#include "ring/clock.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static_assert(ADMIN_ERROR_BYTES >= BIND_ERROR_BYTES && ADMIN_ERROR_BYTES >= LIBRARY_ERROR_BYTES,
              "an error of either fits");

#define NS_PER_MS UINT64_C(1000000)

static struct {
    typeof(MHD_start_daemon) *start_daemon;
    typeof(MHD_stop_daemon) *stop_daemon;
    typeof(MHD_get_daemon_info) *get_daemon_info;
    typeof(MHD_add_connection) *add_connection;
    typeof(MHD_get_connection_info) *get_connection_info;
    typeof(MHD_get_timeout) *get_timeout;
    typeof(MHD_run) *run;
    typeof(MHD_lookup_connection_value) *lookup_connection_value;
    typeof(MHD_create_response_from_buffer) *create_response_from_buffer;
    typeof(MHD_add_response_header) *add_response_header;
    typeof(MHD_queue_response) *queue_response;
    typeof(MHD_destroy_response) *destroy_response;
} mhd;

struct admin {
    struct admin_routes routes;
    struct admin_door door;
    struct admin_connections connections; /* of the thread */
    struct MHD_Daemon *daemon;            /* of the thread, while it runs */
    int daemon_epoll;                     /* readable: the daemon has something to do */
    int stop;                             /* readable: the thread is to end */
    pthread_t thread;
};

/* One request on its way through libmicrohttpd. */
struct exchange {
    bool begun; /* its headers were seen */
    char *body; /* with room for ADMIN_BODY_BYTES and a NUL; NULL: it has none */
    size_t body_bytes;
    size_t body_lost; /* bytes beyond */
    char uri[];
};

/* Of a body that is too long, so much is read over: its sender would else be reset, and not see the
 * answer. */
#define BODY_LOST_MAX ((size_t)1 << 20)

static const char too_long[] = "the body is longer than 64 KiB; send it in parts";

static int load(char error[static LIBRARY_ERROR_BYTES])
{
    static const char *const names[] = {"libmicrohttpd.so.12", NULL};
    static bool loaded; /* servers that run read `mhd` */
    static const struct library_symbol symbols[] = {
        {"MHD_start_daemon", &mhd.start_daemon},
        {"MHD_stop_daemon", &mhd.stop_daemon},
        {"MHD_get_daemon_info", &mhd.get_daemon_info},
        {"MHD_add_connection", &mhd.add_connection},
        {"MHD_get_connection_info", &mhd.get_connection_info},
        {"MHD_get_timeout", &mhd.get_timeout},
        {"MHD_run", &mhd.run},
        {"MHD_lookup_connection_value", &mhd.lookup_connection_value},
        {"MHD_create_response_from_buffer", &mhd.create_response_from_buffer},
        {"MHD_add_response_header", &mhd.add_response_header},
        {"MHD_queue_response", &mhd.queue_response},
        {"MHD_destroy_response", &mhd.destroy_response},
        {0},
    };
    int failed = loaded ? 0 : library_open(names, symbols, "libmicrohttpd", error);
    loaded = failed == 0;
    return failed;
}

static struct admin_connection *find(struct MHD_Connection *connection)
{
    return mhd.get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static void connected(void *owner, struct MHD_Connection *connection, void **context,
                      enum MHD_ConnectionNotificationCode code)
{
    struct admin *admin = owner;

    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        *context = admin_connections_add(
            &admin->connections,
            mhd.get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd);
    else
        admin_connections_remove(&admin->connections, *context);
}

/* libmicrohttpd asks when it has read the first line of a request. What it makes of the path and
 * the query itself is not used: it decodes before it can be cut up. */
static void *exchange_new(void *owner, const char *uri, struct MHD_Connection *connection)
{
    size_t bytes = strlen(uri) + 1;
    struct exchange *exchange = malloc(sizeof(*exchange) + bytes);

    if (exchange) {
        *exchange = (struct exchange){0};
        memcpy(exchange->uri, uri, bytes);
    }
    return exchange;
}

static void exchange_free(void *owner, struct MHD_Connection *connection, void **context,
                          enum MHD_RequestTerminationCode code)
{
    struct admin *admin = owner;
    struct exchange *exchange = *context;

    admin_connections_ask(&admin->connections, find(connection));
    if (exchange)
        free(exchange->body);
    free(exchange);
    *context = NULL;
}

static const char *body_length(struct MHD_Connection *connection)
{
    return mhd.lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
}

static bool has_body(struct MHD_Connection *connection)
{
    const char *length = body_length(connection);

    return (length && strcmp(length, "0") != 0) ||
           mhd.lookup_connection_value(connection, MHD_HEADER_KIND,
                                       MHD_HTTP_HEADER_TRANSFER_ENCODING);
}

/* More than is read over. */
static bool is_too_long(struct MHD_Connection *connection)
{
    const char *length = body_length(connection);

    return length && strtoull(length, NULL, 10) > ADMIN_BODY_BYTES + BODY_LOST_MAX;
}

/* Takes `text`. */
static enum MHD_Result send_answer(struct MHD_Connection *connection, int status,
                                   const struct admin_request *request, char *text, size_t bytes)
{
    struct MHD_Response *response =
        mhd.create_response_from_buffer(bytes, text, MHD_RESPMEM_MUST_FREE);

    if (!response) {
        free(text);
        return MHD_NO;
    }
    bool sound = mhd.add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                         request->content_type) == MHD_YES;
    if (request->allow[0])
        sound &=
            mhd.add_response_header(response, MHD_HTTP_HEADER_ALLOW, request->allow) == MHD_YES;
    enum MHD_Result result =
        sound ? mhd.queue_response(connection, (unsigned)status, response) : MHD_NO;
    mhd.destroy_response(response);
    return result;
}

/* What is wrong with its body before it is read; NULL: nothing. */
static const char *find_wrong(const struct admin *admin, struct MHD_Connection *connection,
                              const char *method, const struct exchange *exchange)
{
    if (!has_body(connection))
        return NULL;
    if (!admin_routes_take_body(&admin->routes, method, exchange->uri))
        return "requests have no body here; leave it out";
    return is_too_long(connection) ? too_long : NULL;
}

/* MHD_NO, where memory is short, ends the connection. */
static enum MHD_Result answer(struct admin *admin, struct MHD_Connection *connection,
                              const char *method, const struct exchange *exchange,
                              const char *wrong)
{
    struct admin_request request = {
        .method = method,
        .accept = mhd.lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT),
        .body = exchange->body ? exchange->body : "",
        .body_bytes = exchange->body_bytes,
    };
    char *text = NULL;
    size_t bytes;
    int status;

    request.answer = open_memstream(&text, &bytes);
    if (!request.answer)
        return MHD_NO;
    if (wrong)
        status = admin_refuse(&request, MHD_HTTP_CONTENT_TOO_LARGE, "%s", wrong);
    else
        status = admin_routes_call(&admin->routes, exchange->uri, &request);
    if (fclose(request.answer) != 0 || status == 0) {
        free(text);
        return MHD_NO;
    }
    admin_connections_answer(&admin->connections, find(connection));
    return send_answer(connection, status, &request, text, bytes);
}

/* false: it is to be cut off. */
static bool take_body(struct exchange *exchange, const char *upload, size_t bytes)
{
    if (!exchange->body)
        exchange->body = calloc(1, ADMIN_BODY_BYTES + 1);
    if (!exchange->body)
        return false;
    size_t room = ADMIN_BODY_BYTES - exchange->body_bytes;
    size_t taken = bytes < room ? bytes : room;
    memcpy(exchange->body + exchange->body_bytes, upload, taken);
    exchange->body_bytes += taken;
    exchange->body_lost += bytes - taken;
    return exchange->body_lost <= BODY_LOST_MAX;
}

/* Called with the headers, when only a refusal may be sent, with each part of the body, and again
 * when the request is whole. */
static enum MHD_Result handle(void *owner, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_bytes, void **context)
{
    struct exchange *exchange = *context;

    if (!exchange)
        return MHD_NO;
    /* Of what answers it libmicrohttpd leaves the body out. */
    if (strcmp(method, MHD_HTTP_METHOD_HEAD) == 0)
        method = MHD_HTTP_METHOD_GET;
    if (!exchange->begun) {
        const char *wrong = find_wrong(owner, connection, method, exchange);
        exchange->begun = true;
        return wrong ? answer(owner, connection, method, exchange, wrong) : MHD_YES;
    }
    if (*upload_bytes > 0) {
        bool taken = take_body(exchange, upload, *upload_bytes);
        *upload_bytes = 0;
        return taken ? MHD_YES : MHD_NO;
    }
    return answer(owner, connection, method, exchange, exchange->body_lost > 0 ? too_long : NULL);
}

static struct MHD_Daemon *make_daemon(struct admin *admin, const struct admin_options *options)
{
    return mhd.start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, handle, admin,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)ADMIN_CONNECTIONS_MAX,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)ADMIN_ADDRESS_CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT,
        options->silent_s_max ? options->silent_s_max : (unsigned)ADMIN_SILENT_S_MAX,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)ADMIN_REQUEST_BYTES,
        MHD_OPTION_URI_LOG_CALLBACK, exchange_new, NULL, MHD_OPTION_NOTIFY_COMPLETED, exchange_free,
        admin, MHD_OPTION_NOTIFY_CONNECTION, connected, admin, MHD_OPTION_END);
}

static uint64_t sooner(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

/* Rounded up; -1: as long as it takes. */
static int wait_ms(struct admin *admin, uint64_t now_ns)
{
    uint64_t next_ns = admin_connections_next_ns(&admin->connections);
    MHD_UNSIGNED_LONG_LONG ms;

    if (mhd.get_timeout(admin->daemon, &ms) == MHD_YES)
        next_ns = sooner(next_ns, now_ns + ms * NS_PER_MS);
    if (admin->door.closed_until_ns > now_ns)
        next_ns = sooner(next_ns, admin->door.closed_until_ns);
    if (next_ns == UINT64_MAX)
        return -1;
    uint64_t left_ns = next_ns > now_ns ? next_ns - now_ns : 0;
    return (int)sooner((left_ns + NS_PER_MS - 1) / NS_PER_MS, INT_MAX);
}

/* libmicrohttpd closes what it does not take. */
static void take(struct admin *admin, uint64_t now_ns)
{
    struct address address;
    int fd = admin_door_take(&admin->door, now_ns, &address);

    if (fd >= 0)
        mhd.add_connection(admin->daemon, fd, (struct sockaddr *)&address.storage, address.length);
}

/* Deadlines are compared with the time before the daemon's turn: what has come by then has been
 * read, however long handlers took. */
static void *serve(void *owner)
{
    struct admin *admin = owner;
    struct pollfd events[] = {
        {.fd = admin->stop, .events = POLLIN},
        {.fd = admin->daemon_epoll, .events = POLLIN},
        {.events = POLLIN},
    };

    while (!(events[0].revents & POLLIN)) {
        uint64_t now_ns = clock_ns();
        bool open = admin->connections.count < ADMIN_CONNECTIONS_MAX &&
                    admin->door.closed_until_ns <= now_ns;
        events[2].fd = open ? admin->door.bound.fd : -1;
        poll(events, sizeof(events) / sizeof(events[0]), wait_ms(admin, now_ns));
        now_ns = clock_ns();
        if (events[2].revents)
            take(admin, now_ns);
        mhd.run(admin->daemon);
        admin_connections_expire(&admin->connections, now_ns);
    }
    return NULL;
}

/* No signal is delivered there. */
static int start_thread(struct admin *admin)
{
    sigset_t all;
    sigset_t before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&admin->thread, NULL, serve, admin);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_setname_np(admin->thread, "admin");
    return -error;
}

/* 0 or a negative errno, with nothing left. */
static int begin(struct admin *admin, const struct admin_options *options)
{
    admin->stop = eventfd(0, EFD_CLOEXEC);
    if (admin->stop < 0)
        return -errno;
    errno = 0;
    admin->daemon = make_daemon(admin, options);
    int failed = errno ? -errno : -ENOMEM;
    if (admin->daemon) {
        admin->daemon_epoll =
            mhd.get_daemon_info(admin->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
        failed = start_thread(admin);
        if (failed)
            mhd.stop_daemon(admin->daemon);
    }
    if (failed)
        close(admin->stop);
    return failed;
}

int admin_start(struct admin **ret, const struct admin_options *options,
                char error[static ADMIN_ERROR_BYTES])
{
    struct admin *admin = calloc(1, sizeof(*admin));

    if (!admin) {
        snprintf(error, ADMIN_ERROR_BYTES, "out of memory");
        return -ENOMEM;
    }
    admin->routes = options->routes;
    admin_connections_init(&admin->connections, options);
    int failed = load(error);
    if (!failed)
        failed =
            admin_door_open(&admin->door, options->tcp ? NULL : options->path, options->tcp, error);
    if (failed) {
        free(admin);
        return failed;
    }
    failed = begin(admin, options);
    if (failed) {
        snprintf(error, ADMIN_ERROR_BYTES, "%s: cannot be served: %s", admin->door.bound.text,
                 strerror(-failed));
        admin_door_close(&admin->door);
        free(admin);
        return failed;
    }
    *ret = admin;
    return 0;
}

const char *admin_address(const struct admin *admin)
{
    return admin->door.bound.text;
}

int admin_give_file(const struct admin *admin, uid_t uid, gid_t gid)
{
    return admin ? bound_give_file(&admin->door.bound, uid, gid) : 0;
}

void admin_stop(struct admin *admin)
{
    if (!admin)
        return;
    admin_door_remove_file(&admin->door);
    eventfd_write(admin->stop, 1);
    pthread_join(admin->thread, NULL);
    admin_door_close(&admin->door);
    mhd.stop_daemon(admin->daemon);
    close(admin->stop);
    free(admin);
}

/* The admin socket on libmicrohttpd. */
#include "proxy/admin.h"

#include "config/config.h"
#include "config/defaults.h"
#include "proxy/bind_unix.h"
#include "proxy/library.h"
#include "proxy/tcp_options.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static_assert(ADMIN_ERROR_BYTES >= BIND_ERROR_BYTES && ADMIN_ERROR_BYTES >= LIBRARY_ERROR_BYTES,
              "an error of either fits");

#define BACKLOG 1024

static struct {
    typeof(MHD_start_daemon) *start_daemon;
    typeof(MHD_stop_daemon) *stop_daemon;
    typeof(MHD_lookup_connection_value) *lookup_connection_value;
    typeof(MHD_create_response_from_buffer) *create_response_from_buffer;
    typeof(MHD_add_response_header) *add_response_header;
    typeof(MHD_queue_response) *queue_response;
    typeof(MHD_destroy_response) *destroy_response;
} mhd;

struct admin {
    struct admin_routes routes;
    struct bound bound; /* one socket, as its address names one */
    struct MHD_Daemon *daemon;
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
    struct exchange *exchange = *context;

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
static enum MHD_Result answer(const struct admin *admin, struct MHD_Connection *connection,
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

/* What bind_route_listen() makes of `*` and of an address is one socket. That it closes with a
 * reset would cut answers short. */
static int claim_tcp(struct bound *ret, const struct endpoint *endpoint,
                     char error[static BIND_ERROR_BYTES])
{
    struct route policy = {.backlog = BACKLOG, .keepalive_ns = DEFAULT_KEEPALIVE_NS};
    struct bound bounds[BOUND_MAX];
    int count = bind_route_listen(&policy, endpoint, bounds, error);

    if (count < 0)
        return count;
    assert(count == 1);
    *ret = bounds[0];
    tcp_options_close_whole(ret->fd);
    return 0;
}

static int claim(struct bound *ret, const char *path, char error[static BIND_ERROR_BYTES])
{
    struct endpoint endpoint = {.kind = ENDPOINT_UNIX, .fd = -1};
    struct route policy = {
        .mode = 0600, .owner_uid = (uid_t)-1, .owner_gid = (gid_t)-1, .backlog = BACKLOG};

    if (path[0] != '/' || strlen(path) >= ENDPOINT_UNIX_PATH_BYTES) {
        snprintf(error, BIND_ERROR_BYTES, "'%.200s': not an absolute path of at most %d bytes",
                 path, ENDPOINT_UNIX_PATH_BYTES - 1);
        return -EINVAL;
    }
    memcpy(endpoint.name, path, strlen(path) + 1);
    int count = bind_unix(&policy, &endpoint, ret, error);
    return count < 0 ? count : 0;
}

/* libmicrohttpd closes the descriptor that it gets: a second one, so that the file can be removed
 * before. */
static struct MHD_Daemon *serve(struct admin *admin, unsigned silent_s_max)
{
    int fd = fcntl(admin->bound.fd, F_DUPFD_CLOEXEC, 0);
    sigset_t all;
    sigset_t before;

    if (fd < 0)
        return NULL;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    struct MHD_Daemon *daemon = mhd.start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, handle, admin,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)ADMIN_CONNECTIONS_MAX,
        MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)ADMIN_ADDRESS_CONNECTIONS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, silent_s_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)ADMIN_REQUEST_BYTES, MHD_OPTION_URI_LOG_CALLBACK, exchange_new, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, exchange_free, NULL, MHD_OPTION_END);
    int failed = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = failed;
    return daemon;
}

int admin_start(struct admin **ret, const struct admin_options *options,
                char error[static ADMIN_ERROR_BYTES])
{
    struct admin *admin = calloc(1, sizeof(*admin));
    unsigned silent_s_max = options->silent_s_max ? options->silent_s_max : ADMIN_SILENT_S_MAX;

    if (!admin) {
        snprintf(error, ADMIN_ERROR_BYTES, "out of memory");
        return -ENOMEM;
    }
    admin->routes = options->routes;
    int failed = load(error);
    if (!failed)
        failed = options->tcp ? claim_tcp(&admin->bound, options->tcp, error)
                              : claim(&admin->bound, options->path, error);
    if (failed) {
        free(admin);
        return failed;
    }
    errno = 0;
    admin->daemon = serve(admin, silent_s_max);
    if (!admin->daemon) {
        failed = errno ? -errno : -ENOMEM;
        snprintf(error, ADMIN_ERROR_BYTES, "%s: cannot be served: %s", admin->bound.text,
                 strerror(-failed));
        bound_close(&admin->bound);
        free(admin);
        return failed;
    }
    *ret = admin;
    return 0;
}

const char *admin_address(const struct admin *admin)
{
    return admin->bound.text;
}

int admin_give_file(const struct admin *admin, uid_t uid, gid_t gid)
{
    return admin ? bound_give_file(&admin->bound, uid, gid) : 0;
}

void admin_stop(struct admin *admin)
{
    if (!admin)
        return;
    bound_close(&admin->bound);
    mhd.stop_daemon(admin->daemon);
    free(admin);
}

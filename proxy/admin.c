/* The admin socket on libmicrohttpd. */
#include "proxy/admin.h"

#include "config/config.h"
#include "proxy/bind_unix.h"
#include "proxy/library.h"

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
    struct bound bound;
    struct MHD_Daemon *daemon;
};

/* One request on its way through libmicrohttpd. */
struct exchange {
    bool begun; /* its headers were seen */
    char uri[];
};

static int load(char error[static LIBRARY_ERROR_BYTES])
{
    static const char *const names[] = {"libmicrohttpd.so.12", NULL};
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
    return library_open(names, symbols, "libmicrohttpd", error);
}

/* libmicrohttpd asks when it has read the first line of a request. What it makes of the path and
 * the query itself is not used: it decodes before it can be cut up. */
static void *exchange_new(void *owner, const char *uri, struct MHD_Connection *connection)
{
    size_t bytes = strlen(uri) + 1;
    struct exchange *exchange = malloc(sizeof(*exchange) + bytes);

    if (exchange) {
        exchange->begun = false;
        memcpy(exchange->uri, uri, bytes);
    }
    return exchange;
}

static void exchange_free(void *owner, struct MHD_Connection *connection, void **context,
                          enum MHD_RequestTerminationCode code)
{
    free(*context);
    *context = NULL;
}

static bool has_body(struct MHD_Connection *connection)
{
    const char *length =
        mhd.lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

    return (length && strcmp(length, "0") != 0) ||
           mhd.lookup_connection_value(connection, MHD_HEADER_KIND,
                                       MHD_HTTP_HEADER_TRANSFER_ENCODING);
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

/* MHD_NO, where memory is short, ends the connection. */
static enum MHD_Result answer(const struct admin *admin, struct MHD_Connection *connection,
                              const char *method, const char *uri, bool body)
{
    struct admin_request request = {
        .method = method,
        .accept = mhd.lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT),
    };
    char *text = NULL;
    size_t bytes;
    int status;

    request.answer = open_memstream(&text, &bytes);
    if (!request.answer)
        return MHD_NO;
    if (body)
        status = admin_refuse(&request, MHD_HTTP_CONTENT_TOO_LARGE,
                              "requests have no body here; leave it out");
    else
        status = admin_routes_call(&admin->routes, uri, &request);
    if (fclose(request.answer) != 0 || status == 0) {
        free(text);
        return MHD_NO;
    }
    return send_answer(connection, status, &request, text, bytes);
}

/* Called with the headers, when only a refusal may be sent, and again when the request is whole. */
static enum MHD_Result handle(void *owner, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_bytes, void **context)
{
    struct exchange *exchange = *context;

    if (!exchange || *upload_bytes)
        return MHD_NO;
    bool first = !exchange->begun;
    bool body = first && has_body(connection);
    exchange->begun = true;
    return first && !body ? MHD_YES : answer(owner, connection, method, exchange->uri, body);
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
        failed = claim(&admin->bound, options->path, error);
    if (failed) {
        free(admin);
        return failed;
    }
    errno = 0;
    admin->daemon = serve(admin, silent_s_max);
    if (!admin->daemon) {
        failed = errno ? -errno : -ENOMEM;
        snprintf(error, ADMIN_ERROR_BYTES, "unix:%s: cannot be served: %s", options->path,
                 strerror(-failed));
        bound_close(&admin->bound);
        free(admin);
        return failed;
    }
    *ret = admin;
    return 0;
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

/* The client of the admin socket, on libcurl. */
#include "proxy/admin_client.h"

#include "proxy/library.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static_assert(ADMIN_CLIENT_ERROR_BYTES >= LIBRARY_ERROR_BYTES, "its errors fit");

/* The host is of no meaning on a Unix socket. */
#define URL_START "http://vsluice"

static struct {
    typeof(curl_global_init) *global_init;
    typeof(curl_easy_init) *easy_init;
    typeof(curl_easy_setopt) *easy_setopt;
    typeof(curl_easy_perform) *easy_perform;
    typeof(curl_easy_getinfo) *easy_getinfo;
    typeof(curl_easy_strerror) *easy_strerror;
    typeof(curl_easy_cleanup) *easy_cleanup;
} curl;

static int load(char error[static LIBRARY_ERROR_BYTES])
{
    static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4", NULL};
    static const struct library_symbol symbols[] = {
        {"curl_global_init", &curl.global_init},   {"curl_easy_init", &curl.easy_init},
        {"curl_easy_setopt", &curl.easy_setopt},   {"curl_easy_perform", &curl.easy_perform},
        {"curl_easy_getinfo", &curl.easy_getinfo}, {"curl_easy_strerror", &curl.easy_strerror},
        {"curl_easy_cleanup", &curl.easy_cleanup}, {0},
    };
    if (curl.easy_init)
        return 0;
    int failed = library_open(names, symbols, "libcurl", error);
    if (!failed)
        curl.global_init(CURL_GLOBAL_NOTHING);
    return failed;
}

/* An answer on its way; its room grows twofold. */
struct taking {
    struct admin_answer answer;
    size_t room;
};

static size_t take(char *data, size_t size, size_t count, void *owner)
{
    struct taking *taking = owner;
    struct admin_answer *answer = &taking->answer;
    size_t bytes = size * count;

    if (bytes > ADMIN_ANSWER_BYTES - answer->bytes)
        return 0;
    if (bytes >= taking->room - answer->bytes) {
        size_t room = 2 * (answer->bytes + bytes + 1);
        char *body = realloc(answer->body, room);
        if (!body)
            return 0;
        answer->body = body;
        taking->room = room;
    }
    memcpy(answer->body + answer->bytes, data, bytes);
    answer->bytes += bytes;
    answer->body[answer->bytes] = '\0';
    return bytes;
}

static int explain_connect(long number, const char *path, char *error)
{
    switch (number) {
    case ENOENT:
    case ENOTDIR:
        snprintf(error, ADMIN_CLIENT_ERROR_BYTES,
                 "%s: no such socket: is vsluice running, with 'admin-socket' in its "
                 "configuration?",
                 path);
        return -ENOENT;
    case ECONNREFUSED:
        snprintf(error, ADMIN_CLIENT_ERROR_BYTES,
                 "%s: nobody listens there any more: is vsluice running, with 'admin-socket' in "
                 "its configuration?",
                 path);
        return -ECONNREFUSED;
    case EACCES:
    case EPERM:
        snprintf(error, ADMIN_CLIENT_ERROR_BYTES,
                 "%s: no permission: only root and the user that vsluice runs as may use it", path);
        return -EACCES;
    default:
        snprintf(error, ADMIN_CLIENT_ERROR_BYTES, "%s: cannot connect: %s", path,
                 number ? strerror((int)number) : "no reason is known");
        return number ? -(int)number : -ECONNREFUSED;
    }
}

static int explain(CURL *handle, CURLcode code, const struct admin_call *call, char *error)
{
    const char *what = curl.easy_strerror(code);
    int number = EPIPE;
    long system = 0;

    switch (code) {
    case CURLE_COULDNT_CONNECT:
        curl.easy_getinfo(handle, CURLINFO_OS_ERRNO, &system);
        return explain_connect(system, call->socket_path, error);
    case CURLE_OPERATION_TIMEDOUT:
        number = ETIMEDOUT;
        what = "no answer in time; is it stopped, or does another program listen there?";
        break;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        what = "it ended without an answer; is it about to stop? See its log";
        break;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        number = EPROTO;
        what = "the answer is no HTTP; does another program listen there?";
        break;
    case CURLE_WRITE_ERROR:
        number = EMSGSIZE;
        what = "the answer is too long";
        break;
    case CURLE_OUT_OF_MEMORY: number = ENOMEM; break;
    default: break;
    }
    snprintf(error, ADMIN_CLIENT_ERROR_BYTES, "%s: %s", call->socket_path, what);
    return -number;
}

static CURLcode perform(CURL *handle, const struct admin_call *call, const char *url,
                        struct taking *taking)
{
    CURLcode code = curl.easy_setopt(handle, CURLOPT_UNIX_SOCKET_PATH, call->socket_path);

    code = code ? code : curl.easy_setopt(handle, CURLOPT_URL, url);
    code = code ? code : curl.easy_setopt(handle, CURLOPT_CUSTOMREQUEST, call->method);
    if (code)
        return code;
    if (call->body || strcmp(call->method, "POST") == 0)
        curl.easy_setopt(handle, CURLOPT_POSTFIELDS, call->body ? call->body : "");
    curl.easy_setopt(handle, CURLOPT_TIMEOUT_MS,
                     (long)(call->ms_max ? call->ms_max : ADMIN_CALL_MS_MAX));
    curl.easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl.easy_setopt(handle, CURLOPT_PROXY, "");
    /* A guest may be called '..'. */
    curl.easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
    curl.easy_setopt(handle, CURLOPT_WRITEFUNCTION, take);
    curl.easy_setopt(handle, CURLOPT_WRITEDATA, taking);
    code = curl.easy_perform(handle);
    if (!code)
        curl.easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &taking->answer.status);
    return code;
}

static int ask(const struct admin_call *call, struct admin_answer *ret, char *error)
{
    struct taking taking = {.answer = {.body = calloc(1, 1)}, .room = 1};
    size_t url_bytes = strlen(URL_START) + strlen(call->path) + 1;
    char *url = malloc(url_bytes);
    CURL *handle = curl.easy_init();
    int failed = 0;

    if (!handle || !url || !taking.answer.body) {
        failed = -ENOMEM;
        snprintf(error, ADMIN_CLIENT_ERROR_BYTES, "out of memory");
    } else {
        snprintf(url, url_bytes, "%s%s", URL_START, call->path);
        CURLcode code = perform(handle, call, url, &taking);
        failed = code ? explain(handle, code, call, error) : 0;
    }
    if (handle)
        curl.easy_cleanup(handle);
    free(url);
    if (failed)
        free(taking.answer.body);
    else
        *ret = taking.answer;
    return failed;
}

int admin_call(const struct admin_call *call, struct admin_answer *ret,
               char error[static ADMIN_CLIENT_ERROR_BYTES])
{
    if (strlen(call->socket_path) >= sizeof((struct sockaddr_un){0}.sun_path)) {
        snprintf(error, ADMIN_CLIENT_ERROR_BYTES, "%.200s...: longer than a socket's path may be",
                 call->socket_path);
        return -ENAMETOOLONG;
    }
    int failed = load(error);
    return failed ? failed : ask(call, ret, error);
}

void admin_answer_deinit(struct admin_answer *answer)
{
    free(answer->body);
    *answer = (struct admin_answer){0};
}

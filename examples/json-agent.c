/* json-agent ENDPOINT [SECONDS]
 *
 * Answers requests in JSON (message.h says how they are sent), any number on a connection:
 *
 *     {"command": "ping"}                 {"result": "pong"}
 *     {"command": "uptime"}               {"result": 12.25}      seconds since the boot
 *     {"command": "echo", "text": "a"}    {"result": "a"}
 *     anything else                       {"error": "why"}
 *
 * What is no message, or does not come within SECONDS, is answered with an error too, and ends the
 * connection.
 */
#include "endpoint.h"
#include "message.h"
#include "serve.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static json_t *error_answer(const char *why)
{
    return json_pack("{s:s}", "error", why);
}

static json_t *ping(const json_t *request)
{
    return json_pack("{s:s}", "result", "pong");
}

static json_t *uptime(const json_t *request)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return json_pack("{s:f}", "result", (double)now.tv_sec + (double)now.tv_nsec / 1e9);
}

static json_t *echo(const json_t *request)
{
    json_t *text = json_object_get(request, "text");

    if (!json_is_string(text))
        return error_answer("echo needs a text");
    return json_pack("{s:O}", "result", text);
}

static const struct {
    const char *name;
    json_t *(*answer)(const json_t *request);
} commands[] = {
    {"ping", ping},
    {"uptime", uptime},
    {"echo", echo},
};

/* NULL: no memory. */
static json_t *answer(const json_t *request)
{
    const char *name = json_string_value(json_object_get(request, "command"));

    if (!name)
        return error_answer("a request is an object with a command");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].answer(request);
    }
    return error_answer("no such command");
}

/* Takes the answer. */
static int answer_write(struct vsock_conn *conn, json_t *answer, uint64_t patience_ns)
{
    int r = -ENOMEM;

    if (answer) {
        vsock_conn_set_write_deadline(conn, vsock_deadline_in(patience_ns));
        r = message_write(conn, answer);
        json_decref(answer);
    }
    if (r < 0)
        conn_complain(conn, "write", r);
    return r;
}

/* Why there was no request, for who sent it. NULL: there is nobody to tell. */
static const char *problem(int error)
{
    switch (error) {
    case -EMSGSIZE: return "the length of a message is 1 to 65536";
    case -EBADMSG: return "the message is no JSON";
    case -ETIMEDOUT: return "timeout";
    }
    return NULL;
}

static void handle(struct vsock_conn *conn, uint64_t patience_ns)
{
    json_t *request;
    int r;

    do {
        vsock_conn_set_read_deadline(conn, vsock_deadline_in(patience_ns));
        r = message_read(conn, &request);
        if (r == 0) {
            r = answer_write(conn, answer(request), patience_ns);
            json_decref(request);
        } else if (r != -ENODATA) {
            conn_complain(conn, "read", r);
            if (problem(r))
                answer_write(conn, error_answer(problem(r)), patience_ns);
        }
    } while (r == 0);
}

int main(int argc, char *argv[])
{
    return serve(argc, argv, handle);
}

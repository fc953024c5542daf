/* json-call ENDPOINT REQUEST...
 *
 * Sends requests to a json-agent, one after the other on one connection, and prints the answers,
 * each as a line.
 *
 *     json-call vsock-mux:/run/vm.vsock:1024 '{"command": "uptime"}'
 *
 * Exit status: 0 all was answered well, 1 not, 2 usage.
 */
#include "endpoint.h"
#include "message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define USAGE      2
#define TIMEOUT_NS UINT64_C(10000000000)

static int request_write(struct vsock_conn *conn, const char *text)
{
    json_error_t error;
    json_t *request = json_loads(text, JSON_DECODE_ANY, &error);
    int r;

    if (!request) {
        fprintf(stderr, "%s: %s\n", text, error.text);
        return -EINVAL;
    }
    r = message_write(conn, request);
    json_decref(request);
    if (r < 0)
        conn_complain(conn, "write", r);
    return r;
}

/* 1: an error was answered. */
static int answer_print(struct vsock_conn *conn)
{
    json_t *answer;
    int r = message_read(conn, &answer);

    if (r < 0) {
        conn_complain(conn, "read", r);
        return r;
    }
    json_dumpf(answer, stdout, JSON_COMPACT);
    putchar('\n');
    r = json_object_get(answer, "error") ? 1 : 0;
    json_decref(answer);
    return r;
}

int main(int argc, char *argv[])
{
    const struct vsock_dial_options options = {.timeout_ns = TIMEOUT_NS};
    struct endpoint endpoint;
    struct vsock_conn *conn;
    int status = EXIT_SUCCESS;
    int r;

    if (argc < 3 || endpoint_parse(argv[1], &endpoint) < 0) {
        fprintf(stderr, "usage: %s ENDPOINT REQUEST...\n", argv[0]);
        return USAGE;
    }
    r = endpoint_dial(&endpoint, &options, &conn);
    if (r < 0) {
        endpoint_complain(&endpoint, "dial", r);
        return EXIT_FAILURE;
    }
    for (int i = 2; i < argc && r >= 0; i++) {
        vsock_conn_set_deadline(conn, vsock_deadline_in(TIMEOUT_NS));
        r = request_write(conn, argv[i]);
        if (r == 0)
            r = answer_print(conn);
        if (r != 0)
            status = EXIT_FAILURE;
    }
    vsock_conn_free(conn);
    return status;
}

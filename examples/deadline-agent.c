/* deadline-agent ENDPOINT [SECONDS]
 *
 * Answers requests, lines, from those who keep up: each request must be here, whole, within SECONDS
 * of the answer before it, and each piece of an answer must be taken within SECONDS. Who is late
 * with a request reads "timeout" and end-of-file; who does not take an answer is cut off.
 *
 *     echo TEXT     TEXT
 *     fill COUNT    a line of COUNT letters
 */
#include "endpoint.h"
#include "lines.h"
#include "serve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_BYTES ((size_t)32 * 1024)
#define FILL_MAX    ((size_t)1 << 30)

/* The deadline is of each piece: an answer may be long, and its reader slow, but not asleep. */
static int bytes_write(struct vsock_conn *conn, const char *bytes, size_t length,
                       uint64_t patience_ns)
{
    vsock_conn_set_write_deadline(conn, vsock_deadline_in(patience_ns));
    return vsock_conn_write(conn, bytes, length, NULL);
}

static int line_write(struct vsock_conn *conn, const char *text, uint64_t patience_ns)
{
    int r = bytes_write(conn, text, strlen(text), patience_ns);

    return r < 0 ? r : bytes_write(conn, "\n", 1, patience_ns);
}

static int fill_write(struct vsock_conn *conn, size_t count, uint64_t patience_ns)
{
    char piece[PIECE_BYTES];
    int r = 0;

    memset(piece, 'x', sizeof(piece));
    while (count > 0 && r == 0) {
        size_t length = count < sizeof(piece) ? count : sizeof(piece);
        r = bytes_write(conn, piece, length, patience_ns);
        count -= length;
    }
    return r < 0 ? r : line_write(conn, "", patience_ns);
}

static int answer(struct vsock_conn *conn, const char *request, uint64_t patience_ns)
{
    if (strncmp(request, "echo ", 5) == 0)
        return line_write(conn, request + 5, patience_ns);
    if (strncmp(request, "fill ", 5) == 0) {
        unsigned long count = strtoul(request + 5, NULL, 10);
        return fill_write(conn, count < FILL_MAX ? count : FILL_MAX, patience_ns);
    }
    return line_write(conn, "no such request", patience_ns);
}

static void handle(struct vsock_conn *conn, uint64_t patience_ns)
{
    struct lines lines = {.conn = conn};
    char *request;
    int r;

    for (;;) {
        /* Of the whole request: one byte now and then does not extend it. */
        vsock_conn_set_read_deadline(conn, vsock_deadline_in(patience_ns));
        r = lines_next(&lines, &request);
        if (r <= 0)
            break;
        r = answer(conn, request, patience_ns);
        if (r < 0) {
            conn_complain(conn, "write", r);
            return;
        }
    }
    if (r == 0)
        return;
    conn_complain(conn, "read", r);
    if (r == -ETIMEDOUT)
        line_write(conn, "timeout", patience_ns);
    else if (r == -EMSGSIZE)
        line_write(conn, "too long", patience_ns);
}

int main(int argc, char *argv[])
{
    return serve(argc, argv, handle);
}

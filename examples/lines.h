/* The lines of a connection: a stream keeps no boundaries, so what was read behind a newline is
 * kept for the next call.
 */
#pragma once

#include <vsock.h>

#define LINE_BYTES_MAX 512 /* newline included */

/* Zeroed but for the connection. */
struct lines {
    struct vsock_conn *conn;
    size_t received;   /* bytes in here */
    size_t handed_out; /* of them, the last line with its newline */
    char bytes[LINE_BYTES_MAX];
};

/* 1: *ret is the next line, without its newline, until the next call. 0: end-of-file. -EMSGSIZE: it
 * is too long. -ECONNRESET: it ended in the middle. Others as of vsock_conn_read(). */
int lines_next(struct lines *lines, char **ret);

/* Replaces what must not reach a terminal. */
void line_clean(char *line);

/* A server's main program: a listener, and a thread for each connection. */
#pragma once

#include <vsock.h>

/* Serves one connection, which is freed when it returns. patience_ns: how long to wait for the
 * other end. */
typedef void serve_handler(struct vsock_conn *conn, uint64_t patience_ns);

/* Reads the command line (PROGRAM ENDPOINT [SECONDS]) and serves until SIGTERM or SIGINT. Returns
 * the exit status. */
int serve(int argc, char *argv[], serve_handler *handle);

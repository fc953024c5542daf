/* What an example is told on its command line: where to listen, or whom to dial.
 *
 *   vsock:CID:PORT         vsock: listen as CID (`any`), or dial it (`host`, or a number)
 *   vsock-mux:PATH:PORT    the Unix socket of a VMM, on the host: dials PORT of the guest, or
 * listens for what the guest dials to PORT of the host unix:PATH              a Unix socket in the
 * place of vsock, for tests
 */
#pragma once

#include <vsock.h>

enum endpoint_kind {
    ENDPOINT_VSOCK,
    ENDPOINT_MUX,
    ENDPOINT_UNIX,
};

struct endpoint {
    enum endpoint_kind kind;
    const char *text; /* as it was written */
    char path[108];   /* of a Unix socket (unix(7)) */
    struct vsock_address address;
};

/* text must outlive the endpoint. -EINVAL, -ERANGE (a number), -ENAMETOOLONG (a path). */
int endpoint_parse(const char *text, struct endpoint *ret);

/* Errors as of the libvsock function for this kind. */
int endpoint_listen(const struct endpoint *endpoint, struct vsock_listener **ret);
int endpoint_dial(const struct endpoint *endpoint, const struct vsock_dial_options *options,
                  struct vsock_conn **ret);

/* Print on standard error what failed: "listen", "accept", "dial"; "read", "write". */
void endpoint_complain(const struct endpoint *endpoint, const char *operation, int error);
void conn_complain(const struct vsock_conn *conn, const char *operation, int error);

/* A program that knows libvsock only as installed. In C and in C++. */
#include <vsock.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static int addresses(void)
{
    struct vsock_address address;
    char text[VSOCK_ADDRESS_TEXT_BYTES];
    const char *bad = NULL;

    if (vsock_address_parse("vsock://3:1024", &address, &bad) != 0)
        return 1;
    if (vsock_address_format(&address, text) != strlen(text) || strcmp(text, "vsock:3:1024") != 0)
        return 1;
    return vsock_address_parse("vsock:3:4294967296", &address, &bad) != -ERANGE;
}

static int connections(void)
{
    struct vsock_address local = {VSOCK_CID_HOST, 1}, remote = {3, 2};
    struct vsock_conn *pair[2];
    char got[8];

    if (vsock_conn_pair(&local, &remote, SOCK_STREAM, pair) != 0)
        return 1;
    int failed = vsock_conn_set_deadline(pair[1], vsock_deadline_in(UINT64_C(60000000000))) != 0 ||
                 vsock_conn_write(pair[0], "hello", 5, NULL) != 0 ||
                 vsock_conn_read(pair[1], got, sizeof(got)) != 5 || memcmp(got, "hello", 5) != 0 ||
                 vsock_conn_remote_address(pair[1]).port != 1;
    vsock_conn_free(pair[0]);
    vsock_conn_free(pair[1]);
    return failed;
}

static int handshake(void)
{
    char request[VSOCK_MUX_REQUEST_BYTES];

    return vsock_mux_request_format(80, request) != strlen("CONNECT 80\n") ||
           vsock_mux_reply_scan("OK 80\n", 6) != 6;
}

int main(void)
{
    if (addresses() != 0 || connections() != 0 || handshake() != 0)
        return 1;
    return puts("libvsock works") < 0;
}

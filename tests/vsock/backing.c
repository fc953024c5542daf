#include "tests/vsock/backing.h"

#include "tests/vsock/harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

enum backing backing(void)
{
    const char *name = getenv("VSLUICE_TEST_BACKING");

    if (name && strcmp(name, "vsock") == 0)
        return BACKING_VSOCK;
    return name && strcmp(name, "unix") == 0 ? BACKING_UNIX : BACKING_PAIR;
}

int backing_check(bool must_be_vsock)
{
    const char *lab = getenv("VSLUICE_LAB");
    struct sockaddr_vm address = {
        .svm_family = AF_VSOCK,
        .svm_cid = VMADDR_CID_LOCAL,
        .svm_port = VMADDR_PORT_ANY,
    };

    if (!backing_is_vsock() && !must_be_vsock)
        return 0;
    if (!backing_is_vsock() || !lab || strcmp(lab, "uml") != 0) {
        puts("SKIP: needs AF_VSOCK, within tests/lab/uml: VSLUICE_TEST_BACKING=vsock");
        return 77;
    }
    int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;
    close(fd);
    if (r)
        printf("SKIP: AF_VSOCK has no loopback here: bind to CID 1: %s\n", strerror(r));
    return r ? 77 : 0;
}

int backing_main(int argc, char **argv, bool must_be_vsock)
{
    int skip = backing_check(must_be_vsock);
    return skip ? skip : harness_main(argc, argv);
}

static const char *port_path(uint32_t port)
{
    char name[16];
    snprintf(name, sizeof(name), "%u", port);
    return harness_path(name);
}

int backing_listen_on(uint32_t port, const struct vsock_listen_options *options,
                      struct vsock_listener **ret)
{
    static uint32_t free_port = 1024;

    if (backing_is_vsock())
        return vsock_listen_cid(VSOCK_CID_LOCAL, port, options, ret);
    if (port == 0)
        port = free_port++;
    return vsock_listen_unix(port_path(port), &(struct vsock_address){VSOCK_CID_LOCAL, port},
                             options, ret);
}

int backing_dial(struct vsock_address address, const struct vsock_dial_options *options,
                 struct vsock_conn **ret)
{
    if (backing_is_vsock())
        return vsock_dial(address.cid, address.port, options, ret);
    return vsock_dial_unix(port_path(address.port), &address, options, ret);
}

struct vsock_listener *backing_listen(const struct vsock_listen_options *options)
{
    struct vsock_listener *listener = NULL;
    int r = backing_listen_on(0, options, &listener);
    cr_assert_eq(r, 0, "listen: %s", strerror(-r));
    return listener;
}

void backing_connect(struct vsock_listener *listener, const struct vsock_dial_options *options,
                     struct vsock_conn *ret[2])
{
    int r = backing_dial(vsock_listener_address(listener), options, &ret[0]);
    cr_assert_eq(r, 0, "dial: %s", strerror(-r));
    r = vsock_listener_accept(listener, &ret[1]);
    cr_assert_eq(r, 0, "accept: %s", strerror(-r));
}

void backing_pair(int type, struct vsock_conn *ret[2])
{
    if (backing() == BACKING_PAIR) {
        int r = vsock_conn_pair(&(struct vsock_address){3, 1024},
                                &(struct vsock_address){VSOCK_CID_HOST, 80}, type, ret);
        cr_assert_eq(r, 0, "pair: %s", strerror(-r));
        return;
    }
    struct vsock_listener *listener = backing_listen(&(struct vsock_listen_options){.type = type});
    backing_connect(listener, &(struct vsock_dial_options){.type = type}, ret);
    vsock_listener_free(listener);
}

void backing_pair_free(struct vsock_conn *pair[2])
{
    vsock_conn_free(pair[0]);
    vsock_conn_free(pair[1]);
}

/* A Unix listener whose backlog is full keeps a dial waiting, vsock's refuses. On vsock it is a
 * connection's own port: a request there is neither accepted nor refused. */
void silence_begin(struct silence *silence)
{
    struct vsock_dial_options options = {.timeout_ns = 20 * MS};

    *silence = (struct silence){0};
    silence->listener = backing_listen(&(struct vsock_listen_options){.backlog = 1});
    if (backing_is_vsock()) {
        backing_connect(silence->listener, NULL, silence->conns);
        silence->address.cid = VSOCK_CID_LOCAL;
        silence->address.port = vsock_conn_local_address(silence->conns[0]).port;
        return;
    }
    silence->address = vsock_listener_address(silence->listener);
    for (unsigned i = 0; i < COUNT_OF(silence->conns); i++) {
        int r = backing_dial(silence->address, &options, &silence->conns[i]);
        if (r == -ETIMEDOUT)
            return;
        cr_assert_eq(r, 0, "dial: %s", strerror(-r));
    }
    cr_assert_fail("the backlog is never full");
}

void silence_end(struct silence *silence)
{
    for (unsigned i = 0; i < COUNT_OF(silence->conns); i++)
        vsock_conn_free(silence->conns[i]);
    vsock_listener_free(silence->listener);
}

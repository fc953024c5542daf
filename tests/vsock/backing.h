/* What carries the connections of a test, chosen by VSLUICE_TEST_BACKING:
 *
 *   pair    vsock_conn_pair(), and Unix sockets for what listens (the default)
 *   unix    Unix sockets
 *   vsock   AF_VSOCK's loopback, CID 1, in the lab
 *
 * The same tests run over each. Everything here asserts.
 */
#pragma once

#include "vsock/vsock.h"

#include <stdbool.h>

enum backing {
    BACKING_PAIR,
    BACKING_UNIX,
    BACKING_VSOCK,
};

enum backing backing(void);

static inline bool backing_is_vsock(void)
{
    return backing() == BACKING_VSOCK;
}

/* 0, or 77 having said why: AF_VSOCK is not to be used here, or it must be and was not chosen. */
int backing_check(bool must_be_vsock);

/* harness_main(), behind that. */
int backing_main(int argc, char **argv, bool must_be_vsock);

/* Listens on a port, 0: one that is free; dials an address that was listened on. */
int backing_listen_on(uint32_t port, const struct vsock_listen_options *options,
                      struct vsock_listener **ret);
int backing_dial(struct vsock_address address, const struct vsock_dial_options *options,
                 struct vsock_conn **ret);

/* A listener on a free port. */
struct vsock_listener *backing_listen(const struct vsock_listen_options *options);

/* ret[0] dialled what ret[1] was accepted from. */
void backing_connect(struct vsock_listener *listener, const struct vsock_dial_options *options,
                     struct vsock_conn *ret[2]);

/* Two connections to each other, of SOCK_STREAM or SOCK_SEQPACKET. */
void backing_pair(int type, struct vsock_conn *ret[2]);
void backing_pair_free(struct vsock_conn *pair[2]);

/* An address where a dial is never answered, while `silence` lives. */
struct silence {
    struct vsock_address address;
    struct vsock_listener *listener;
    struct vsock_conn *conns[8];
};

void silence_begin(struct silence *silence);
void silence_end(struct silence *silence);

/* Sockets in memory, as the kernel's of each kind behave (FACTS.md 2): both ends of a connection
 * are the same thing, so what the proxy's end does is seen by the far end and the other way round.
 *
 * Bytes toward a socket stand in one queue: the first `arrived` can be read, the others are on
 * their way. An end, a close or a reset by the other end stands behind them. A Unix socket or a
 * pipe has nothing on its way. Returns negative errno values as the system calls would.
 */
#pragma once

#include "tests/fake/fake.h"

enum net_tail {
    NET_TAIL_NONE,
    NET_TAIL_END,   /* FIN; vsock: SHUTDOWN of sending */
    NET_TAIL_CLOSE, /* vsock: SHUTDOWN of both directions */
    NET_TAIL_RESET,
    NET_TAIL_DIED, /* vsock: the VMM is gone */
};

struct net_socket {
    struct fake *fake;
    struct net_socket *next; /* of all, for freeing */
    struct net_socket *peer;
    enum fake_kind kind;
    unsigned number;

    /* toward this socket */
    char *queue;
    size_t queue_size; /* a ring: receive_room + transit_room bytes */
    size_t queue_first;
    size_t queued;
    size_t arrived;
    size_t receive_room;
    size_t transit_room;
    enum net_tail tail;
    struct ring_timer delivery;

    bool ended; /* the other end sends no more (RCV_SHUTDOWN, peer_shutdown & SEND) */
    bool
        peer_closed; /* the other end takes nothing more (Unix: dead; vsock: peer_shutdown & RCV) */
    bool dead;       /* TCP_CLOSE after a reset; vsock: TCP_CLOSING */
    bool done;       /* vsock: SOCK_DONE */
    bool shut_write;
    bool closed;
    int error;        /* sk_err, positive */
    unsigned changes; /* of its state, each of which wakes who watches (sk_state_change) */
    unsigned asked;   /* vsock: credit updates for another buffer size of the other end's */

    void (*wake)(struct net_socket *socket); /* something changed; may be NULL */
    void *owner;
};

/* Two connected sockets; room: of the queue toward the first, and toward the second. */
void net_pair(struct fake *fake, enum fake_kind kind, size_t room_first, size_t room_second,
              struct net_socket *ret[2]);
struct net_socket *net_unconnected(struct fake *fake, enum fake_kind kind);
void net_connect(struct net_socket *socket, struct net_socket *peer, size_t room_socket,
                 size_t room_peer);

long net_send(struct net_socket *socket, const void *data, size_t length);
long net_receive(struct net_socket *socket, void *data, size_t length, bool peek);
unsigned net_poll(const struct net_socket *socket);
int net_shutdown_write(struct net_socket *socket);
int net_take_error(struct net_socket *socket);

/* false: the other end sees a reset and not an end. */
bool net_close(struct net_socket *socket);
void net_reset(struct net_socket *socket);
void net_die(struct net_socket *socket);
/* vsock: tells the other end of another buffer size. */
void net_ask(struct net_socket *socket);
/* Nothing was ever sent on it. */
bool net_is_fresh(const struct net_socket *socket);
/* The connection broke without a word of the other end's. */
void net_break(struct net_socket *socket, int error);

void net_free(struct fake *fake);
void net_describe(const struct net_socket *socket, char *text, size_t bytes);

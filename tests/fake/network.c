/* Sockets in memory: what each kind does with bytes, ends, closes and resets. */
#include "tests/fake/internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_DEFAULT 16384

static void deliver(struct ring_timer *timer);

static void wake(struct net_socket *socket)
{
    socket->fake->ring.turns_idle = 0;
    if (socket->wake)
        socket->wake(socket);
}

static void wake_both(struct net_socket *socket)
{
    wake(socket);
    if (socket->peer)
        wake(socket->peer);
}

static bool in_order_at_once(const struct net_socket *socket)
{
    return socket->kind == FAKE_UNIX || socket->kind == FAKE_FILE;
}

struct net_socket *net_unconnected(struct fake *fake, enum fake_kind kind)
{
    struct net_socket *socket = fake_allocate(sizeof(*socket));
    *socket = (struct net_socket){.fake = fake, .next = fake->sockets, .kind = kind};
    socket->number = fake->sockets ? fake->sockets->number + 1 : 1;
    fake->sockets = socket;
    return socket;
}

static void make_room(struct net_socket *socket, size_t room)
{
    socket->receive_room = room ? room : ROOM_DEFAULT;
    socket->transit_room = socket->kind == FAKE_TCP ? socket->receive_room / 2 + 1 : 0;
    socket->queue_size = socket->receive_room + socket->transit_room;
    socket->queue = fake_allocate(socket->queue_size);
}

void net_connect(struct net_socket *socket, struct net_socket *peer, size_t room_socket,
                 size_t room_peer)
{
    socket->peer = peer;
    peer->peer = socket;
    make_room(socket, room_socket);
    make_room(peer, room_peer);
}

void net_pair(struct fake *fake, enum fake_kind kind, size_t room_first, size_t room_second,
              struct net_socket *ret[2])
{
    ret[0] = net_unconnected(fake, kind);
    ret[1] = net_unconnected(fake, kind);
    net_connect(ret[0], ret[1], room_first, room_second);
}

void net_free(struct fake *fake)
{
    while (fake->sockets) {
        struct net_socket *socket = fake->sockets;
        fake->sockets = socket->next;
        free(socket->queue);
        free(socket);
    }
}

static size_t in_transit(const struct net_socket *socket)
{
    return socket->queued - socket->arrived;
}

static size_t receive_room_left(const struct net_socket *socket)
{
    return socket->receive_room > socket->arrived ? socket->receive_room - socket->arrived : 0;
}

/* How much may be sent toward it. */
static size_t room_toward(const struct net_socket *socket)
{
    size_t used = socket->kind == FAKE_TCP ? in_transit(socket) : socket->queued;
    size_t room = socket->kind == FAKE_TCP ? socket->transit_room : socket->receive_room;
    return room > used ? room - used : 0;
}

static void deliver_soon(struct net_socket *socket)
{
    struct fake *fake = socket->fake;
    bool orphan = socket->closed && socket->kind == FAKE_TCP;
    bool moves = (in_transit(socket) && (receive_room_left(socket) || orphan)) ||
                 (!in_transit(socket) && socket->tail != NET_TAIL_NONE);
    if (moves && !ring_timer_armed(&socket->delivery))
        fake_event(fake, &socket->delivery, fake_delay_ns(fake), deliver);
}

static void enqueue(struct net_socket *to, const char *data, size_t length)
{
    size_t at = (to->queue_first + to->queued) % to->queue_size;
    size_t head = to->queue_size - at < length ? to->queue_size - at : length;

    memcpy(to->queue + at, data, head);
    memcpy(to->queue, data + head, length - head);
    to->queued += length;
    if (in_order_at_once(to)) {
        to->arrived = to->queued;
        wake(to);
    } else {
        deliver_soon(to);
    }
}

static void drop_transit(struct net_socket *socket)
{
    socket->queued = socket->arrived;
}

/* A TCP reset reaches it: what it had still to send is lost, what it can read stays. */
static void reset_arrives(struct net_socket *socket)
{
    bool over = socket->ended && socket->shut_write && socket->peer->ended;

    if (socket->dead || over)
        return;
    socket->error = socket->ended && !socket->shut_write ? EPIPE : ECONNRESET;
    socket->dead = true;
    drop_transit(socket);
    drop_transit(socket->peer);
    if (socket->peer->tail == NET_TAIL_END)
        socket->peer->tail = NET_TAIL_NONE;
}

/* vsock: SHUTDOWN of both directions, or a RST (virtio_transport_do_close()). */
static void vsock_close_arrives(struct net_socket *socket)
{
    socket->ended = true;
    socket->peer_closed = true;
    if (socket->arrived == 0 || socket->tail == NET_TAIL_RESET)
        socket->done = true;
    if (socket->arrived == 0)
        socket->dead = true;
}

static void tail_arrives(struct net_socket *socket)
{
    enum net_tail tail = socket->tail;

    switch (tail) {
    case NET_TAIL_NONE: return;
    case NET_TAIL_END: socket->ended = true; break;
    case NET_TAIL_RESET:
        if (socket->kind == FAKE_TCP)
            reset_arrives(socket);
        else
            vsock_close_arrives(socket);
        break;
    case NET_TAIL_CLOSE: vsock_close_arrives(socket); break;
    case NET_TAIL_DIED:
        socket->ended = true;
        socket->peer_closed = true;
        socket->done = true;
        socket->error = ECONNRESET;
        break;
    }
    socket->tail = NET_TAIL_NONE;
    socket->changes++;
    fake_note(socket->fake, "socket %u: tail %d arrives, error %d", socket->number, tail,
              socket->error);
}

/* Bytes reach a TCP socket that its owner closed: it answers with a reset, which destroys what it
 * had yet to send. */
static void orphan_receives(struct net_socket *orphan)
{
    struct net_socket *sender = orphan->peer;

    drop_transit(orphan);
    if (sender->closed)
        return;
    drop_transit(sender);
    sender->tail = NET_TAIL_RESET;
    deliver_soon(sender);
}

static void deliver(struct ring_timer *timer)
{
    struct net_socket *socket = CONTAINER(timer, struct net_socket, delivery);
    struct fake *fake = socket->fake;

    if (socket->closed && socket->kind == FAKE_TCP && in_transit(socket)) {
        orphan_receives(socket);
    } else if (in_transit(socket)) {
        size_t most = in_transit(socket);
        if (receive_room_left(socket) < most)
            most = receive_room_left(socket);
        if (random_permille(&fake->random, 500))
            most = random_size(&fake->random, most);
        socket->arrived += most;
    }
    if (in_transit(socket) == 0)
        tail_arrives(socket);
    deliver_soon(socket);
    wake_both(socket);
}

/* What a send says instead of a count; 1: it may go on. */
static int send_refusal(struct net_socket *socket)
{
    if (socket->kind == FAKE_TCP) {
        if (!socket->error && !socket->shut_write && !socket->dead)
            return 1;
        int error = net_take_error(socket);
        return error ? error : -EPIPE;
    }
    if (socket->shut_write || socket->peer_closed)
        return -EPIPE;
    if (socket->kind == FAKE_VSOCK && socket->dead)
        return -ENOTCONN;
    return 1;
}

long net_send(struct net_socket *socket, const void *data, size_t length)
{
    int refusal = send_refusal(socket);

    if (refusal <= 0)
        return refusal;
    if (length == 0)
        return 0;
    size_t room = room_toward(socket->peer);
    if (room == 0)
        return -EAGAIN;
    if (room < length)
        length = room;
    enqueue(socket->peer, data, length);
    return (long)length;
}

bool net_is_fresh(const struct net_socket *socket)
{
    return socket->peer && socket->peer->queued == 0 && socket->peer->queue_first == 0;
}

void net_ask(struct net_socket *socket)
{
    struct net_socket *peer = socket->peer;

    if (!peer || socket->dead || peer->closed)
        return;
    peer->asked++;
    wake(peer);
}

/* What a receive says where there are no bytes. */
static int no_bytes(struct net_socket *socket)
{
    switch (socket->kind) {
    case FAKE_TCP:
        if (socket->ended)
            return 0;
        if (socket->error)
            return net_take_error(socket);
        return socket->dead ? 0 : -EAGAIN;
    case FAKE_UNIX:
        if (socket->error)
            return net_take_error(socket);
        return socket->ended ? 0 : -EAGAIN;
    case FAKE_VSOCK:
        if (socket->dead)
            return socket->done ? 0 : -ENOTCONN;
        if (socket->error)
            return -socket->error;
        return socket->ended ? 0 : -EAGAIN;
    case FAKE_FILE: return socket->ended ? 0 : -EAGAIN;
    }
    return -EINVAL;
}

long net_receive(struct net_socket *socket, void *data, size_t length, bool peek)
{
    if (socket->arrived == 0)
        return no_bytes(socket);
    if (length > socket->arrived)
        length = socket->arrived;
    size_t at = socket->queue_first;
    size_t head = socket->queue_size - at < length ? socket->queue_size - at : length;
    memcpy(data, socket->queue + at, head);
    memcpy((char *)data + head, socket->queue, length - head);
    if (peek)
        return (long)length;
    socket->queue_first = (at + length) % socket->queue_size;
    socket->queued -= length;
    socket->arrived -= length;
    deliver_soon(socket);
    if (socket->peer)
        wake(socket->peer);
    return (long)length;
}

/* TCP: at least a third of the room is free; Unix: no more than a quarter is used; vsock: one byte.
 */
static bool writable(const struct net_socket *socket)
{
    const struct net_socket *peer = socket->peer;
    size_t room = room_toward(peer);

    switch (socket->kind) {
    case FAKE_TCP: return socket->shut_write || socket->dead || room * 3 >= peer->transit_room;
    case FAKE_UNIX:
        return socket->peer_closed || (peer->receive_room - room) * 4 <= peer->receive_room;
    case FAKE_VSOCK: return !socket->shut_write && (socket->dead || room > 0);
    case FAKE_FILE: return socket->peer_closed || room > 0;
    }
    return false;
}

unsigned net_poll(const struct net_socket *socket)
{
    unsigned events = 0;
    bool hung_up = (socket->ended && socket->shut_write) ||
                   (socket->kind == FAKE_TCP && socket->dead) ||
                   (socket->kind == FAKE_UNIX && socket->peer_closed) ||
                   (socket->kind == FAKE_FILE && socket->ended);

    if (socket->error)
        events |= POLLERR;
    if (hung_up)
        events |= POLLHUP;
    if (socket->arrived || socket->ended || (socket->kind == FAKE_TCP && socket->dead))
        events |= POLLIN;
    if (socket->ended || (socket->kind == FAKE_TCP && socket->dead))
        events |= POLLRDHUP;
    if (socket->peer && writable(socket))
        events |= POLLOUT;
    return events;
}

int net_take_error(struct net_socket *socket)
{
    int error = socket->error;
    socket->error = 0;
    return -error;
}

int net_shutdown_write(struct net_socket *socket)
{
    struct net_socket *peer = socket->peer;

    if (!peer || (socket->kind == FAKE_TCP && socket->dead))
        return -ENOTCONN;
    bool again = socket->shut_write;
    socket->shut_write = true;
    socket->changes++;
    if (socket->kind == FAKE_VSOCK)
        socket->done = false; /* vsock_shutdown() clears SOCK_DONE */
    if (again)
        return 0;
    if (in_order_at_once(socket)) {
        peer->ended = true;
        peer->changes++;
    } else if (peer->tail == NET_TAIL_NONE && !socket->peer_closed) {
        peer->tail = NET_TAIL_END;
        deliver_soon(peer);
    }
    wake_both(socket);
    return 0;
}

/* Nobody reads it any more. vsock: no credit goes back for it, so the sender gets no room. */
static void forget_arrived(struct net_socket *socket)
{
    if (socket->kind == FAKE_VSOCK || socket->arrived == 0)
        return;
    socket->queue_first = (socket->queue_first + socket->arrived) % socket->queue_size;
    socket->queued -= socket->arrived;
    socket->arrived = 0;
}

/* A reset overtakes what is still to be sent, all but what is on the wire. */
static void send_reset(struct net_socket *to)
{
    struct fake *fake = to->fake;
    size_t on_the_wire = in_transit(to);

    if (receive_room_left(to) < on_the_wire)
        on_the_wire = receive_room_left(to);
    if (to->kind == FAKE_TCP)
        to->queued = to->arrived + random_below(&fake->random, on_the_wire + 1);
    to->tail = NET_TAIL_RESET;
    deliver_soon(to);
}

static bool close_at_once(struct net_socket *socket)
{
    struct net_socket *peer = socket->peer;
    bool unread = socket->arrived > 0;

    peer->ended = true;
    peer->peer_closed = true;
    peer->changes++;
    if (unread && socket->kind == FAKE_UNIX)
        peer->error = ECONNRESET;
    return !unread;
}

bool net_close(struct net_socket *socket)
{
    struct net_socket *peer = socket->peer;
    bool good = true;

    if (socket->closed)
        return true;
    socket->closed = true;
    if (!peer)
        return true;
    if (in_order_at_once(socket)) {
        good = close_at_once(socket);
    } else if (socket->kind == FAKE_VSOCK) {
        if (peer->tail == NET_TAIL_NONE || peer->tail == NET_TAIL_END)
            peer->tail = NET_TAIL_CLOSE;
    } else if (!socket->dead) {
        good = socket->arrived == 0;
        if (!good)
            send_reset(peer);
        else if (!socket->shut_write)
            peer->tail = NET_TAIL_END;
        socket->shut_write = true;
    }
    forget_arrived(socket);
    deliver_soon(socket);
    deliver_soon(peer);
    wake(peer);
    return good;
}

void net_reset(struct net_socket *socket)
{
    struct net_socket *peer = socket->peer;

    if (socket->closed)
        return;
    if (!peer || in_order_at_once(socket)) {
        net_close(socket);
        return;
    }
    socket->closed = true;
    forget_arrived(socket);
    if (!(socket->kind == FAKE_TCP && socket->dead))
        send_reset(peer);
    wake(peer);
}

void net_die(struct net_socket *socket)
{
    struct net_socket *peer = socket->peer;

    if (socket->kind != FAKE_VSOCK || socket->closed) {
        net_reset(socket);
        return;
    }
    socket->closed = true;
    forget_arrived(socket);
    peer->tail = NET_TAIL_DIED;
    deliver_soon(peer);
}

void net_break(struct net_socket *socket, int error)
{
    if (socket->kind != FAKE_TCP || socket->closed || !socket->peer) {
        net_reset(socket);
        return;
    }
    struct net_socket *peer = socket->peer;
    socket->closed = true;
    socket->dead = true;
    forget_arrived(socket);
    drop_transit(peer);
    peer->tail = NET_TAIL_NONE;
    if (!peer->dead) {
        peer->error = error;
        peer->dead = true;
        peer->changes++;
    }
    wake(peer);
}

void net_describe(const struct net_socket *socket, char *text, size_t bytes)
{
    static const char *const kinds[] = {"tcp", "unix", "vsock", "file"};
    snprintf(text, bytes,
             "%s socket %u: arrived %zu, on the way %zu, room to send %zu%s%s%s%s%s%s, error %d",
             kinds[socket->kind], socket->number, socket->arrived, in_transit(socket),
             socket->peer ? room_toward(socket->peer) : 0, socket->tail ? ", tail" : "",
             socket->ended ? ", ended" : "", socket->peer_closed ? ", peer closed" : "",
             socket->dead ? ", dead" : "", socket->shut_write ? ", shut for writing" : "",
             socket->closed ? ", closed" : "", socket->error);
}

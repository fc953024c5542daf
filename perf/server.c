/* Serving load connections. */
#include "perf/server.h"

#include "perf/pattern.h"
#include "perf/protocol.h"
#include "ring/socket.h"
#include "ring/verdict.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEND_BYTES_MAX (256 * 1024)

#define ACCEPT_PAUSE_NS UINT64_C(100000000)

struct server {
    struct ring *ring;
    struct server_options options;
    struct ring_op accept;
    struct ring_op accept_cancel;
    struct ring_op stop;
    struct ring_timer pause;
    struct ring_timer stall;
    bool stopping;
    bool stalled;
    struct client *first;
};

/* One connection. It sends and receives at once; it closes when both are at rest. */
struct client {
    struct server *server;
    struct client *next;
    struct client **link;
    int fd;
    bool welcome; /* its header was read, and is right */
    bool ended;   /* end-of-file has been read */
    bool last;    /* closes when nothing is owed any more */
    bool closing;
    bool broken; /* closes with a reset */
    uint8_t header_length;
    uint8_t answer_left;
    uint8_t header_bytes[PROTOCOL_HEADER_BYTES];
    uint8_t answer[PROTOCOL_ANSWER_BYTES];
    struct protocol_header header;
    struct pattern up;
    struct pattern down;
    uint64_t received; /* of the request that is not whole yet */
    uint64_t owed;     /* bytes of answers that are not sent yet */
    struct ring_op receive;
    struct ring_op send;
    struct ring_op cancel;
};

static void received(struct ring_op *op, int result, unsigned flags);
static void sent(struct ring_op *op, int result, unsigned flags);

static void client_join(struct client *client)
{
    if (client->receive.in_flight || client->send.in_flight || client->cancel.in_flight)
        return;
    if (client->broken)
        ring_socket_reset(client->fd);
    else
        ring_socket_close(client->fd);
    *client->link = client->next;
    if (client->next)
        client->next->link = client->link;
    free(client);
}

static void client_cancelled(struct ring_op *op, int result, unsigned flags)
{
    client_join((void *)((char *)op - offsetof(struct client, cancel)));
}

/* The client may be gone on return. */
static void client_close(struct client *client, bool broken)
{
    if (client->closing)
        return;
    client->closing = true;
    client->broken = broken;
    if (client->receive.in_flight || client->send.in_flight)
        ring_cancel(client->server->ring, &client->cancel, client_cancelled, client->fd);
    client_join(client);
}

static void client_receive(struct client *client)
{
    ring_receive(client->server->ring, &client->receive, received, client->fd);
}

static uint64_t client_owes(const struct client *client)
{
    bool streams = client->header.mode == PROTOCOL_DOWN || client->header.mode == PROTOCOL_BOTH;

    if (client->welcome && streams)
        return client->ended ? 0 : SEND_BYTES_MAX;
    return client->owed < SEND_BYTES_MAX ? client->owed : SEND_BYTES_MAX;
}

/* Sends what is left of the answer to the header, then load. The client may be gone on return. */
static void client_send(struct client *client)
{
    struct ring *ring = client->server->ring;
    uint64_t owed = client_owes(client);
    size_t length;

    if (client->send.in_flight)
        return;
    if (client->answer_left) {
        ring_send(ring, &client->send, sent, client->fd,
                  client->answer + PROTOCOL_ANSWER_BYTES - client->answer_left,
                  client->answer_left);
    } else if (owed) {
        const char *bytes = pattern_next(&client->down, (size_t)owed, &length);
        ring_send(ring, &client->send, sent, client->fd, bytes, length);
    } else if (client->last) {
        client_close(client, false);
    }
}

static void writable(struct ring_op *op, int result, unsigned flags)
{
    struct client *client = (void *)((char *)op - offsetof(struct client, send));

    if (client->closing)
        client_join(client);
    else
        client_send(client);
}

static void client_delivered(struct client *client, size_t length)
{
    if (client->answer_left) {
        client->answer_left -= (uint8_t)length;
    } else {
        pattern_advance(&client->down, length);
        if (client->owed)
            client->owed -= length;
    }
    client_send(client);
}

static void sent(struct ring_op *op, int result, unsigned flags)
{
    struct client *client = (void *)((char *)op - offsetof(struct client, send));

    if (client->closing) {
        client_join(client);
        return;
    }
    switch (ring_send_verdict(result)) {
    case RING_OK: client_delivered(client, (size_t)result); break;
    case RING_RETRY: client_send(client); break;
    case RING_WAIT:
        ring_poll(client->server->ring, &client->send, writable, client->fd, POLLOUT);
        break;
    default: client_close(client, true); break;
    }
}

static void stall(struct ring_timer *timer)
{
    struct server *server = (void *)((char *)timer - offsetof(struct server, stall));
    struct timespec time = {
        .tv_sec = (time_t)(server->options.stall_ns / 1000000000),
        .tv_nsec = (long)(server->options.stall_ns % 1000000000),
    };
    nanosleep(&time, NULL);
}

static void plan_stall(struct server *server)
{
    if (server->stalled || server->options.stall_ns == 0)
        return;
    server->stalled = true;
    ring_timer_arm(server->ring, &server->stall,
                   ring_now_ns(server->ring) + server->options.stall_after_ns, stall);
}

static void header_whole(struct client *client)
{
    enum protocol_status status = protocol_header_read(client->header_bytes, &client->header);

    protocol_answer_write(status, client->answer);
    client->answer_left = PROTOCOL_ANSWER_BYTES;
    client->welcome = status == PROTOCOL_WELCOME;
    client->last = !client->welcome;
    pattern_start(&client->up, client->header.seed, client->header.stream, PATTERN_UP);
    pattern_start(&client->down, client->header.seed, client->header.stream, PATTERN_DOWN);
}

/* Counts whole requests, each of which is owed an answer. */
static void take_requests(struct client *client, size_t length)
{
    client->received += length;
    while (client->received >= client->header.request && !client->last) {
        client->received -= client->header.request;
        client->owed += client->header.response;
        client->last = client->header.flags & PROTOCOL_ONCE;
        plan_stall(client->server);
    }
}

/* false: they are not the bytes that were to come. */
static bool take(struct client *client, const char *bytes, size_t length)
{
    size_t of_header = PROTOCOL_HEADER_BYTES - client->header_length;

    if (of_header > length)
        of_header = length;
    memcpy(client->header_bytes + client->header_length, bytes, of_header);
    client->header_length += (uint8_t)of_header;
    if (of_header && client->header_length == PROTOCOL_HEADER_BYTES)
        header_whole(client);
    bytes += of_header;
    length -= of_header;
    if (!client->welcome || length == 0)
        return true;
    if (client->header.flags & PROTOCOL_VERIFY && !pattern_check(&client->up, bytes, length))
        return false;
    if (client->header.mode == PROTOCOL_RR)
        take_requests(client, length);
    return true;
}

static void client_received(struct client *client, size_t length, unsigned buffer)
{
    struct ring *ring = client->server->ring;
    bool right = take(client, ring_buffer(ring, buffer), length);

    ring_buffer_return(ring, buffer);
    if (!right) {
        fprintf(stderr, "vsluice-load: stream %llu: the bytes received are not the ones sent\n",
                (unsigned long long)client->header.stream);
        client_close(client, true);
        return;
    }
    client_receive(client);
    client_send(client);
}

static void received(struct ring_op *op, int result, unsigned flags)
{
    struct client *client = (void *)((char *)op - offsetof(struct client, receive));

    if (client->closing) {
        if (flags & RING_BUFFER)
            ring_buffer_return(client->server->ring, ring_flags_buffer(flags));
        client_join(client);
        return;
    }
    switch (ring_receive_verdict(result)) {
    case RING_OK: client_received(client, (size_t)result, ring_flags_buffer(flags)); break;
    case RING_RETRY: client_receive(client); break;
    case RING_END:
        client->ended = true;
        client->last = true;
        client_send(client);
        break;
    default: client_close(client, true); break;
    }
}

static void accept_more(struct server *server);

static void pause_over(struct ring_timer *timer)
{
    accept_more((void *)((char *)timer - offsetof(struct server, pause)));
}

static void client_new(struct server *server, int fd)
{
    struct client *client = calloc(1, sizeof(*client));

    if (!client) {
        ring_socket_reset(fd);
        return;
    }
    client->server = server;
    client->fd = fd;
    client->next = server->first;
    client->link = &server->first;
    if (client->next)
        client->next->link = &client->next;
    server->first = client;
    client_receive(client);
}

static void accepted(struct ring_op *op, int result, unsigned flags)
{
    struct server *server = (void *)((char *)op - offsetof(struct server, accept));

    if (result >= 0 && server->stopping)
        ring_socket_reset(result);
    else if (result >= 0)
        client_new(server, result);
    if (flags & RING_MORE || server->stopping)
        return;
    if (ring_accept_verdict(result) == RING_EXHAUSTED)
        ring_timer_arm(server->ring, &server->pause, ring_now_ns(server->ring) + ACCEPT_PAUSE_NS,
                       pause_over);
    else
        accept_more(server);
}

static void accept_more(struct server *server)
{
    ring_accept(server->ring, &server->accept, accepted, server->options.listener, true);
}

static void accept_cancelled(struct ring_op *op, int result, unsigned flags)
{
}

static void stop(struct ring_op *op, int result, unsigned flags)
{
    struct server *server = (void *)((char *)op - offsetof(struct server, stop));
    struct client *next;

    server->stopping = true;
    ring_timer_disarm(server->ring, &server->pause);
    ring_timer_disarm(server->ring, &server->stall);
    if (server->accept.in_flight)
        ring_cancel(server->ring, &server->accept_cancel, accept_cancelled,
                    server->options.listener);
    for (struct client *client = server->first; client; client = next) {
        next = client->next;
        client_close(client, true);
    }
}

int server_run(const struct server_options *options)
{
    struct server server = {.options = *options};
    struct ring_options ring_options = {.entries = 4096};

    int error = ring_new(&server.ring, &ring_options);
    if (error < 0)
        return error;
    accept_more(&server);
    ring_poll(server.ring, &server.stop, stop, options->stop, POLLIN);
    while (!server.stopping || server.first || ring_in_flight(server.ring)) {
        error = ring_turn(server.ring);
        if (error < 0)
            return error;
    }
    ring_free(server.ring);
    return 0;
}

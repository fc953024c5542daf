/* Serving load connections. */
#include "perf/server.h"

#include "perf/pattern.h"
#include "perf/protocol.h"
#include "perf/stream.h"
#include "ring/clock.h"
#include "ring/socket.h"
#include "ring/verdict.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ANSWER_BYTES_MAX (256 * 1024) /* sent at once */

#define ACCEPT_PAUSE_NS UINT64_C(100000000)

/* How long one that sent wrong bytes has to read that they were. */
#define WRONG_NS UINT64_C(1000000000)

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
    char *buffer; /* of streams: nothing stays in it */
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
    bool wrong;   /* sent bytes that are not the pattern: is told so, and gets nothing else */
    bool closing;
    bool broken; /* closes with a reset */
    uint8_t header_length;
    uint8_t header_bytes[PROTOCOL_HEADER_BYTES];
    uint8_t answers[2 * PROTOCOL_ANSWER_BYTES]; /* to the header, and to wrong bytes */
    uint8_t answers_length;
    uint8_t answers_sent;
    struct protocol_header header;
    struct pattern up;
    struct pattern down;
    uint64_t received; /* of the request that is not whole yet */
    uint64_t owed;     /* bytes of answers that are not sent yet */
    struct ring_op receive;
    struct ring_op send;
    struct ring_op cancel;
    struct ring_timer wrong_over;
};

static void received(struct ring_op *op, int result, unsigned flags);
static void readable(struct ring_op *op, int result, unsigned flags);
static void writable(struct ring_op *op, int result, unsigned flags);
static void sent(struct ring_op *op, int result, unsigned flags);

static void client_join(struct client *client)
{
    if (client->receive.in_flight || client->send.in_flight || client->cancel.in_flight)
        return;
    ring_timer_disarm(client->server->ring, &client->wrong_over);
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
    struct ring *ring = client->server->ring;

    if (!client->welcome)
        ring_receive(ring, &client->receive, received, client->fd);
    else if (client->header.mode == PROTOCOL_RR)
        ring_receive_on(ring, &client->receive, received, client->fd);
    else
        ring_poll(ring, &client->receive, readable, client->fd, POLLIN);
}

static bool client_streams(const struct client *client)
{
    return client->welcome && !client->wrong && !client->ended &&
           (client->header.mode == PROTOCOL_DOWN || client->header.mode == PROTOCOL_BOTH);
}

/* The client may be gone on return. */
static void client_stream(struct client *client)
{
    ssize_t count = stream_send(client->fd, &client->down, STREAM_SEND_BYTES);

    if (count > 0 || ring_send_verdict((int)count) == RING_WAIT)
        ring_poll(client->server->ring, &client->send, writable, client->fd, POLLOUT);
    else
        client_close(client, true);
}

static void add_answer(struct client *client, enum protocol_status status)
{
    protocol_answer_write(status, client->answers + client->answers_length);
    client->answers_length += PROTOCOL_ANSWER_BYTES;
}

static void wrong_over(struct ring_timer *timer)
{
    client_close((void *)((char *)timer - offsetof(struct client, wrong_over)), true);
}

/* Sends what is left of the answers, then load. The client may be gone on return. */
static void client_send(struct client *client)
{
    struct ring *ring = client->server->ring;
    uint64_t owed = client->owed < ANSWER_BYTES_MAX ? client->owed : ANSWER_BYTES_MAX;
    size_t length;

    if (client->send.in_flight)
        return;
    if (client->wrong && client->answers_length == PROTOCOL_ANSWER_BYTES)
        add_answer(client, PROTOCOL_WRONG_BYTES);
    if (client->answers_sent < client->answers_length) {
        ring_send(ring, &client->send, sent, client->fd, client->answers + client->answers_sent,
                  client->answers_length - client->answers_sent);
    } else if (client_streams(client)) {
        client_stream(client);
    } else if (owed && !client->wrong) {
        const char *bytes = pattern_next(&client->down, (size_t)owed, &length);
        ring_send(ring, &client->send, sent, client->fd, bytes, length);
    } else if (client->wrong) {
        ring_socket_shutdown_write(client->fd);
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
    if (client->answers_sent < client->answers_length) {
        client->answers_sent += (uint8_t)length;
    } else {
        pattern_advance(&client->down, length);
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
    uint64_t since_ns = clock_ns();

    nanosleep(&time, NULL);
    fprintf(stderr, "stalled for %.3f ms\n", (double)(clock_ns() - since_ns) / 1e6);
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

    add_answer(client, status);
    client->welcome = status == PROTOCOL_WELCOME;
    client->last = !client->welcome;
    if (client->header.flags & PROTOCOL_VERIFY) {
        pattern_start(&client->up, client->header.seed, client->header.stream, PATTERN_UP);
        pattern_start(&client->down, client->header.seed, client->header.stream, PATTERN_DOWN);
    } else {
        pattern_start_unchecked(&client->down);
    }
    if (client->welcome && client->header.mode != PROTOCOL_RR)
        stream_prepare(client->fd);
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

/* Reads on for a while without looking: closed with bytes unread, it would be reset, and the reset
 * overtake the answer. */
static void found_wrong(struct client *client)
{
    struct ring *ring = client->server->ring;

    fprintf(stderr, "vsluice-load: stream %llu: the bytes received are not the ones sent\n",
            (unsigned long long)client->header.stream);
    client->wrong = true;
    ring_timer_arm(ring, &client->wrong_over, ring_now_ns(ring) + WRONG_NS, wrong_over);
}

static bool client_take(void *owner, const char *bytes, size_t length)
{
    struct client *client = owner;

    if (!client->wrong && !take(client, bytes, length))
        found_wrong(client);
    return true;
}

static void client_ended(struct client *client)
{
    client->ended = true;
    client->last = true;
    if (client->wrong)
        client_close(client, false);
    else
        client_send(client);
}

/* What receiving came to. more: it goes on by itself. The client may be gone on return. */
static void client_received(struct client *client, int result, bool more)
{
    switch (ring_receive_verdict(result)) {
    case RING_OK:
    case RING_RETRY:
    case RING_WAIT:
    case RING_EXHAUSTED: /* the buffers come back within this turn */
        if (!more)
            client_receive(client);
        client_send(client);
        break;
    case RING_END: client_ended(client); break;
    default: client_close(client, true); break;
    }
}

static void received(struct ring_op *op, int result, unsigned flags)
{
    struct client *client = (void *)((char *)op - offsetof(struct client, receive));
    struct ring *ring = client->server->ring;
    unsigned buffer = ring_flags_buffer(flags);

    if (flags & RING_BUFFER) {
        if (!client->closing)
            client_take(client, ring_buffer(ring, buffer), (size_t)result);
        ring_buffer_return(ring, buffer);
    }
    if (client->closing)
        client_join(client);
    else
        client_received(client, result, flags & RING_MORE);
}

static void readable(struct ring_op *op, int result, unsigned flags)
{
    struct client *client = (void *)((char *)op - offsetof(struct client, receive));

    if (client->closing)
        client_join(client);
    else
        client_received(
            client, (int)stream_receive(client->fd, client->server->buffer, client_take, client),
            false);
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
    struct server server = {.options = *options, .buffer = malloc(STREAM_RECEIVE_BYTES)};
    struct ring_options ring_options = {.entries = 4096};

    int error = server.buffer ? ring_new(&server.ring, &ring_options) : -ENOMEM;
    if (error < 0) {
        free(server.buffer);
        return error;
    }
    accept_more(&server);
    ring_poll(server.ring, &server.stop, stop, options->stop, POLLIN);
    while (!server.stopping || server.first || ring_in_flight(server.ring)) {
        error = ring_turn(server.ring);
        if (error < 0)
            return error;
    }
    ring_free(server.ring);
    free(server.buffer);
    return 0;
}

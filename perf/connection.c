/* The life of a load connection. */
#include "perf/connection.h"

#include "perf/stream.h"
#include "ring/clock.h"
#include "ring/socket.h"
#include "ring/verdict.h"
#include "vsock/vsock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/* A crr request of up to this size goes out in one piece with the header. */
#define TOGETHER_BYTES_MAX (64 * 1024)
#define RETRY_NS           UINT64_C(1000000)

static void received(struct ring_op *op, int result, unsigned flags);
static void readable(struct ring_op *op, int result, unsigned flags);
static void sent(struct ring_op *op, int result, unsigned flags);
static void send_more(struct connection *connection);

static enum protocol_mode protocol_mode_of(enum load_mode mode)
{
    switch (mode) {
    case LOAD_STREAM_UP: return PROTOCOL_UP;
    case LOAD_STREAM_DOWN: return PROTOCOL_DOWN;
    case LOAD_STREAM_BOTH: return PROTOCOL_BOTH;
    default: return PROTOCOL_RR;
    }
}

static size_t together_bytes(const struct load *load)
{
    bool together = load->mode == LOAD_CRR && load->options.request <= TOGETHER_BYTES_MAX;
    return together ? (size_t)load->options.request : 0;
}

int connection_init(struct connection *connection, struct ring *ring, const struct load *load,
                    uint64_t stream, char *buffer, const struct connection_events *events,
                    void *owner)
{
    size_t room = VSOCK_MUX_REQUEST_BYTES + PROTOCOL_HEADER_BYTES + together_bytes(load);

    *connection = (struct connection){
        .ring = ring,
        .load = load,
        .events = events,
        .owner = owner,
        .fd = -1,
        .stream = stream,
        .buffer = buffer,
        .preface = malloc(room),
    };
    return connection->preface ? 0 : -ENOMEM;
}

void connection_deinit(struct connection *connection)
{
    queue_deinit(&connection->planned);
    free(connection->preface);
}

static void copy_pattern(struct pattern *pattern, char *to, size_t length)
{
    while (length > 0) {
        size_t piece;
        const char *bytes = pattern_next(pattern, length, &piece);
        memcpy(to, bytes, piece);
        pattern_advance(pattern, piece);
        to += piece;
        length -= piece;
    }
}

/* The header, and for a crr its request behind it. */
static void write_header(struct connection *connection)
{
    const struct load *load = connection->load;
    size_t together = together_bytes(load);
    struct protocol_header header = {
        .mode = (uint8_t)protocol_mode_of(load->mode),
        .flags = (uint8_t)((load->options.verify ? PROTOCOL_VERIFY : 0) |
                           (load->mode == LOAD_CRR ? PROTOCOL_ONCE : 0)),
        .seed = load->options.seed,
        .stream = connection->stream,
        .request = (uint32_t)load->options.request,
        .response = (uint32_t)load->options.response,
    };

    protocol_header_write(&header, (uint8_t *)connection->preface);
    if (load->options.verify) {
        pattern_start(&connection->up, header.seed, header.stream, PATTERN_UP);
        pattern_start(&connection->down, header.seed, header.stream, PATTERN_DOWN);
    } else {
        pattern_start_unchecked(&connection->up);
    }
    copy_pattern(&connection->up, connection->preface + PROTOCOL_HEADER_BYTES, together);
    connection->preface_length = PROTOCOL_HEADER_BYTES + together;
    connection->preface_sent = 0;
    connection->answer_length = 0;
    connection->to_send = load->mode == LOAD_CRR ? load->options.request - together : 0;
}

static void connection_join(struct connection *connection)
{
    if (connection->connect.in_flight || connection->receive.in_flight ||
        connection->send.in_flight || connection->cancel.in_flight)
        return;
    ring_timer_disarm(connection->ring, &connection->retry);
    ring_timer_disarm(connection->ring, &connection->deadline);
    if (connection->reset)
        ring_socket_reset(connection->fd);
    else
        ring_socket_close(connection->fd);
    connection->fd = -1;
    connection->state = CONNECTION_CLOSED;
    connection->planned.count = 0;
    connection->in_flight = 0;
    connection->events->closed(connection, connection->end, connection->error);
}

static void cancelled(struct ring_op *op, int result, unsigned flags)
{
    connection_join((void *)((char *)op - offsetof(struct connection, cancel)));
}

/* The connection may be open again on return. */
static void finish(struct connection *connection, enum connection_end end, int error)
{
    if (connection->state == CONNECTION_CLOSING)
        return;
    connection->state = CONNECTION_CLOSING;
    connection->end = (uint8_t)end;
    connection->error = error;
    connection->reset |= end != CONNECTION_DONE;
    if (connection->connect.in_flight || connection->receive.in_flight ||
        connection->send.in_flight)
        ring_cancel(connection->ring, &connection->cancel, cancelled, connection->fd);
    connection_join(connection);
}

void connection_close(struct connection *connection, bool reset)
{
    if (connection->state == CONNECTION_CLOSED)
        return;
    connection->reset |= reset;
    finish(connection, CONNECTION_DONE, 0);
}

static void too_late(struct ring_timer *timer)
{
    struct connection *connection = (void *)((char *)timer - offsetof(struct connection, deadline));
    bool connecting = connection->state == CONNECTION_CONNECTING;

    finish(connection, connecting ? CONNECTION_REFUSED : CONNECTION_SILENT, -ETIMEDOUT);
}

static void receive(struct connection *connection)
{
    if (!load_is_stream(connection->load))
        ring_receive_on(connection->ring, &connection->receive, received, connection->fd);
    else if (connection->state == CONNECTION_OPEN)
        ring_poll(connection->ring, &connection->receive, readable, connection->fd, POLLIN);
    else
        ring_receive(connection->ring, &connection->receive, received, connection->fd);
}

static bool closing(struct connection *connection)
{
    if (connection->state != CONNECTION_CLOSING)
        return false;
    connection_join(connection);
    return true;
}

static void writable(struct ring_op *op, int result, unsigned flags)
{
    struct connection *connection = (void *)((char *)op - offsetof(struct connection, send));
    if (!closing(connection))
        send_more(connection);
}

static void send_stream(struct connection *connection)
{
    ssize_t count =
        stream_send(connection->fd, &connection->up, (size_t)connection->load->options.size);

    if (count > 0)
        connection->events->sent(connection, (size_t)count);
    if (closing(connection))
        return;
    if (count > 0 || ring_send_verdict((int)count) == RING_WAIT)
        ring_poll(connection->ring, &connection->send, writable, connection->fd, POLLOUT);
    else
        finish(connection, CONNECTION_RESET, (int)count);
}

/* Sends what is left of the preface, then of the load. */
static void send_more(struct connection *connection)
{
    size_t length = connection->preface_length - connection->preface_sent;
    const char *bytes = connection->preface + connection->preface_sent;

    if (connection->send.in_flight || (length == 0 && connection->to_send == 0))
        return;
    if (length == 0 && load_is_stream(connection->load)) {
        send_stream(connection);
        return;
    }
    if (length == 0)
        bytes = pattern_next(&connection->up, (size_t)connection->to_send, &length);
    ring_send(connection->ring, &connection->send, sent, connection->fd, bytes, length);
}

static void delivered(struct connection *connection, size_t length)
{
    if (connection->preface_sent < connection->preface_length) {
        connection->preface_sent += length;
        if (connection->state == CONNECTION_OPENING &&
            connection->preface_sent == connection->preface_length)
            connection->events->sent(connection, together_bytes(connection->load));
    } else {
        pattern_advance(&connection->up, length);
        connection->to_send -= length;
        connection->events->sent(connection, length);
    }
    if (!closing(connection))
        send_more(connection);
}

static void sent(struct ring_op *op, int result, unsigned flags)
{
    struct connection *connection = (void *)((char *)op - offsetof(struct connection, send));

    if (closing(connection))
        return;
    switch (ring_send_verdict(result)) {
    case RING_OK: delivered(connection, (size_t)result); break;
    case RING_RETRY: send_more(connection); break;
    case RING_WAIT:
        ring_poll(connection->ring, &connection->send, writable, connection->fd, POLLOUT);
        break;
    default: finish(connection, CONNECTION_RESET, result); break;
    }
}

/* Hands the next request that waits to the socket. */
static void issue(struct connection *connection)
{
    while (connection->state == CONNECTION_OPEN &&
           connection->in_flight < connection->load->options.depth &&
           connection->in_flight < connection->planned.count) {
        connection->in_flight++;
        connection->to_send += connection->load->options.request;
    }
    send_more(connection);
}

bool connection_request(struct connection *connection, uint64_t planned_ns)
{
    if (!queue_push(&connection->planned, planned_ns))
        return false;
    issue(connection);
    return true;
}

void connection_stream(struct connection *connection)
{
    if (connection->load->mode == LOAD_STREAM_DOWN)
        return;
    connection->to_send = UINT64_MAX;
    send_more(connection);
}

void connection_quiet(struct connection *connection)
{
    connection->to_send = 0;
}

static void take_answers(struct connection *connection, size_t length)
{
    bool crr = connection->load->mode == LOAD_CRR;

    while (length > 0 && connection->state == CONNECTION_OPEN) {
        if (!crr && connection->in_flight == 0) {
            finish(connection, CONNECTION_PROTOCOL, -EPROTO);
            return;
        }
        uint64_t piece = length < connection->to_receive ? length : connection->to_receive;
        length -= (size_t)piece;
        connection->to_receive -= piece;
        if (connection->to_receive > 0)
            return;
        connection->to_receive = connection->load->options.response;
        connection->answered = true;
        if (!crr)
            connection->in_flight--;
        connection->events->answered(connection, crr ? connection->planned_ns
                                                     : queue_pop(&connection->planned));
    }
    if (connection->state == CONNECTION_OPEN && !crr)
        issue(connection);
}

static void take_load(struct connection *connection, const char *bytes, size_t length)
{
    const struct load *load = connection->load;

    if (length == 0)
        return;
    if (!connection->got_a_byte)
        connection->events->first_byte(connection);
    connection->got_a_byte = true;
    if (load->options.verify && !pattern_check(&connection->down, bytes, length)) {
        finish(connection, CONNECTION_VERIFY, 0);
        return;
    }
    connection->events->received(connection, length);
    if (!load_is_stream(load))
        take_answers(connection, length);
}

/* The server's answer to the header. */
static void take_welcome(struct connection *connection)
{
    unsigned version;
    int error = protocol_answer_read(connection->answer, &version);

    if (error) {
        finish(connection, CONNECTION_PROTOCOL, error);
        return;
    }
    connection->state = CONNECTION_OPEN;
    connection->welcome = true;
    if (load_is_stream(connection->load))
        stream_prepare(connection->fd);
    ring_timer_disarm(connection->ring, &connection->deadline);
    connection->to_receive = connection->load->options.response;
    connection->events->opened(connection);
}

static void take(struct connection *connection, unsigned buffer, size_t length)
{
    const char *bytes = ring_buffer(connection->ring, buffer);

    if (connection->state == CONNECTION_OPENING) {
        size_t of_answer = PROTOCOL_ANSWER_BYTES - connection->answer_length;
        if (of_answer > length)
            of_answer = length;
        memcpy(connection->answer + connection->answer_length, bytes, of_answer);
        connection->answer_length += of_answer;
        bytes += of_answer;
        length -= of_answer;
        if (connection->answer_length == PROTOCOL_ANSWER_BYTES)
            take_welcome(connection);
    }
    if (connection->state == CONNECTION_OPEN)
        take_load(connection, bytes, length);
}

static void end_of_file(struct connection *connection)
{
    if (connection->load->mode == LOAD_CRR && connection->answered)
        finish(connection, CONNECTION_DONE, 0);
    else
        finish(connection, CONNECTION_EARLY, 0);
}

static void received(struct ring_op *op, int result, unsigned flags)
{
    struct connection *connection = (void *)((char *)op - offsetof(struct connection, receive));

    if (connection->state == CONNECTION_CLOSING) {
        if (flags & RING_BUFFER)
            ring_buffer_return(connection->ring, ring_flags_buffer(flags));
        connection_join(connection);
        return;
    }
    switch (ring_receive_verdict(result)) {
    case RING_OK:
        /* Armed first: whatever the bytes lead to, closing included, finds an operation to wait
         * for. */
        if (!(flags & RING_MORE))
            receive(connection);
        take(connection, ring_flags_buffer(flags), (size_t)result);
        ring_buffer_return(connection->ring, ring_flags_buffer(flags));
        break;
    case RING_RETRY:
    case RING_EXHAUSTED: receive(connection); break; /* the buffers come back within this turn */
    case RING_END: end_of_file(connection); break;
    default: finish(connection, CONNECTION_RESET, result); break;
    }
}

static bool take_stream(void *owner, const char *bytes, size_t length)
{
    struct connection *connection = owner;

    take_load(connection, bytes, length);
    return connection->state == CONNECTION_OPEN;
}

static void readable(struct ring_op *op, int result, unsigned flags)
{
    struct connection *connection = (void *)((char *)op - offsetof(struct connection, receive));

    if (closing(connection))
        return;
    receive(connection); /* first, as in received() */
    int end = (int)stream_receive(connection->fd, connection->buffer, take_stream, connection);
    if (end == 0)
        end_of_file(connection);
    else if (end != -EAGAIN)
        finish(connection, CONNECTION_RESET, end);
}

/* Connected, up to whom the endpoint names. */
static void open_load(struct connection *connection)
{
    connection->connected_ns = ring_now_ns(connection->ring);
    if (!connection->events->connected(connection))
        return;
    write_header(connection);
    connection->state = CONNECTION_OPENING;
    receive(connection);
    send_more(connection);
}

static void greet_readable(struct ring_op *op, int result, unsigned flags)
{
    struct connection *connection = (void *)((char *)op - offsetof(struct connection, send));
    size_t known = connection->answer_length;

    if (closing(connection))
        return;
    ssize_t count = ring_socket_receive_now(connection->fd, connection->answer + known,
                                            VSOCK_MUX_REPLY_BYTES_MAX - known, MSG_PEEK);
    int answer =
        count > 0 ? vsock_mux_reply_scan((char *)connection->answer, known + (size_t)count) : 0;
    if (count <= 0 || answer == -EPROTO) {
        finish(connection, CONNECTION_REFUSED, count < 0 ? (int)count : -ECONNREFUSED);
        return;
    }
    size_t of_answer = answer > 0 ? (size_t)answer - known : (size_t)count;
    if (ring_socket_receive_now(connection->fd, connection->answer + known, of_answer, 0) !=
        (ssize_t)of_answer) {
        finish(connection, CONNECTION_REFUSED, -ECONNRESET);
        return;
    }
    connection->answer_length += of_answer;
    if (answer > 0)
        open_load(connection);
    else
        ring_poll(connection->ring, &connection->send, greet_readable, connection->fd, POLLIN);
}

/* CONNECT went out, in one piece as the VMM wants it. */
static void greeted(struct ring_op *op, int result, unsigned flags)
{
    struct connection *connection = (void *)((char *)op - offsetof(struct connection, send));

    if (closing(connection))
        return;
    if (result != (int)connection->preface_length)
        finish(connection, CONNECTION_REFUSED, result < 0 ? result : -EMSGSIZE);
    else
        ring_poll(connection->ring, &connection->send, greet_readable, connection->fd, POLLIN);
}

static void try_connect(struct connection *connection);

static void retry(struct ring_timer *timer)
{
    try_connect((void *)((char *)timer - offsetof(struct connection, retry)));
}

static void connected(struct ring_op *op, int result, unsigned flags)
{
    struct connection *connection = (void *)((char *)op - offsetof(struct connection, connect));

    if (closing(connection))
        return;
    if (connection->fd < 0)
        result = connection->fd;
    if (result == -EAGAIN) {
        ring_timer_arm(connection->ring, &connection->retry,
                       ring_now_ns(connection->ring) + RETRY_NS, retry);
    } else if (result < 0) {
        finish(connection, CONNECTION_REFUSED, result);
    } else if (!connection->load->mux) {
        open_load(connection);
    } else {
        connection->state = CONNECTION_GREETING;
        connection->answer_length = 0;
        connection->preface_length =
            vsock_mux_request_format(connection->load->mux_port, connection->preface);
        ring_send(connection->ring, &connection->send, greeted, connection->fd, connection->preface,
                  connection->preface_length);
    }
}

static void try_connect(struct connection *connection)
{
    const struct address *address = &connection->load->address;

    ring_connect(connection->ring, &connection->connect, connected, connection->fd,
                 (const struct sockaddr *)&address->storage, address->length);
}

void connection_open(struct connection *connection, uint64_t planned_ns)
{
    const struct address *address = &connection->load->address;
    int on = 1;

    connection->state = CONNECTION_CONNECTING;
    connection->planned_ns = planned_ns;
    connection->started_ns = clock_ns();
    connection->connected_ns = 0;
    connection->answered = false;
    connection->reset = false;
    connection->got_a_byte = false;
    connection->welcome = false;
    connection->fd = ring_socket_open(address->storage.ss_family, SOCK_STREAM);
    if (connection->fd >= 0 && address_transport(address) == TRANSPORT_TCP)
        ring_socket_set(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    ring_timer_arm(connection->ring, &connection->deadline,
                   connection->started_ns + CONNECTION_OPEN_NS, too_late);
    try_connect(connection);
}

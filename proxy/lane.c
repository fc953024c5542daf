/* One direction of a session: receive, send all of it, receive again. */
#include "proxy/lane.h"

#include "ring/socket.h"
#include "ring/verdict.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>

/* Up to 6.6, vsock allocates what one send carries in one piece, which fails when memory is
 * fragmented. */
#define VSOCK_SEND_BYTES_MAX (32 * 1024)

static void received(struct ring_op *op, int result, unsigned flags);
static void sent(struct ring_op *op, int result, unsigned flags);

struct session *lane_session(struct lane *lane)
{
    return (void *)((char *)(lane - lane->source) - offsetof(struct session, lanes));
}

static struct side *source_of(struct lane *lane)
{
    return &lane_session(lane)->sides[lane->source];
}

static struct side *sink_of(struct lane *lane)
{
    return &lane_session(lane)->sides[!lane->source];
}

static struct ring *ring_of(struct lane *lane)
{
    return lane_session(lane)->sessions->ring;
}

static void give_back(struct lane *lane)
{
    if (lane->length == 0)
        return;
    ring_buffer_return(ring_of(lane), lane->buffer);
    lane->length = 0;
}

static void receive(struct lane *lane)
{
    struct side *source = source_of(lane);

    assert(lane->length == 0);
    if (source->transport == TRANSPORT_FILE)
        ring_read(ring_of(lane), &lane->receive, received, source->fd);
    else
        ring_receive(ring_of(lane), &lane->receive, received, source->fd);
}

static void send_rest(struct lane *lane)
{
    struct side *sink = sink_of(lane);
    const char *data = ring_buffer(ring_of(lane), lane->buffer) + lane->offset;
    size_t length = lane->length - lane->offset;

    lane->state = LANE_SENDING;
    if (sink->transport == TRANSPORT_VSOCK && length > VSOCK_SEND_BYTES_MAX)
        length = VSOCK_SEND_BYTES_MAX;
    if (sink->transport == TRANSPORT_FILE) {
        /* A write waits where a send would say that the sink is full. */
        session_watch(lane_session(lane), source_of(lane));
        ring_write(ring_of(lane), &lane->send, sent, sink->fd_write, data, length);
    } else {
        ring_send(ring_of(lane), &lane->send, sent, sink->fd_write, data, length);
    }
}

static void reset_by(struct session *session, unsigned side, int error)
{
    session_stop(session, side == SIDE_INITIATOR ? REASON_INITIATOR_RESET : REASON_TARGET_RESET,
                 error);
}

static void discard(struct lane *lane)
{
    lane->state = LANE_DISCARDING;
    session_lane_changed(lane_session(lane), lane);
}

/* The sink takes no more bytes. What it has sent before may still be on its way through the other
 * lane. */
static void sink_failed(struct lane *lane, int error)
{
    struct side *sink = sink_of(lane);

    lane->lost = true;
    bool may_still_send = sink->transport == TRANSPORT_UNIX || sink->transport == TRANSPORT_VSOCK;
    if (error != -EPIPE || !may_still_send)
        sink->error = error;
    give_back(lane);
    receive(lane);
    discard(lane);
}

void lane_sink_gone(struct lane *lane)
{
    sink_of(lane)->gone = true;
    if (lane->state == LANE_RECEIVING)
        discard(lane);
    else if (lane->state == LANE_BLOCKED)
        sink_failed(lane, -EPIPE);
}

static void blocked(struct lane *lane);

static void writable(struct ring_op *op, int result, unsigned flags)
{
    struct lane *lane = (void *)((char *)op - offsetof(struct lane, send));
    struct session *session = lane_session(lane);

    if (session->state == SESSION_STOPPING)
        session_join(session);
    else if (lane->state != LANE_BLOCKED)
        return;
    else if (result < 0)
        session_stop(session, REASON_SYSTEM, result);
    else
        send_rest(lane);
}

static void blocked(struct lane *lane)
{
    struct side *sink = sink_of(lane);

    if (sink->gone) {
        sink_failed(lane, -EPIPE);
        return;
    }
    lane->state = LANE_BLOCKED;
    session_watch(lane_session(lane), source_of(lane));
    ring_poll(ring_of(lane), &lane->send, writable, sink->fd_write, POLLOUT);
}

/* Memory for the bytes was lacking in the kernel; on vsock it may also say that the VMM is just
 * going. */
static void starved(struct lane *lane, int error)
{
    lane->state = LANE_BLOCKED;
    session_watch(lane_session(lane), source_of(lane));
    session_retry(lane_session(lane), error);
}

void lane_retry(struct lane *lane)
{
    if (lane->state == LANE_BLOCKED && !lane->send.in_flight)
        send_rest(lane);
}

static void delivered(struct lane *lane, uint32_t count)
{
    lane_session(lane)->retries = 0;
    lane->offset += count;
    lane->bytes += count;
    if (lane->offset < lane->length) {
        send_rest(lane);
        return;
    }
    give_back(lane);
    lane->state = LANE_RECEIVING;
    receive(lane);
    if (sink_of(lane)->gone)
        discard(lane);
}

static void sent(struct ring_op *op, int result, unsigned flags)
{
    struct lane *lane = (void *)((char *)op - offsetof(struct lane, send));
    struct session *session = lane_session(lane);

    if (session->state == SESSION_STOPPING) {
        session_join(session);
        return;
    }
    switch (ring_send_verdict(result)) {
    case RING_OK: delivered(lane, (uint32_t)result); break;
    case RING_RETRY: send_rest(lane); break;
    case RING_WAIT: blocked(lane); break;
    case RING_EXHAUSTED: starved(lane, result); break;
    case RING_CLOSED:
    case RING_GONE: sink_failed(lane, result); break;
    default: session_stop(session, REASON_SYSTEM, result); break;
    }
}

/* Standard output has no half-close but its end. */
static void end_writing(struct side *sink)
{
    ring_socket_shutdown_write(sink->fd_write);
    if (sink->transport == TRANSPORT_FILE && sink->fd_write != sink->fd) {
        ring_socket_close(sink->fd_write);
        sink->fd_write = -1;
    }
}

static void end_of_file(struct lane *lane)
{
    struct session *session = lane_session(lane);
    struct side *source = source_of(lane);

    if (source->error) {
        reset_by(session, lane->source, source->error);
        return;
    }
    if (lane->state != LANE_DISCARDING)
        end_writing(sink_of(lane));
    lane->state = LANE_ENDED;
    session_lane_changed(session, lane);
}

static void readable(struct ring_op *op, int result, unsigned flags)
{
    struct lane *lane = (void *)((char *)op - offsetof(struct lane, receive));
    struct session *session = lane_session(lane);

    if (session->state == SESSION_STOPPING)
        session_join(session);
    else if (result < 0)
        session_stop(session, REASON_SYSTEM, result);
    else
        receive(lane);
}

/* Bytes came. */
static void carry(struct lane *lane, uint32_t count, unsigned buffer)
{
    lane->buffer = buffer;
    lane->offset = 0;
    lane->length = count;
    if (lane->state == LANE_DISCARDING) {
        lane->lost = true;
        give_back(lane);
        receive(lane);
    } else {
        send_rest(lane);
    }
}

static void received(struct ring_op *op, int result, unsigned flags)
{
    struct lane *lane = (void *)((char *)op - offsetof(struct lane, receive));
    struct session *session = lane_session(lane);

    if (session->state == SESSION_STOPPING) {
        if (flags & RING_BUFFER)
            ring_buffer_return(ring_of(lane), ring_flags_buffer(flags));
        session_join(session);
        return;
    }
    switch (ring_receive_verdict(result)) {
    case RING_OK: carry(lane, (uint32_t)result, ring_flags_buffer(flags)); break;
    case RING_RETRY: receive(lane); break;
    case RING_WAIT:
        ring_poll(ring_of(lane), &lane->receive, readable, source_of(lane)->fd, POLLIN);
        break;
    case RING_END: end_of_file(lane); break;
    case RING_CLOSED:
    case RING_GONE: reset_by(session, lane->source, result); break;
    case RING_EXHAUSTED: session_stop(session, REASON_NO_MEMORY, result); break;
    default: session_stop(session, REASON_SYSTEM, result); break;
    }
}

void lane_start(struct lane *lane)
{
    lane->state = LANE_RECEIVING;
    receive(lane);
}

void lane_deinit(struct lane *lane)
{
    give_back(lane);
}

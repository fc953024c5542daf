/* The small way of a lane, and what all ways share. */
#include "proxy/lane_internal.h"

#include "proxy/pace.h"
#include "proxy/session_use.h"
#include "proxy/sweep.h"
#include "ring/socket.h"
#include "ring/verdict.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>

static void readable(struct ring_op *op, int result, unsigned flags);
static void received(struct ring_op *op, int result, unsigned flags);
static void sent(struct ring_op *op, int result, unsigned flags);

struct session *lane_session(struct lane *lane)
{
    return (void *)((char *)(lane - lane->source) - offsetof(struct session, lanes));
}

struct side *lane_source(struct lane *lane)
{
    return &lane_session(lane)->sides[lane->source];
}

struct side *lane_sink(struct lane *lane)
{
    return &lane_session(lane)->sides[!lane->source];
}

static struct sessions *sessions_of(struct lane *lane)
{
    return lane_session(lane)->sessions;
}

static struct ring *ring_of(struct lane *lane)
{
    return sessions_of(lane)->ring;
}

static bool holds(const struct lane *lane)
{
    return lane->chain.count > 0 || lane->bulk;
}

static void pop(struct lane *lane, uint32_t count)
{
    uint32_t offset, length;
    unsigned buffer = chain_first(&lane->chain, &sessions_of(lane)->links, &offset, &length);

    if (chain_advance(&lane->chain, &sessions_of(lane)->links, count))
        ring_buffer_return(ring_of(lane), buffer);
}

static void give_back(struct lane *lane)
{
    uint32_t offset, length;

    while (lane->chain.count > 0) {
        chain_first(&lane->chain, &sessions_of(lane)->links, &offset, &length);
        pop(lane, length);
    }
    lane_bulk_give_back(lane);
}

void lane_take_way(struct lane *lane, enum route_lane way)
{
    struct sessions *sessions = sessions_of(lane);

    if (lane->way == way)
        return;
    if (lane->way != ROUTE_LANE_AUTO) {
        sessions->lanes[lane->way]--;
        sessions->totals.ways[way]++;
    }
    sessions->lanes[way]++;
    lane->way = (uint8_t)way;
}

void lane_receive_one(struct lane *lane)
{
    struct side *source = lane_source(lane);

    if (source->transport == TRANSPORT_FILE)
        ring_read(ring_of(lane), &lane->receive, received, source->fd);
    else
        ring_receive(ring_of(lane), &lane->receive, received, source->fd);
}

void lane_receive(struct lane *lane)
{
    struct side *source = lane_source(lane);

    if (source->transport == TRANSPORT_FILE || lane->few < LANE_FEW_MIN)
        lane_receive_one(lane);
    else
        ring_receive_on(ring_of(lane), &lane->receive, received, source->fd);
}

void lane_go_on(struct lane *lane)
{
    assert(!holds(lane) && !lane->receive.in_flight);
    if (lane->state == LANE_RECEIVING && lane_bulk_wanted(lane))
        lane_bulk_choose(lane);
    if (lane->state == LANE_RECEIVING && lane->way != ROUTE_LANE_SMALL)
        lane_bulk_wait(lane);
    else
        lane_receive(lane);
}

static void send_first(struct lane *lane)
{
    struct side *sink = lane_sink(lane);
    uint32_t offset, length;
    unsigned buffer = chain_first(&lane->chain, &sessions_of(lane)->links, &offset, &length);
    const char *data = ring_buffer(ring_of(lane), buffer) + offset;

    lane->state = LANE_SENDING;
    if (sink->transport == TRANSPORT_VSOCK && length > LANE_VSOCK_SEND_BYTES_MAX)
        length = LANE_VSOCK_SEND_BYTES_MAX;
    if (sink->transport == TRANSPORT_FILE) {
        /* A write waits where a send would say that the sink is full. */
        session_watch(lane_session(lane), lane_source(lane));
        ring_write(ring_of(lane), &lane->send, sent, sink->fd_write, data, length);
    } else {
        ring_send(ring_of(lane), &lane->send, sent, sink->fd_write, data, length);
    }
}

static void send_on(struct lane *lane)
{
    if (lane->bulk)
        lane_bulk_move(lane);
    else
        send_first(lane);
}

static void reset_by(struct session *session, unsigned side, int error)
{
    session_stop(session, side == SIDE_INITIATOR ? REASON_INITIATOR_RESET : REASON_TARGET_RESET,
                 error);
}

static void discard(struct lane *lane)
{
    lane->state = LANE_DISCARDING;
    lane_take_way(lane, ROUTE_LANE_SMALL);
    session_lane_changed(lane_session(lane), lane);
}

/* End-of-file that came behind bytes that were held is told when they are gone. */
static void drop_all(struct lane *lane)
{
    give_back(lane);
    if (lane->ended) {
        lane->state = LANE_DISCARDING;
        lane_end_of_file(lane);
        return;
    }
    if (!lane->receive.in_flight)
        lane_receive_one(lane);
    discard(lane);
}

/* The sink takes no more bytes. What it has sent before may still be on its way through the other
 * lane. */
static void sink_failed(struct lane *lane, int error)
{
    struct side *sink = lane_sink(lane);

    lane->lost = true;
    bool may_still_send = sink->transport == TRANSPORT_UNIX || sink->transport == TRANSPORT_VSOCK;
    if (error != -EPIPE || !may_still_send)
        sink->error = error;
    drop_all(lane);
}

void lane_sink_gone(struct lane *lane)
{
    bool waits = lane_session(lane)->pace && pace_wake(lane);

    lane_sink(lane)->gone = true;
    if (waits && !lane->receive.in_flight)
        ring_yield(ring_of(lane), &lane->receive, readable);
    if (lane->state == LANE_RECEIVING)
        discard(lane);
    else if (lane->state == LANE_BLOCKED)
        sink_failed(lane, -EPIPE);
}

void lane_watch_source(struct lane *lane)
{
    if (!lane->receive.in_flight && !lane->ended)
        session_watch(lane_session(lane), lane_source(lane));
}

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
        send_on(lane);
}

/* More than is held now is not wanted. */
static void stop_receiving(struct lane *lane)
{
    if (lane->receive.in_flight && lane->way == ROUTE_LANE_SMALL &&
        lane_source(lane)->transport != TRANSPORT_FILE)
        ring_stop(ring_of(lane), &lane->receive);
}

static void blocked(struct lane *lane)
{
    struct side *sink = lane_sink(lane);

    if (sink->gone) {
        sink_failed(lane, -EPIPE);
        return;
    }
    lane->state = LANE_BLOCKED;
    lane->few = 0;
    stop_receiving(lane);
    lane_watch_source(lane);
    ring_poll(ring_of(lane), &lane->send, writable, sink->fd_write, POLLOUT);
}

/* Memory for the bytes was lacking in the kernel; on vsock it may also say that the VMM is just
 * going. */
static void starved(struct lane *lane, int error)
{
    lane->state = LANE_BLOCKED;
    stop_receiving(lane);
    lane_watch_source(lane);
    session_retry(lane_session(lane), error);
}

void lane_retry(struct lane *lane)
{
    bool receives = lane->state == LANE_RECEIVING || lane->state == LANE_DISCARDING;

    if (lane->state == LANE_BLOCKED && !lane->send.in_flight)
        ring_yield(ring_of(lane), &lane->send, writable);
    else if (receives && !lane->receive.in_flight)
        ring_yield(ring_of(lane), &lane->receive, readable);
}

void lane_send_failed(struct lane *lane, int error)
{
    switch (ring_send_verdict(error)) {
    case RING_RETRY: send_on(lane); break;
    case RING_WAIT: blocked(lane); break;
    case RING_EXHAUSTED: starved(lane, error); break;
    case RING_CLOSED:
    case RING_GONE: sink_failed(lane, error); break;
    default: session_stop(lane_session(lane), REASON_SYSTEM, error); break;
    }
}

static void delivered(struct lane *lane, uint32_t count)
{
    lane_session(lane)->retries = 0;
    session_use_deliver(lane_session(lane), lane, count);
    pop(lane, count);
    if (holds(lane)) {
        send_first(lane);
        return;
    }
    lane->state = LANE_RECEIVING;
    if (lane->ended)
        lane_end_of_file(lane);
    else if (lane_sink(lane)->gone)
        drop_all(lane);
    else if (!lane->receive.in_flight)
        lane_go_on(lane);
}

static void sent(struct ring_op *op, int result, unsigned flags)
{
    struct lane *lane = (void *)((char *)op - offsetof(struct lane, send));
    struct session *session = lane_session(lane);

    if (session->state == SESSION_STOPPING)
        session_join(session);
    else if (result > 0)
        delivered(lane, (uint32_t)result);
    else
        lane_send_failed(lane, result);
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

void lane_end_of_file(struct lane *lane)
{
    struct session *session = lane_session(lane);
    struct side *source = lane_source(lane);

    lane->ended = true;
    if (source->error) {
        reset_by(session, lane->source, source->error);
        return;
    }
    if (holds(lane))
        return;
    if (lane->state != LANE_DISCARDING && !lane_sink(lane)->holds_half_close)
        end_writing(lane_sink(lane));
    lane->state = LANE_ENDED;
    sweep_put_off(session);
    sweep_attend(session);
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
        lane_go_on(lane);
}

/* The receive has ended and may be armed again: at once where nothing is held, else when what is
 * held has gone. */
static void receive_again(struct lane *lane)
{
    if (!holds(lane))
        lane_go_on(lane);
    else if (lane->state == LANE_BLOCKED)
        lane_watch_source(lane);
}

void lane_receive_failed(struct lane *lane, int error)
{
    struct session *session = lane_session(lane);

    switch (ring_receive_verdict(error)) {
    case RING_RETRY: receive_again(lane); break;
    case RING_WAIT:
        if (holds(lane))
            receive_again(lane);
        else
            ring_poll(ring_of(lane), &lane->receive, readable, lane_source(lane)->fd, POLLIN);
        break;
    case RING_END: lane_end_of_file(lane); break;
    case RING_CLOSED:
    case RING_GONE: reset_by(session, lane->source, error); break;
    case RING_EXHAUSTED:
        if (holds(lane))
            receive_again(lane);
        else
            session_retry(session, error);
        break;
    default: session_stop(session, REASON_SYSTEM, error); break;
    }
}

static bool enough(struct lane *lane)
{
    return lane->state == LANE_BLOCKED || lane->chain.count >= LANE_BUFFERS_MAX ||
           lane_bulk_wanted(lane);
}

/* Bytes came. */
static void carry(struct lane *lane, uint32_t count, unsigned buffer, bool more)
{
    bool filled = count >= sessions_of(lane)->limits.buffer_bytes;

    if (lane_session(lane)->pace && lane->state != LANE_DISCARDING)
        pace_charge(lane, count);
    lane->full = filled ? (uint8_t)(lane->full + 1) : 0;
    lane->few = filled ? 0 : (uint8_t)(lane->few < LANE_FEW_MIN ? lane->few + 1 : LANE_FEW_MIN);
    if (lane->full >= LANE_FULL_MIN) {
        lane->full = LANE_FULL_MIN;
        lane->much = true;
    }
    if (lane->state == LANE_DISCARDING) {
        lane->lost = true;
        ring_buffer_return(ring_of(lane), buffer);
        if (!more)
            lane_receive(lane);
        return;
    }
    if (!chain_push(&lane->chain, &sessions_of(lane)->links, buffer, count)) {
        ring_buffer_return(ring_of(lane), buffer);
        session_stop(lane_session(lane), REASON_NO_MEMORY, -ENOMEM);
        return;
    }
    if (more && enough(lane))
        stop_receiving(lane);
    if (lane->state == LANE_RECEIVING)
        send_first(lane);
    else if (lane->state == LANE_BLOCKED)
        lane_watch_source(lane);
}

static void received(struct ring_op *op, int result, unsigned flags)
{
    struct lane *lane = (void *)((char *)op - offsetof(struct lane, receive));
    struct session *session = lane_session(lane);

    if (session->state == SESSION_STOPPING) {
        if (flags & RING_BUFFER)
            ring_buffer_return(ring_of(lane), ring_flags_buffer(flags));
        session_join(session);
    } else if (result > 0) {
        carry(lane, (uint32_t)result, ring_flags_buffer(flags), flags & RING_MORE);
    } else if (result == -ECANCELED && op->stopping) {
        receive_again(lane);
    } else {
        lane_receive_failed(lane, result);
    }
}

void lane_start(struct lane *lane)
{
    lane->state = LANE_RECEIVING;
    lane_take_way(lane, ROUTE_LANE_SMALL);
    lane_go_on(lane);
}

void lane_deinit(struct lane *lane)
{
    give_back(lane);
    if (lane->way != ROUTE_LANE_AUTO)
        sessions_of(lane)->lanes[lane->way]--;
}

/* The ways that move much at a time: splice and copy. Both wait for readiness through the ring and
 * move by direct calls, which need no operation and leave nothing in flight.
 */
#include "proxy/lane_internal.h"

#include "proxy/pace.h"
#include "proxy/session_use.h"
#include "ring/socket.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>

static struct pool *pool_of(struct lane *lane)
{
    return &lane_session(lane)->sessions->pool;
}

static struct ring *ring_of(struct lane *lane)
{
    return lane_session(lane)->sessions->ring;
}

static const struct lane_limits *limits_of(struct lane *lane)
{
    return &lane_session(lane)->sessions->limits;
}

static enum pool_kind kind_of(const struct lane *lane)
{
    return lane->way == ROUTE_LANE_SPLICE ? POOL_PIPE : POOL_BUFFER;
}

static enum route_lane policy_of(struct lane *lane)
{
    return lane_session(lane)->opening->route->lane;
}

static bool is_paced(struct lane *lane)
{
    return lane_session(lane)->pace;
}

/* Does it choose its way by what it sees? */
static bool is_free(struct lane *lane)
{
    return policy_of(lane) == ROUTE_LANE_AUTO && !is_paced(lane);
}

static bool has_file(struct lane *lane)
{
    return lane_source(lane)->transport == TRANSPORT_FILE ||
           lane_sink(lane)->transport == TRANSPORT_FILE;
}

bool lane_bulk_wanted(struct lane *lane)
{
    if (lane->way != ROUTE_LANE_SMALL || has_file(lane))
        return false;
    if (is_paced(lane))
        return true;
    switch (policy_of(lane)) {
    case ROUTE_LANE_SMALL: return false;
    case ROUTE_LANE_AUTO: return lane->much;
    default: return true;
    }
}

/* From vsock, and to it, splice copies. */
void lane_bulk_choose(struct lane *lane)
{
    bool splices = lane_source(lane)->transport != TRANSPORT_VSOCK &&
                   lane_sink(lane)->transport != TRANSPORT_VSOCK;

    enum route_lane way = policy_of(lane);
    if (is_paced(lane) && way != ROUTE_LANE_SPLICE)
        way = ROUTE_LANE_COPY;
    if (way == ROUTE_LANE_AUTO)
        way = splices ? ROUTE_LANE_SPLICE : ROUTE_LANE_COPY;
    lane_take_way(lane, way);
    lane->quiet = 0;
    lane->moved = 0;
}

void lane_bulk_give_back(struct lane *lane)
{
    if (lane->bulk)
        pool_give(pool_of(lane), kind_of(lane), lane->bulk);
    lane->bulk = NULL;
}

/* At once. */
static size_t bulk_bytes(struct lane *lane)
{
    const struct lane_limits *limits = limits_of(lane);

    return lane->way == ROUTE_LANE_SPLICE ? limits->pipe_bytes : limits->copy_bytes;
}

static ssize_t fill(struct lane *lane, size_t bytes)
{
    struct pool_item *item = lane->bulk;
    int fd = lane_source(lane)->fd;

    if (lane->way == ROUTE_LANE_SPLICE)
        return ring_pipe_fill(&item->pipe, fd, bytes);
    ssize_t count = ring_socket_receive_now(fd, item->bytes, bytes, 0);
    item->offset = 0;
    item->length = count > 0 ? (uint32_t)count : 0;
    return count;
}

static ssize_t drain(struct lane *lane)
{
    struct pool_item *item = lane->bulk;
    struct side *sink = lane_sink(lane);
    size_t length = item->length - item->offset;

    if (lane->way == ROUTE_LANE_SPLICE)
        return ring_pipe_drain(&item->pipe, sink->fd_write);
    const char *bytes = item->bytes + item->offset;
    ssize_t count =
        sink->transport == TRANSPORT_VSOCK
            ? ring_socket_send_pieces_now(sink->fd_write, bytes, length, LANE_VSOCK_SEND_BYTES_MAX)
            : ring_socket_send_now(sink->fd_write, bytes, length);
    if (count > 0)
        item->offset += (uint32_t)count;
    return count;
}

static bool is_empty(const struct lane *lane)
{
    const struct pool_item *item = lane->bulk;

    return lane->way == ROUTE_LANE_SPLICE ? item->pipe.bytes == 0 : item->offset == item->length;
}

static void move(struct lane *lane, bool readable);

/* result: of a poll, or 0 of a yield. */
static void go_on(struct ring_op *op, int result, unsigned flags)
{
    struct lane *lane = (void *)((char *)op - offsetof(struct lane, receive));
    struct session *session = lane_session(lane);

    if (session->state == SESSION_STOPPING)
        session_join(session);
    else if (result < 0)
        session_stop(session, REASON_SYSTEM, result);
    else if (lane->state == LANE_DISCARDING)
        lane_receive(lane);
    else
        move(lane, result > 0);
}

void lane_bulk_wait(struct lane *lane)
{
    ring_poll(ring_of(lane), &lane->receive, go_on, lane_source(lane)->fd, POLLIN);
}

static void become_small(struct lane *lane)
{
    lane_take_way(lane, ROUTE_LANE_SMALL);
    lane->full = 0;
    lane->few = 0;
    lane->much = false;
    lane_receive(lane);
}

/* Nothing is held, and the source has nothing now. */
static void wait_for_source(struct lane *lane)
{
    lane_bulk_give_back(lane);
    lane->state = LANE_RECEIVING;
    lane->quiet = lane->moved < limits_of(lane)->buffer_bytes ? (uint8_t)(lane->quiet + 1) : 0;
    lane->moved = 0;
    if (is_free(lane) && lane->quiet >= LANE_QUIET_MAX)
        become_small(lane);
    else
        lane_bulk_wait(lane);
}

/* All that is held has gone, or the sink takes no more now: then false, and the lane is seen to. */
static bool send_held(struct lane *lane)
{
    while (!is_empty(lane)) {
        ssize_t count = drain(lane);
        if (count <= 0) {
            lane_send_failed(lane, (int)count);
            return false;
        }
        lane_session(lane)->retries = 0;
        session_use_deliver(lane_session(lane), lane, (uint64_t)count);
        lane->moved += (uint32_t)count;
    }
    return true;
}

/* The source gave nothing. splice(2) says end-of-file, or that there is nothing although the socket
 * is readable, where TCP's urgent mark stands: a receive passes it, and tells the two apart. */
static void source_is_empty(struct lane *lane, int result, bool readable)
{
    bool splices = lane->way == ROUTE_LANE_SPLICE;

    if (result == -EAGAIN && (!splices || !readable)) {
        wait_for_source(lane);
        return;
    }
    lane_bulk_give_back(lane);
    if (splices && (result == 0 || result == -EAGAIN))
        lane_receive_one(lane);
    else
        lane_receive_failed(lane, result);
}

/* Nothing is held, and there are no tokens now. */
static void wait_for_tokens(struct lane *lane)
{
    lane_bulk_give_back(lane);
    lane->moved = 0;
    lane_watch_source(lane);
    pace_wait(lane);
}

/* For what is received without a pipe or buffer, and charged when it has come. */
static bool has_tokens(struct lane *lane)
{
    size_t bytes = pace_take(lane, limits_of(lane)->buffer_bytes);

    pace_give(lane, bytes);
    return bytes > 0;
}

/* Where every pipe or buffer is borrowed. */
static void do_without(struct lane *lane)
{
    if (is_free(lane))
        become_small(lane);
    else if (is_paced(lane) && !has_tokens(lane))
        wait_for_tokens(lane);
    else
        lane_receive_one(lane);
}

/* A source that gave less than was asked for has no more now, as a rule: waiting for it finds out
 * for less than asking again. readable: it has just been told to be, and not been asked since. */
static void move(struct lane *lane, bool readable)
{
    size_t budget = limits_of(lane)->turn_bytes;
    bool exhausted = false;

    if (!lane->bulk)
        lane->bulk = pool_take(pool_of(lane), kind_of(lane));
    if (!lane->bulk) {
        do_without(lane);
        return;
    }
    for (;;) {
        if (!send_held(lane))
            return;
        lane->state = LANE_RECEIVING;
        if (exhausted) {
            wait_for_source(lane);
            return;
        }
        if (budget == 0) {
            lane_bulk_give_back(lane);
            ring_yield(ring_of(lane), &lane->receive, go_on);
            return;
        }
        size_t room = is_paced(lane) ? pace_take(lane, bulk_bytes(lane)) : bulk_bytes(lane);
        if (room == 0) {
            wait_for_tokens(lane);
            return;
        }
        ssize_t count = fill(lane, room);
        if (is_paced(lane))
            pace_give(lane, count > 0 ? room - (size_t)count : room);
        if (count <= 0) {
            source_is_empty(lane, (int)count, readable);
            return;
        }
        readable = false;
        budget = (size_t)count < budget ? budget - (size_t)count : 0;
        exhausted = (size_t)count < room;
    }
}

void lane_bulk_move(struct lane *lane)
{
    move(lane, false);
}

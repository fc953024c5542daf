/* Reading what is said by looking at it first. */
#include "proxy/greeting.h"

#include "ring/socket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <strings.h>

static const char word[] = "CONNECT";

static size_t blanks(const char *bytes, size_t length, size_t from)
{
    while (from < length && (bytes[from] == ' ' || bytes[from] == '\t'))
        from++;
    return from;
}

/* Firecracker takes the word in any case, and any blanks around the number. */
int greeting_scan(const char *bytes, size_t length, uint32_t *ret_port)
{
    size_t word_length = strlen(word);
    uint64_t port = 0;

    if (strncasecmp(bytes, word, length < word_length ? length : word_length) != 0)
        return -EPROTO;
    if (length <= word_length)
        return 0;
    size_t digits = blanks(bytes, length, word_length);
    size_t at = digits;
    if (digits == word_length)
        return -EPROTO;
    for (; at < length && bytes[at] >= '0' && bytes[at] <= '9' && port < UINT32_MAX; at++)
        port = port * 10 + (uint64_t)(bytes[at] - '0');
    size_t end = at > digits ? blanks(bytes, length, at) : at;
    if (end < length && bytes[end] == '\r')
        end++;
    if (end == length)
        return length < GREETING_BYTES_MAX ? 0 : -EPROTO;
    if (bytes[end] != '\n' || port == 0 || port >= UINT32_MAX)
        return -EPROTO;
    *ret_port = (uint32_t)port;
    return (int)end + 1;
}

static void readable(struct ring_op *op, int result, unsigned flags);

static void wait(struct greeting *greeting)
{
    ring_poll(greeting->ring, &greeting->readable, readable, greeting->fd, POLLIN);
}

static bool in_flight(const struct greeting *greeting)
{
    return greeting->readable.in_flight;
}

static void rest(struct greeting *greeting)
{
    if (in_flight(greeting))
        return;
    greeting->handler(greeting, 0, greeting->stopped ? REASON_NONE : greeting->reason, 0);
}

static void end(struct greeting *greeting, enum reason reason)
{
    greeting->reason = reason;
    if (greeting->readable.in_flight)
        ring_stop(greeting->ring, &greeting->readable);
}

static bool is_proxy(const struct greeting *greeting)
{
    return greeting->parts & GREETING_PROXY;
}

static void expired(struct ring_timer *timer)
{
    struct greeting *greeting = (void *)((char *)timer - offsetof(struct greeting, timer));

    end(greeting, is_proxy(greeting) ? REASON_PROXY_SILENT : REASON_CONNECT_SILENT);
}

static void fail(struct greeting *greeting, enum reason reason, int error)
{
    ring_timer_disarm(greeting->ring, &greeting->timer);
    greeting->handler(greeting, 0, reason, error);
}

static void fail_by_garbage(struct greeting *greeting, int error)
{
    fail(greeting, is_proxy(greeting) ? REASON_PROXY_GARBAGE : REASON_CONNECT_GARBAGE, error);
}

/* Reads what a peek has seen. */
static bool consume(struct greeting *greeting, size_t length)
{
    char seen[sizeof(greeting->bytes)];

    while (length > 0) {
        ssize_t count = ring_socket_receive_now(greeting->fd, seen, length, 0);
        if (count == -EINTR)
            continue;
        if (count <= 0)
            return false;
        length -= (size_t)count;
    }
    return true;
}

/* The first part is over. */
static void next(struct greeting *greeting)
{
    greeting->parts &= greeting->parts - 1;
    greeting->length = 0;
    if (greeting->parts) {
        wait(greeting);
        return;
    }
    ring_timer_disarm(greeting->ring, &greeting->timer);
    greeting->handler(greeting, greeting->port, REASON_NONE, 0);
}

static void scan(struct greeting *greeting, size_t count)
{
    size_t known = greeting->length;
    int part = is_proxy(greeting)
                   ? proxy_header_parse(greeting->bytes, known + count, &greeting->told)
                   : greeting_scan(greeting->bytes, known + count, &greeting->port);

    if (part < 0) {
        fail_by_garbage(greeting, part == -EBADMSG ? part : 0);
    } else if (!consume(greeting, part > 0 ? (size_t)part - known : count)) {
        fail(greeting, REASON_INITIATOR_LEFT, -ECONNRESET);
    } else if (part > 0) {
        next(greeting);
    } else {
        greeting->length = (uint16_t)(known + count);
        wait(greeting);
    }
}

static void readable(struct ring_op *op, int result, unsigned flags)
{
    struct greeting *greeting = (void *)((char *)op - offsetof(struct greeting, readable));
    size_t known = greeting->length;
    size_t max = is_proxy(greeting) ? sizeof(greeting->bytes) : GREETING_BYTES_MAX;

    if (greeting->stopped || greeting->reason != REASON_NONE) {
        rest(greeting);
        return;
    }
    ssize_t count =
        ring_socket_receive_now(greeting->fd, greeting->bytes + known, max - known, MSG_PEEK);
    if (count == -EAGAIN || count == -EINTR)
        wait(greeting);
    else if (count <= 0 && known > 0)
        fail_by_garbage(greeting, (int)count);
    else if (count <= 0)
        fail(greeting, REASON_INITIATOR_LEFT, (int)count);
    else
        scan(greeting, (size_t)count);
}

void greeting_start(struct greeting *greeting, struct ring *ring, int fd, unsigned parts,
                    uint64_t timeout_ns, greeting_handler *handler, void *owner)
{
    *greeting = (struct greeting){
        .ring = ring,
        .fd = fd,
        .owner = owner,
        .handler = handler,
        .reason = REASON_NONE,
        .parts = parts,
    };
    ring_timer_arm(ring, &greeting->timer, ring_now_ns(ring) + timeout_ns, expired);
    wait(greeting);
}

bool greeting_stop(struct greeting *greeting)
{
    if (!greeting->handler)
        return true;
    greeting->stopped = true;
    ring_timer_disarm(greeting->ring, &greeting->timer);
    end(greeting, REASON_NONE);
    return !in_flight(greeting);
}

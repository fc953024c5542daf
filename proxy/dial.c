/* Connecting to a target. */
#include "proxy/dial.h"

#include "proxy/tcp_options.h"
#include "ring/socket.h"
#include "ring/verdict.h"

#include <assert.h>
#include <errno.h>
#include <linux/vm_sockets.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/time.h>

#define RETRY_NS_MIN UINT64_C(1000000)
#define RETRY_NS_MAX UINT64_C(50000000)

static void attempt(struct dial *dial);
static void attempt_failed(struct dial *dial, enum reason reason, int error);
static void greet(struct dial *dial);
static void greet_readable(struct ring_op *op, int result, unsigned flags);

static struct dial *dial_of_timer(struct ring_timer *timer)
{
    return (void *)((char *)timer - offsetof(struct dial, timer));
}

static const struct address *current(const struct dial *dial)
{
    return &dial->addresses->at[dial->address_index];
}

static bool in_flight(const struct dial *dial)
{
    return dial->connect.in_flight || dial->greet.in_flight;
}

/* With a reset: it may have connected after all, and an empty stream must not look like a whole
 * one. */
static void abandon(struct dial *dial)
{
    if (dial->fd >= 0)
        ring_socket_reset(dial->fd);
    dial->fd = -1;
}

static bool is_frozen(const struct dial *dial)
{
    return dial->options.guest && atomic_load(&dial->options.guest->frozen);
}

static void wait_over(struct ring_timer *timer);

/* The first of the line tries after its pause; all give up in the end. */
static void wait_in_line(struct dial *dial)
{
    const struct dial_line *line = dial->line;
    bool is_first = line->first == dial;
    uint64_t pause_ns = line->held ? DIAL_LINE_PAUSE_NS_MIN : line->pause_ns;
    uint64_t at_ns = ring_now_ns(dial->ring) + pause_ns;

    dial->state = DIAL_WAITING;
    if (!is_first && line->held) {
        ring_timer_disarm(dial->ring, &dial->timer);
        return;
    }
    if (!is_first || (!line->held && dial->wait_end_ns < at_ns))
        at_ns = dial->wait_end_ns;
    ring_timer_arm(dial->ring, &dial->timer, at_ns, wait_over);
}

/* One more that waits. */
static bool waiting_enter(const struct dial_options *options)
{
    unsigned count = options->waiting ? atomic_load(options->waiting) : 0;

    if (!options->waiting)
        return true;
    while (count < options->wait_max)
        if (atomic_compare_exchange_weak(options->waiting, &count, count + 1))
            return true;
    return false;
}

static void waiting_leave(const struct dial_options *options)
{
    if (options->waiting)
        atomic_fetch_sub(options->waiting, 1);
}

static void leave_line(struct dial *dial)
{
    if (!dial->line)
        return;
    waiting_leave(&dial->options);
    if (dial->options.guest)
        atomic_fetch_sub(&dial->options.guest->waiting, 1);
    struct dial *first = dial_line_leave(dial->line, dial);
    if (first && first->state == DIAL_WAITING)
        wait_in_line(first);
}

static void rest(struct dial *dial)
{
    leave_line(dial);
    ring_timer_disarm(dial->ring, &dial->timer);
    resolver_forget(&dial->wait);
    addresses_unref(dial->addresses);
    dial->addresses = NULL;
    abandon(dial);
    dial->state = DIAL_IDLE;
}

static void fail(struct dial *dial)
{
    rest(dial);
    dial->handler(dial, -1, TRANSPORT_TCP, dial->reason, dial->error);
}

static void succeed(struct dial *dial)
{
    enum transport transport = address_transport(current(dial));
    int fd = dial->fd;

    dial->fd = -1;
    if (dial->line)
        dial->line->pause_ns = 0;
    rest(dial);
    dial->handler(dial, fd, transport, REASON_NONE, 0);
}

static bool join_line(struct dial *dial)
{
    const struct dial_options *options = &dial->options;

    if (!waiting_enter(options))
        return false;
    struct dial_line *line = dial_lines_get(options->lines, options->target, options->port);
    if (!line) {
        waiting_leave(options);
        return false;
    }
    dial_line_join(line, dial);
    if (options->guest)
        atomic_fetch_add(&options->guest->waiting, 1);
    return true;
}

/* Its guest may still come, and there is room in the line. While it is frozen no time is over. */
static bool is_to_wait(struct dial *dial)
{
    bool over = ring_now_ns(dial->ring) >= dial->wait_end_ns;

    if (!(reason_guest_phases(dial->reason) & dial->options.wait_phases) ||
        (over && !is_frozen(dial)))
        return false;
    return dial->line || join_line(dial);
}

/* Others wait for the guest already, and it is not asked before them; or it is frozen. */
static bool is_to_stand_in_line(struct dial *dial, bool frozen)
{
    const struct dial_options *options = &dial->options;
    const struct dial_line *line =
        options->lines ? dial_lines_find(options->lines, options->target, options->port) : NULL;

    if (!frozen && (options->wait_ns == 0 || !line))
        return false;
    dial->reason = line ? line->first->reason : REASON_GUEST_FROZEN;
    dial->error = line ? line->first->error : 0;
    return join_line(dial);
}

/* The guest is frozen no more: the time of all who stand here runs anew, and ends in their order.
 * Those that are trying just now are let go on. */
static void release_line(struct dial *first)
{
    struct dial_line *line = first->line;
    uint64_t now_ns = ring_now_ns(first->ring);

    line->held = false;
    line->pause_ns = 0;
    for (struct dial *dial = first; dial; dial = dial->behind) {
        dial->wait_end_ns = now_ns++ + dial->options.wait_ns;
        if (dial->state != DIAL_WAITING)
            continue;
        dial->owed = true;
        wait_in_line(dial);
    }
}

static void begin(struct dial *dial);

static void wait_over(struct ring_timer *timer)
{
    struct dial *dial = dial_of_timer(timer);
    uint64_t now_ns = ring_now_ns(dial->ring);
    uint64_t end_ns = now_ns + dial->options.timeout_ns;

    if (is_frozen(dial)) {
        dial->line->held = true;
        wait_in_line(dial);
        return;
    }
    if (dial->line->held)
        release_line(dial->line->first);
    if (!dial->owed && now_ns >= dial->wait_end_ns) {
        fail(dial);
        return;
    }
    dial->address_index = 0;
    dial->retry_ns = 0;
    dial->deadline_ns = dial->owed || end_ns < dial->wait_end_ns ? end_ns : dial->wait_end_ns;
    dial->owed = false;
    begin(dial);
}

/* The attempt is over: what is in flight has been cancelled, and once it is back the next one
 * begins. */
static void leave(struct dial *dial)
{
    if (in_flight(dial))
        return;
    if (dial->stopped) {
        rest(dial);
        dial->handler(dial, -1, TRANSPORT_TCP, REASON_NONE, 0);
        return;
    }
    abandon(dial);
    bool more = dial->addresses && dial->address_index + 1 < dial->addresses->count;
    if (more && ring_now_ns(dial->ring) < dial->deadline_ns) {
        dial->address_index++;
        attempt(dial);
        return;
    }
    if (!is_to_wait(dial)) {
        fail(dial);
        return;
    }
    if (dial->line->first == dial)
        dial_line_slow_down(dial->line);
    wait_in_line(dial);
}

static void leave_by_timer(struct ring_timer *timer)
{
    leave(dial_of_timer(timer));
}

static void cancel(struct dial *dial)
{
    if (dial->connect.in_flight)
        ring_stop(dial->ring, &dial->connect);
    if (dial->greet.in_flight)
        ring_stop(dial->ring, &dial->greet);
}

/* By a timer that is due at once where nothing is in flight: the handler is not called from inside
 * dial_start(). */
static void attempt_failed(struct dial *dial, enum reason reason, int error)
{
    dial->reason = reason;
    dial->error = error;
    dial->state = DIAL_LEAVING;
    ring_timer_disarm(dial->ring, &dial->timer);
    cancel(dial);
    if (!in_flight(dial))
        ring_timer_arm(dial->ring, &dial->timer, ring_now_ns(dial->ring), leave_by_timer);
}

static void attempt_expired(struct ring_timer *timer)
{
    struct dial *dial = dial_of_timer(timer);

    switch (dial->state) {
    case DIAL_RESOLVING:
        resolver_forget(&dial->wait);
        if (dial->options.target->kind == ENDPOINT_MACHINE)
            attempt_failed(dial, REASON_MACHINE_UNKNOWN, -ETIMEDOUT);
        else
            attempt_failed(dial, REASON_NAME_UNRESOLVED, EAI_AGAIN);
        break;
    case DIAL_GREETING: attempt_failed(dial, REASON_MUX_SILENT, -ETIMEDOUT); break;
    default:
        if (dial->retry_ns)
            attempt_failed(dial, REASON_TARGET_BUSY, -EAGAIN);
        else
            attempt_failed(dial, reason_of_connect(address_transport(current(dial)), -ETIMEDOUT),
                           -ETIMEDOUT);
        break;
    }
}

static void retry(struct ring_timer *timer)
{
    attempt(dial_of_timer(timer));
}

/* A Unix listener whose backlog is full refuses at once instead of letting the connect wait. */
static void backlog_full(struct dial *dial)
{
    uint64_t now_ns = ring_now_ns(dial->ring);

    dial->retry_ns = dial->retry_ns ? dial->retry_ns * 2 : RETRY_NS_MIN;
    if (dial->retry_ns > RETRY_NS_MAX)
        dial->retry_ns = RETRY_NS_MAX;
    abandon(dial);
    dial->state = DIAL_RETRYING;
    uint64_t at_ns = now_ns + dial->retry_ns;
    ring_timer_arm(dial->ring, &dial->timer, at_ns < dial->deadline_ns ? at_ns : dial->deadline_ns,
                   retry);
}

static void connected(struct ring_op *op, int result, unsigned flags)
{
    struct dial *dial = (void *)((char *)op - offsetof(struct dial, connect));

    if (dial->stopped || dial->state == DIAL_LEAVING) {
        leave(dial);
    } else if (result == -EAGAIN && address_transport(current(dial)) == TRANSPORT_UNIX) {
        backlog_full(dial);
    } else if (result < 0) {
        attempt_failed(dial, reason_of_connect(address_transport(current(dial)), result), result);
    } else if (dial->options.target->kind == ENDPOINT_VSOCK_MUX) {
        greet(dial);
    } else {
        succeed(dial);
    }
}

static void set_options(const struct dial *dial, enum transport transport)
{
    if (transport == TRANSPORT_TCP) {
        tcp_options_set(dial->fd, dial->options.keepalive_ns);
        tcp_options_close_reset(dial->fd);
    } else if (transport == TRANSPORT_VSOCK) {
        /* Else the kernel gives up after 2 s. */
        struct timeval timeout = {
            .tv_sec = (time_t)(dial->options.timeout_ns / 1000000000),
            .tv_usec = (suseconds_t)(dial->options.timeout_ns % 1000000000 / 1000),
        };
        ring_socket_set(dial->fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout,
                        sizeof(timeout));
    }
}

/* Tries the current address. The time that is left is shared evenly by the addresses that are left.
 */
static void attempt(struct dial *dial)
{
    const struct address *address = current(dial);
    enum transport transport = address_transport(address);
    uint64_t now_ns = ring_now_ns(dial->ring);
    uint64_t left_ns = dial->deadline_ns > now_ns ? dial->deadline_ns - now_ns : 0;

    dial->state = DIAL_CONNECTING;
    dial->fd = ring_socket_open(address->storage.ss_family, SOCK_STREAM);
    if (dial->fd < 0) {
        attempt_failed(dial, reason_of_connect(transport, dial->fd), dial->fd);
        return;
    }
    set_options(dial, transport);
    ring_timer_arm(dial->ring, &dial->timer,
                   now_ns + left_ns / (dial->addresses->count - dial->address_index),
                   attempt_expired);
    ring_connect(dial->ring, &dial->connect, connected, dial->fd,
                 (const struct sockaddr *)&address->storage, address->length);
}

static struct dial *dial_of_greet(struct ring_op *op)
{
    return (void *)((char *)op - offsetof(struct dial, greet));
}

static bool greeting_over(struct dial *dial)
{
    if (!dial->stopped && dial->state == DIAL_GREETING)
        return false;
    leave(dial);
    return true;
}

static void greet_writable(struct ring_op *op, int result, unsigned flags)
{
    struct dial *dial = dial_of_greet(op);
    if (!greeting_over(dial))
        greet(dial);
}

static void greet_sent(struct ring_op *op, int result, unsigned flags)
{
    struct dial *dial = dial_of_greet(op);

    if (greeting_over(dial))
        return;
    switch (ring_send_verdict(result)) {
    case RING_OK:
        dial->request_sent += (uint8_t)result;
        greet(dial);
        break;
    case RING_RETRY: greet(dial); break;
    case RING_WAIT: ring_poll(dial->ring, &dial->greet, greet_writable, dial->fd, POLLOUT); break;
    case RING_EXHAUSTED: attempt_failed(dial, REASON_NO_MEMORY, result); break;
    default: attempt_failed(dial, REASON_MUX_REFUSED, result); break;
    }
}

/* Sends what of CONNECT is not sent yet, then waits for the answer. */
static void greet(struct dial *dial)
{
    if (dial->state != DIAL_GREETING) {
        dial->state = DIAL_GREETING;
        dial->request_length = (uint8_t)vsock_mux_request_format(dial->options.port, dial->request);
        dial->request_sent = 0;
        dial->reply_length = 0;
    }
    if (dial->request_sent < dial->request_length)
        ring_send(dial->ring, &dial->greet, greet_sent, dial->fd,
                  dial->request + dial->request_sent,
                  (size_t)(dial->request_length - dial->request_sent));
    else
        ring_poll(dial->ring, &dial->greet, greet_readable, dial->fd, POLLIN);
}

/* Reads `length` bytes that a peek has seen. */
static bool consume(struct dial *dial, size_t length)
{
    char seen[VSOCK_MUX_REPLY_BYTES_MAX];

    while (length > 0) {
        ssize_t count = ring_socket_receive_now(dial->fd, seen, length, 0);
        if (count == -EINTR)
            continue;
        if (count <= 0)
            return false;
        length -= (size_t)count;
    }
    return true;
}

/* The answer is looked at before it is read: what stands behind its newline is the guest's. */
static void greet_readable(struct ring_op *op, int result, unsigned flags)
{
    struct dial *dial = dial_of_greet(op);

    if (greeting_over(dial))
        return;
    size_t known = dial->reply_length;
    ssize_t count = ring_socket_receive_now(dial->fd, dial->reply + known,
                                            sizeof(dial->reply) - known, MSG_PEEK);
    if (count == -EAGAIN || count == -EINTR) {
        greet(dial);
        return;
    }
    if (count <= 0) {
        attempt_failed(dial, known ? REASON_MUX_GARBAGE : REASON_MUX_REFUSED, (int)count);
        return;
    }
    int answer = vsock_mux_reply_scan(dial->reply, known + (size_t)count);
    size_t of_answer = answer > 0 ? (size_t)answer - known : (size_t)count;
    if (answer == -EPROTO) {
        attempt_failed(dial, REASON_MUX_GARBAGE, 0);
    } else if (!consume(dial, of_answer)) {
        attempt_failed(dial, REASON_MUX_REFUSED, -ECONNRESET);
    } else if (answer > 0) {
        succeed(dial);
    } else {
        dial->reply_length += (uint8_t)count;
        greet(dial);
    }
}

static enum reason reason_of_lookup(const struct dial *dial)
{
    return dial->options.target->kind == ENDPOINT_MACHINE ? REASON_MACHINE_UNKNOWN
                                                          : REASON_NAME_UNRESOLVED;
}

static void resolved(struct resolver_wait *wait, struct addresses *addresses, int error)
{
    struct dial *dial = (void *)((char *)wait - offsetof(struct dial, wait));

    if (!addresses) {
        attempt_failed(dial, reason_of_lookup(dial), error);
        return;
    }
    dial->addresses = addresses_ref(addresses);
    attempt(dial);
}

static int find_addresses(struct dial *dial)
{
    const struct endpoint *target = dial->options.target;
    struct address address;

    addresses_unref(dial->addresses);
    dial->addresses = NULL;
    if (target->kind == ENDPOINT_MACHINE)
        return resolver_lookup_machine(dial->resolver, target->name, dial->options.port,
                                       &dial->wait, resolved, &dial->addresses);
    if (address_of_endpoint(target, &address) == -ENOENT)
        return resolver_lookup(dial->resolver, target->name, dial->options.port, &dial->wait,
                               resolved, &dial->addresses);
    dial->addresses = addresses_new(1);
    if (!dial->addresses)
        return -ENOMEM;
    address_set_port(&address, dial->options.port);
    dial->addresses->at[0] = address;
    return 0;
}

static void begin(struct dial *dial)
{
    dial->state = DIAL_RESOLVING;
    int error = find_addresses(dial);
    if (error == 0)
        attempt(dial);
    else if (error == -EAGAIN)
        ring_timer_arm(dial->ring, &dial->timer, dial->deadline_ns, attempt_expired);
    else
        attempt_failed(dial, REASON_NO_MEMORY, error);
}

void dial_start(struct dial *dial, struct ring *ring, struct resolver *resolver,
                const struct dial_options *options, dial_handler *handler)
{
    *dial = (struct dial){
        .ring = ring,
        .resolver = resolver,
        .options = *options,
        .handler = handler,
        .state = DIAL_RESOLVING,
        .fd = -1,
        .started_ns = ring_now_ns(ring),
        .deadline_ns = ring_now_ns(ring) + options->timeout_ns,
        .wait_end_ns = ring_now_ns(ring) + options->wait_ns,
    };
    bool frozen = is_frozen(dial);
    if (is_to_stand_in_line(dial, frozen)) {
        dial->line->held |= frozen;
        wait_in_line(dial);
    } else if (frozen) {
        attempt_failed(dial, REASON_GUEST_FROZEN, 0);
    } else {
        begin(dial);
    }
}

bool dial_stop(struct dial *dial)
{
    if (dial->state == DIAL_IDLE)
        return true;
    dial->stopped = true;
    resolver_forget(&dial->wait);
    ring_timer_disarm(dial->ring, &dial->timer);
    cancel(dial);
    if (in_flight(dial))
        return false;
    rest(dial);
    return true;
}

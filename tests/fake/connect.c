/* Connecting: ring_connect() in flight, and the targets that answer it. */
#include "tests/fake/end.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define VSOCK_CONNECT_TIMEOUT_NS UINT64_C(2000000000)

struct fake_target {
    struct fake_target *next;
    struct fake *fake;
    struct sockaddr_storage address;
    socklen_t length;
    struct fake_target_options options;
    unsigned attempts;
    uint64_t attempt_ns;
    unsigned accepts;
    struct fake_end *end;
};

struct fake_target *fake_target(struct fake *fake, const struct sockaddr *address, socklen_t length,
                                const struct fake_target_options *options)
{
    struct fake_target *target = fake_allocate(sizeof(*target));

    target->fake = fake;
    target->next = fake->targets;
    target->options = *options;
    memcpy(&target->address, address, length);
    target->length = length;
    fake->targets = target;
    return target;
}

void fake_target_change(struct fake_target *target, const struct fake_target_options *options)
{
    target->options = *options;
}

unsigned fake_target_attempts(const struct fake_target *target)
{
    return target->attempts;
}

uint64_t fake_target_attempt_ns(const struct fake_target *target)
{
    return target->attempt_ns;
}

unsigned fake_target_accepts(const struct fake_target *target)
{
    return target->accepts;
}

struct fake_end *fake_target_end(const struct fake_target *target)
{
    return target->end;
}

void targets_free(struct fake *fake)
{
    while (fake->targets) {
        struct fake_target *target = fake->targets;
        fake->targets = target->next;
        free(target);
    }
}

static struct fake_target *find(struct fake *fake, const struct sockaddr *address, socklen_t length)
{
    for (struct fake_target *target = fake->targets; target; target = target->next)
        if (target->length == length && memcmp(&target->address, address, length) == 0)
            return target;
    return NULL;
}

static int refusal(enum fake_kind kind, int error)
{
    if (error)
        return error;
    return kind == FAKE_VSOCK ? -ECONNRESET : -ECONNREFUSED;
}

static int unregistered(enum fake_kind kind)
{
    switch (kind) {
    case FAKE_UNIX: return -ENOENT;
    case FAKE_VSOCK: return -ENODEV;
    default: return -ECONNREFUSED;
    }
}

/* What the connect will be told: 0, an error, or -EINPROGRESS for nothing at all. */
static int ask(struct flight *flight, uint64_t *ret_delay_ns)
{
    struct fake *fake = flight->fake;
    struct fake_target *target = flight->target;
    enum fake_kind kind = flight->descriptor->kind;

    *ret_delay_ns = 0;
    if (!target)
        return unregistered(kind);
    target->attempts++;
    target->attempt_ns = fake->now_ns;
    *ret_delay_ns = target->options.delay_ns;
    if (fake->now_ns < target->options.busy_until_ns) {
        if (kind == FAKE_UNIX)
            return -EAGAIN;
        return kind == FAKE_VSOCK ? -ECONNRESET : -EINPROGRESS;
    }
    switch (target->options.answer) {
    case FAKE_ACCEPTS: return 0;
    case FAKE_REFUSES: return refusal(kind, target->options.error);
    default: return -EINPROGRESS;
    }
}

static void settle(struct flight *flight)
{
    struct fake_target *target = flight->target;
    struct descriptor *near = flight->descriptor;

    if (flight->connect_result == 0) {
        struct net_socket *far = net_unconnected(flight->fake, near->kind);
        net_connect(near->socket, far, target->options.script.room_from,
                    target->options.script.room_to);
        near->connecting = false;
        near->peer = target->address;
        near->peer_length = target->length;
        target->accepts++;
        target->end = end_new(flight->fake, far, &target->options.script);
        target->end->record.accepted = target->accepts;
        end_start(target->end);
    }
    flight_complete(flight, flight->connect_result, 0);
}

static void settle_timer(struct ring_timer *timer)
{
    settle(CONTAINER(timer, struct flight, attempt));
}

void flight_connect(struct flight *flight, const struct sockaddr *address, socklen_t length)
{
    struct fake *fake = flight->fake;
    struct descriptor *near = flight->descriptor;
    uint64_t delay_ns;

    flight->target = find(fake, address, length);
    flight->connect_result = ask(flight, &delay_ns);
    /* A Unix connect does not wait, and vsock knows at once that there is no such guest. */
    if (near->kind == FAKE_UNIX || flight->connect_result == -ENODEV) {
        if (flight->connect_result == -EINPROGRESS)
            fake_fail(fake, "a Unix target cannot leave a connect without an answer");
        settle(flight);
        return;
    }
    flight->state = FLIGHT_WAITING;
    if (flight->connect_result == -EINPROGRESS) {
        if (near->kind != FAKE_VSOCK)
            return;
        flight->connect_result = -ETIMEDOUT;
        delay_ns = near->connect_timeout_ns ? near->connect_timeout_ns : VSOCK_CONNECT_TIMEOUT_NS;
    }
    fake_event(fake, &flight->attempt, delay_ns + fake_delay_ns(fake), settle_timer);
}

bool flight_connect_cancel(struct flight *flight)
{
    bool answered = ring_timer_armed(&flight->attempt) && flight->connect_result != -ETIMEDOUT;

    if (answered && fake_fault(flight->fake, flight->fake->faults.late_cancel)) {
        settle(flight);
        return false;
    }
    flight_complete(flight, -ECANCELED, 0);
    return true;
}

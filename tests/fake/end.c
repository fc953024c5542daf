/* Far ends: whoever connected to the proxy, or whom the proxy connected to. */
#include "tests/fake/end.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES_MAX 65536

static void write_now(struct ring_timer *timer);
static void read_now(struct ring_timer *timer);

static uint64_t pause_ns(struct fake_end *end, uint64_t max_ns)
{
    return max_ns ? random_below(&end->fake->random, max_ns + 1) : 0;
}

void end_write_after(struct fake_end *end, uint64_t ns)
{
    if (!end->record.closed && !end->write_over && !ring_timer_armed(&end->writing))
        fake_event(end->fake, &end->writing, ns, write_now);
}

void end_write_soon(struct fake_end *end, uint64_t pause_ns_max)
{
    end_write_after(end, pause_ns(end, pause_ns_max));
}

static void read_soon(struct fake_end *end, uint64_t pause_ns_max)
{
    const struct fake_record *record = &end->record;
    if (!record->closed && !record->saw_end && !record->saw_reset &&
        !ring_timer_armed(&end->reading))
        fake_event(end->fake, &end->reading, pause_ns(end, pause_ns_max), read_now);
}

/* In good order, behind the last byte. */
static void half_close(struct fake_end *end)
{
    if (net_shutdown_write(end->socket) == 0 && !end->record.saw_reset)
        end->record.ended = true;
    end->write_over = true;
}

static void close_socket(struct fake_end *end, enum fake_leave leave)
{
    struct fake_record *record = &end->record;
    bool dead = end->socket->dead;

    record->closed = true;
    record->closed_ns = end->fake->now_ns;
    ring_timers_disarm(&end->fake->events, &end->writing);
    ring_timers_disarm(&end->fake->events, &end->reading);
    ring_timers_disarm(&end->fake->events, &end->leaving);
    switch (leave) {
    case FAKE_FORGET:
    case FAKE_RESET: net_reset(end->socket); break;
    case FAKE_DIE: net_die(end->socket); break;
    case FAKE_TIME_OUT: net_break(end->socket, ETIMEDOUT); break;
    default: {
        bool good = net_close(end->socket);
        if (good && !dead)
            record->ended = true;
        else if (!good)
            record->broke = true;
        return;
    }
    }
    bool in_order = end->socket->kind == FAKE_UNIX || end->socket->kind == FAKE_FILE;
    record->died = leave == FAKE_DIE && end->socket->kind == FAKE_VSOCK;
    if (!in_order)
        record->broke = true;
    else
        record->ended = true;
}

/* Whatever reaches it now is answered with a reset (virtio_transport_reset_no_sock()). */
static void forget(struct fake_end *end)
{
    end->record.forgot = true;
    end->record.closed = true;
    end->record.closed_ns = end->fake->now_ns;
    ring_timers_disarm(&end->fake->events, &end->writing);
    ring_timers_disarm(&end->fake->events, &end->reading);
    ring_timers_disarm(&end->fake->events, &end->leaving);
}

/* Whether it was asked, since it was last looked at. */
static bool is_asked(struct fake_end *end)
{
    if (end->record.asked == end->socket->asked)
        return false;
    end->record.asked = end->socket->asked;
    end->record.asked_ns = end->fake->now_ns;
    return true;
}

static void wake(struct net_socket *socket)
{
    struct fake_end *end = socket->owner;

    socket->fake->ring.turns_idle = 0;
    bool asked = is_asked(end);
    if (end->record.forgot) {
        if ((asked || socket->arrived || socket->ended) && !socket->closed)
            close_socket(end, FAKE_RESET);
        return;
    }
    if (end->write_blocked) {
        end->write_blocked = false;
        end_write_soon(end, 0);
    }
    if (!ring_timer_armed(&end->reading))
        read_soon(end, end->script.read_pause_ns_max);
}

void end_leave(struct fake_end *end, enum fake_leave leave)
{
    static const char *const names[] = {"nothing", "half-close", "close", "reset",
                                        "die",     "time out",   "forget"};

    if (end->record.closed || leave == FAKE_LEAVE_NOT)
        return;
    fake_note(end->fake, "far end %u: %s after %llu bytes sent, %llu read", end->socket->number,
              names[leave], (unsigned long long)end->record.written,
              (unsigned long long)end->record.read);
    if (leave == FAKE_HALF_CLOSE)
        half_close(end);
    else if (leave == FAKE_FORGET && end->socket->kind == FAKE_VSOCK)
        forget(end);
    else
        close_socket(end, leave);
}

/* Both directions over: nothing keeps it. */
static void leave_if_over(struct fake_end *end)
{
    const struct fake_record *record = &end->record;

    if (record->closed || end->script.stay)
        return;
    if (record->saw_reset)
        end_leave(end, FAKE_CLOSE);
    else if (record->saw_end && end->script.after_read != FAKE_LEAVE_NOT)
        end_leave(end, end->script.after_read);
    else if (record->saw_end && end->write_over)
        end_leave(end, FAKE_CLOSE);
}

void end_write_failed(struct fake_end *end, int error)
{
    end->record.write_error = error;
    end->write_over = true;
    leave_if_over(end);
}

static void all_written(struct fake_end *end)
{
    end->write_over = true;
    end_leave(end, end->script.after_bytes);
    leave_if_over(end);
}

void end_fill(const struct fake_end *end, char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = (char)random_stream_byte(end->script.stream, end->record.written + i);
}

static void write_now(struct ring_timer *timer)
{
    struct fake_end *end = CONTAINER(timer, struct fake_end, writing);
    struct fake_record *record = &end->record;
    size_t most = end->script.write_bytes_max ? end->script.write_bytes_max : CHUNK_BYTES_MAX;
    uint64_t left = end->script.bytes - record->written;
    static char bytes[CHUNK_BYTES_MAX];

    if (end->greeting) {
        end_mux_write(end);
        return;
    }
    if (end->says) {
        end_says_write(end);
        return;
    }
    if (end->hears && !end->script.says_more)
        return;
    if (left == 0) {
        all_written(end);
        return;
    }
    if (record->read < end->script.start_after_read)
        return;
    most = most < left ? most : (size_t)left;
    if (most > CHUNK_BYTES_MAX)
        most = CHUNK_BYTES_MAX;
    size_t count = random_size(&end->fake->random, most);
    end_fill(end, bytes, count);
    long result = net_send(end->socket, bytes, count);
    if (result == -EAGAIN) {
        end->write_blocked = true;
        return;
    }
    if (result < 0) {
        end_write_failed(end, (int)result);
        return;
    }
    record->written += (uint64_t)result;
    end_write_soon(end, end->script.write_pause_ns_max);
}

static void check_bytes(struct fake_end *end, const unsigned char *bytes, size_t count)
{
    const struct fake_record *record = &end->record;

    for (size_t i = 0; end->script.expected && i < count; i++)
        if (bytes[i] != random_stream_byte(end->script.expected, record->read + i))
            fake_fail(end->fake, "far end %u got a wrong byte at offset %llu of what it was sent",
                      end->socket->number, (unsigned long long)(record->read + i));
}

/* A reset that a write was told of reads as end-of-file afterwards. */
void end_finished_reading(struct fake_end *end, int result)
{
    struct fake_record *record = &end->record;
    bool told_before = end->socket->kind == FAKE_TCP && !end->socket->ended;

    record->saw_end = result == 0 && !told_before;
    record->saw_gone = result == 0 && end->socket->peer_closed;
    record->saw_reset = !record->saw_end;
    record->finished_ns = end->fake->now_ns;
    fake_note(end->fake, "far end %u: %s after %llu bytes read, %llu sent", end->socket->number,
              record->saw_end ? "saw end-of-file" : "saw a reset", (unsigned long long)record->read,
              (unsigned long long)record->written);
    leave_if_over(end);
}

static size_t read_bytes(struct fake_end *end)
{
    size_t most = end->script.read_bytes_max ? end->script.read_bytes_max : CHUNK_BYTES_MAX;

    if (end->script.read_limit) {
        uint64_t left = end->script.read_limit - end->record.read;
        most = most < left ? most : (size_t)left;
    }
    return most < CHUNK_BYTES_MAX ? most : CHUNK_BYTES_MAX;
}

static void take_bytes(struct fake_end *end, const unsigned char *bytes, size_t count)
{
    struct fake_record *record = &end->record;
    bool waited = record->read < end->script.start_after_read;

    check_bytes(end, bytes, count);
    if (record->read == 0)
        record->first_byte_ns = end->fake->now_ns;
    record->latest_byte_ns = end->fake->now_ns;
    for (size_t i = 0; i < count && record->read + i < sizeof(record->first); i++)
        record->first[record->read + i] = bytes[i];
    record->read += count;
    if (waited && record->read >= end->script.start_after_read)
        end_write_soon(end, end->script.write_pause_ns_max);
}

static void read_now(struct ring_timer *timer)
{
    struct fake_end *end = CONTAINER(timer, struct fake_end, reading);
    static unsigned char bytes[CHUNK_BYTES_MAX];
    size_t most = read_bytes(end);

    if (end->paused || end->fake->now_ns < end->record.connected_ns + end->script.read_start_ns)
        return;
    if (end->greeting) {
        if (end_mux_read(end))
            read_soon(end, 0);
        return;
    }
    if (end->hears) {
        if (end_hears_read(end))
            read_soon(end, 0);
        return;
    }
    if (most == 0)
        return;
    long result = net_receive(end->socket, bytes, random_size(&end->fake->random, most), false);
    if (result == -EAGAIN)
        return;
    if (result <= 0) {
        end_finished_reading(end, (int)result);
        return;
    }
    take_bytes(end, bytes, (size_t)result);
    read_soon(end, end->script.read_pause_ns_max);
}

static void leave_now(struct ring_timer *timer)
{
    struct fake_end *end = CONTAINER(timer, struct fake_end, leaving);
    end_leave(end, end->script.leave);
}

struct fake_end *end_new(struct fake *fake, struct net_socket *socket,
                         const struct fake_script *script)
{
    struct fake_end *end = fake_allocate(sizeof(*end));

    end->fake = fake;
    end->socket = socket;
    end->script = *script;
    end->next = fake->ends;
    fake->ends = end;
    socket->owner = end;
    socket->wake = wake;
    return end;
}

void end_start(struct fake_end *end)
{
    struct fake *fake = end->fake;

    end->record.connected_ns = fake->now_ns;
    end->greeting = end->script.mux != FAKE_MUX_NONE;
    end->says = end->script.says;
    end->hears = end->script.hears;
    if (!end->greeting)
        fake_event(fake, &end->writing, end->script.start_ns, write_now);
    fake_event(fake, &end->reading, end->script.read_start_ns, read_now);
    if (end->script.leave_ns) {
        uint64_t now_ns = fake->now_ns;
        uint64_t at_ns = end->script.leave_ns;
        fake_event(fake, &end->leaving, at_ns > now_ns ? at_ns - now_ns : 0, leave_now);
    }
}

void ends_free(struct fake *fake)
{
    while (fake->ends) {
        struct fake_end *end = fake->ends;
        fake->ends = end->next;
        free(end);
    }
}

/* 203.0.113.7:40000 came to 203.0.113.1:80; CID 5, port 1025 to CID 2, port 80. A Unix initiator
 * has no name. */
static void name_accepted(struct descriptor *descriptor)
{
    struct sockaddr_in peer = {AF_INET, htons(40000), {htonl(0xcb007107)}, {0}};
    struct sockaddr_in local = {AF_INET, htons(80), {htonl(0xcb007101)}, {0}};
    struct sockaddr_vm peer_vm = {.svm_family = AF_VSOCK, .svm_cid = 5, .svm_port = 1025};
    struct sockaddr_vm local_vm = {.svm_family = AF_VSOCK, .svm_cid = 2, .svm_port = 80};
    bool vsock = descriptor->kind == FAKE_VSOCK;

    if (descriptor->kind == FAKE_UNIX) {
        descriptor->peer.ss_family = descriptor->local.ss_family = AF_UNIX;
        descriptor->peer_length = descriptor->local_length = sizeof(sa_family_t);
        return;
    }
    descriptor->peer_length = vsock ? sizeof(peer_vm) : sizeof(peer);
    descriptor->local_length = descriptor->peer_length;
    memcpy(&descriptor->peer, vsock ? (void *)&peer_vm : &peer, descriptor->peer_length);
    memcpy(&descriptor->local, vsock ? (void *)&local_vm : &local, descriptor->local_length);
}

struct fake_end *fake_accepted(struct fake *fake, enum fake_kind kind,
                               const struct fake_script *script, int *ret_fd, int *ret_fd_write)
{
    struct net_socket *pair[2];

    net_pair(fake, kind, script->room_from, script->room_to, pair);
    struct descriptor *descriptor = descriptor_new(fake, pair[0], kind);
    name_accepted(descriptor);
    descriptor->closes_by_reset = true; /* as the listener that it inherits from */
    *ret_fd = *ret_fd_write = descriptor->fd;
    if (kind == FAKE_FILE) {
        descriptor->writes = false;
        struct descriptor *writer = descriptor_new(fake, pair[0], kind);
        writer->reads = false;
        *ret_fd_write = writer->fd;
    }
    struct fake_end *end = end_new(fake, pair[1], script);
    end_start(end);
    return end;
}

int fake_listener(struct fake *fake, enum fake_kind kind)
{
    struct descriptor *descriptor = descriptor_new(fake, NULL, kind);
    descriptor->listening = true;
    return descriptor->fd;
}

struct fake_end *fake_listener_connect(struct fake *fake, int fd, const struct fake_script *script)
{
    struct descriptor *listener = descriptor_of(fake, fd, "fake_listener_connect()");
    struct pending *pending = fake_allocate(sizeof(*pending));
    struct pending **last = &listener->pending;
    struct net_socket *pair[2];

    net_pair(fake, listener->kind, script->room_from, script->room_to, pair);
    pending->socket = pair[0];
    while (*last)
        last = &(*last)->next;
    *last = pending;
    struct fake_end *end = end_new(fake, pair[1], script);
    end_start(end);
    listener_wake(fake, listener);
    return end;
}

void fake_listener_fail(struct fake *fake, int fd, int error)
{
    struct descriptor *listener = descriptor_of(fake, fd, "fake_listener_fail()");
    listener->accept_error = error;
    listener_wake(fake, listener);
}

const struct fake_record *fake_end_record(const struct fake_end *end)
{
    return &end->record;
}

enum fake_kind fake_end_kind(const struct fake_end *end)
{
    return end->socket->kind;
}

struct fake_end *fake_end_of(struct fake *fake, int fd)
{
    return descriptor_of(fake, fd, "fake_end_of()")->socket->peer->owner;
}

void fake_end_leave(struct fake_end *end, enum fake_leave leave)
{
    end_leave(end, leave);
}

void fake_end_pause(struct fake_end *end, bool paused)
{
    end->paused = paused;
    if (!paused)
        read_soon(end, 0);
}

/* AF_VSOCK streams: how much may stand unread (credit), readiness, and ways to move much. */
#include "tests/kernel/vsock_case.h"
#include "tests/kernel/vsock_loopback.h"
#include "tests/kernel/vsock_place.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/sockios.h>
#include <linux/vm_sockets.h>

#define DEADLINE_MS 5000

/* Long enough to see that something does not come. */
#define QUIET_MS 20

#define KIB 1024

static int pair[2];
static char bytes[64];

static uint64_t option(int fd, int name)
{
    uint64_t value = 0;
    socklen_t length = sizeof(value);
    EXPECT_EQ(getsockopt(fd, AF_VSOCK, name, &value, &length), 0);
    return value;
}

static void set_option(int fd, int name, uint64_t value)
{
    EXPECT_EQ(setsockopt(fd, AF_VSOCK, name, &value, sizeof(value)), 0);
}

static void make_pattern(unsigned char *ret, size_t length)
{
    for (size_t i = 0; i < length; i++)
        ret[i] = (unsigned char)(i * 7 + i / 251);
}

CASE(a_peek_takes_nothing)
{
    loopback_pair(SOCK_STREAM, pair);
    EXPECT_EQ(loopback_receive(pair[1], bytes, 2, MSG_PEEK), -EAGAIN);
    EXPECT_EQ(loopback_send(pair[0], "abc", 3), 3);
    loopback_await(pair[1], 3);
    EXPECT_EQ(loopback_receive(pair[1], bytes, 2, MSG_PEEK), 2);
    /* Over the edges of packets too. */
    EXPECT_EQ(loopback_send(pair[0], "def", 3), 3);
    loopback_await(pair[1], 6);
    EXPECT_EQ(loopback_receive(pair[1], bytes, sizeof(bytes), 0), 6);
    EXPECT(memcmp(bytes, "abcdef", 6) == 0);
    close(pair[0]);
    loopback_await_end(pair[1]);
    EXPECT_EQ(loopback_receive(pair[1], bytes, 2, MSG_PEEK), 0);
    close(pair[1]);
}

CASE(readable_means_as_much_as_rcvlowat)
{
    int least = 100;
    char hundred[100] = {0};

    loopback_pair(SOCK_STREAM, pair);
    EXPECT_EQ(setsockopt(pair[1], SOL_SOCKET, SO_RCVLOWAT, &least, sizeof(least)), 0);
    EXPECT_EQ(loopback_send(pair[0], hundred, 99), 99);
    loopback_await(pair[1], 99);
    EXPECT_EQ(loopback_poll(pair[1], POLLIN, 0), 0);
    EXPECT_EQ(loopback_send(pair[0], hundred, 1), 1);
    EXPECT_EQ(loopback_poll(pair[1], POLLIN, DEADLINE_MS), POLLIN);
    EXPECT_EQ(loopback_receive(pair[1], bytes, 1, 0), 1);
    EXPECT_EQ(loopback_poll(pair[1], POLLIN, 0),
              vsock_kernel->rcvlowat_counts_packets ? POLLIN : 0);
    /* A receive takes less all the same; and what is before end-of-file is readable. */
    EXPECT_EQ(loopback_receive(pair[1], bytes, 1, 0), 1);
    EXPECT_EQ(shutdown(pair[0], SHUT_WR), 0);
    EXPECT_EQ(loopback_poll(pair[1], POLLIN, DEADLINE_MS), POLLIN);
    loopback_close_pair(pair);
}

CASE(rcvlowat_is_at_most_the_buffer)
{
    int most = LOOPBACK_BUFFER_BYTES;

    loopback_pair(SOCK_STREAM, pair);
    EXPECT_EQ(setsockopt(pair[1], SOL_SOCKET, SO_RCVLOWAT, &most, sizeof(most)), 0);
    most++;
    EXPECT_EQ(setsockopt(pair[1], SOL_SOCKET, SO_RCVLOWAT, &most, sizeof(most)), -1);
    EXPECT_EQ(errno, EINVAL);
    loopback_close_pair(pair);
}

CASE(writable_means_one_byte_of_credit)
{
    static const char all_but_one[LOOPBACK_BUFFER_BYTES - 1];

    loopback_pair(SOCK_STREAM, pair);
    EXPECT_EQ(loopback_send(pair[0], all_but_one, sizeof(all_but_one)), sizeof(all_but_one));
    EXPECT_EQ(loopback_poll(pair[0], POLLOUT, 0), POLLOUT);
    EXPECT_EQ(loopback_send(pair[0], "much", 4), 1);
    EXPECT_EQ(loopback_poll(pair[0], POLLOUT, 0), 0);
    EXPECT_EQ(loopback_send(pair[0], "much", 4), -EAGAIN);
    loopback_close_pair(pair);
}

/* Bytes count, not packets. */
CASE(as_much_as_the_buffer_stands_unread)
{
    static const size_t pieces[] = {100, 1000, 4096, 64 * KIB, LOOPBACK_BUFFER_BYTES};

    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        loopback_pair(SOCK_STREAM, pair);
        EXPECT_EQ(loopback_fill(pair[0], pieces[i]), LOOPBACK_BUFFER_BYTES);
        loopback_close_pair(pair);
    }
}

/* The reader tells its credit when less than 64 KiB of what it told before are left
 * (virtio_transport_stream_do_dequeue()), and only whole packets count. */
CASE(a_full_sender_goes_on_when_three_quarters_are_read)
{
    enum { PACKET = 32 * KIB, QUIET = LOOPBACK_BUFFER_BYTES - 64 * KIB };

    loopback_pair(SOCK_STREAM, pair);
    EXPECT_EQ(loopback_fill(pair[0], PACKET), LOOPBACK_BUFFER_BYTES);
    loopback_await(pair[1], LOOPBACK_BUFFER_BYTES);
    loopback_discard(pair[1], QUIET);
    loopback_discard(pair[1], PACKET - 1);
    EXPECT_EQ(loopback_poll(pair[0], POLLOUT, QUIET_MS), 0);
    EXPECT_EQ(loopback_send(pair[0], "x", 1), -EAGAIN);
    loopback_discard(pair[1], 1);
    EXPECT_EQ(loopback_poll(pair[0], POLLOUT, DEADLINE_MS), POLLOUT);
    EXPECT_EQ(loopback_fill(pair[0], PACKET), QUIET + PACKET);
    loopback_close_pair(pair);
}

CASE(a_full_sender_goes_on_when_all_is_read)
{
    static const size_t buffers[] = {4 * KIB, 64 * KIB, LOOPBACK_BUFFER_BYTES};

    for (size_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]); i++) {
        loopback_pair_of(SOCK_STREAM, buffers[i], buffers[i], pair);
        for (int round = 0; round < 3; round++) {
            EXPECT_EQ(loopback_fill(pair[0], 1000), buffers[i]);
            EXPECT_EQ(loopback_poll(pair[0], POLLOUT, 0), 0);
            loopback_await(pair[1], buffers[i]);
            loopback_discard(pair[1], buffers[i]);
            EXPECT_EQ(loopback_poll(pair[0], POLLOUT, DEADLINE_MS), POLLOUT);
        }
        loopback_close_pair(pair);
    }
}

/* Though they are few: when nothing stands unread, credit is told as well. */
CASE(the_last_reads_are_told_too)
{
    enum { PACKET = 32 * KIB, MOST = LOOPBACK_BUFFER_BYTES - PACKET };

    loopback_pair(SOCK_STREAM, pair);
    EXPECT_EQ(loopback_fill(pair[0], PACKET), LOOPBACK_BUFFER_BYTES);
    loopback_await(pair[1], LOOPBACK_BUFFER_BYTES);
    loopback_discard(pair[1], MOST);
    EXPECT_EQ(loopback_poll(pair[0], POLLOUT, DEADLINE_MS), POLLOUT);
    loopback_discard(pair[1], PACKET);
    for (size_t sent = 0; sent < LOOPBACK_BUFFER_BYTES;) {
        EXPECT_EQ(loopback_poll(pair[0], POLLOUT, DEADLINE_MS), POLLOUT);
        sent += loopback_fill(pair[0], PACKET);
    }
    loopback_close_pair(pair);
}

/* Accepted sockets have the listener's buffer. */
CASE(the_smaller_buffer_of_both_ends_counts)
{
    static const struct {
        uint64_t connecting, listening;
        size_t holds;
    } cases[] = {
        {LOOPBACK_DEFAULT, 1024 * KIB, LOOPBACK_BUFFER_BYTES},
        {1024 * KIB, LOOPBACK_DEFAULT, LOOPBACK_BUFFER_BYTES},
        {1024 * KIB, 1024 * KIB, 1024 * KIB},
        {LOOPBACK_DEFAULT, 4 * KIB, 4 * KIB},
        {4 * KIB, LOOPBACK_DEFAULT, 4 * KIB},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        loopback_pair_of(SOCK_STREAM, cases[i].connecting, cases[i].listening, pair);
        if (cases[i].listening != LOOPBACK_DEFAULT)
            EXPECT_EQ(option(pair[1], SO_VM_SOCKETS_BUFFER_SIZE), cases[i].listening);
        for (int end = 0; end < 2; end++)
            EXPECT_EQ(loopback_fill(pair[end], 64 * KIB), cases[i].holds);
        loopback_close_pair(pair);
    }
}

/* A size beyond the maximum is cut to it, and no later maximum brings it back. */
CASE(the_largest_buffer_is_set_before_the_buffer)
{
    int fd = loopback_socket(SOCK_STREAM);

    EXPECT_EQ(option(fd, SO_VM_SOCKETS_BUFFER_SIZE), LOOPBACK_BUFFER_BYTES);
    EXPECT_EQ(option(fd, SO_VM_SOCKETS_BUFFER_MAX_SIZE), LOOPBACK_BUFFER_BYTES);
    set_option(fd, SO_VM_SOCKETS_BUFFER_SIZE, 1024 * KIB);
    EXPECT_EQ(option(fd, SO_VM_SOCKETS_BUFFER_SIZE), LOOPBACK_BUFFER_BYTES);
    set_option(fd, SO_VM_SOCKETS_BUFFER_MAX_SIZE, 1024 * KIB);
    EXPECT_EQ(option(fd, SO_VM_SOCKETS_BUFFER_SIZE), LOOPBACK_BUFFER_BYTES);
    set_option(fd, SO_VM_SOCKETS_BUFFER_SIZE, 1024 * KIB);
    EXPECT_EQ(option(fd, SO_VM_SOCKETS_BUFFER_SIZE), 1024 * KIB);
    set_option(fd, SO_VM_SOCKETS_BUFFER_SIZE, 1);
    EXPECT_EQ(option(fd, SO_VM_SOCKETS_BUFFER_SIZE), 128);
    close(fd);
}

/* SIOCOUTQ is about what was not yet delivered: what stands unread at the other end is not in it.
 */
/* What proxy/sweep.c asks an idle session's other end by. */
CASE(a_larger_buffer_is_told_at_once)
{
    /* The smaller one of both ends' counts. */
    loopback_pair_of(SOCK_STREAM, 512 * KIB, 64 * KIB, pair);
    loopback_fill(pair[0], 4096);
    EXPECT_EQ(loopback_poll(pair[0], POLLOUT, QUIET_MS), 0);
    uint64_t larger = option(pair[1], SO_VM_SOCKETS_BUFFER_SIZE) + 1;
    set_option(pair[1], SO_VM_SOCKETS_BUFFER_MAX_SIZE, larger);
    EXPECT_EQ(loopback_poll(pair[0], POLLOUT, QUIET_MS), 0);
    set_option(pair[1], SO_VM_SOCKETS_BUFFER_SIZE, larger);
    EXPECT_EQ(loopback_poll(pair[0], POLLOUT, DEADLINE_MS), POLLOUT);
    EXPECT_EQ(loopback_send(pair[0], bytes, 2), 1);
    loopback_close_pair(pair);
}

CASE(queues_that_can_be_asked)
{
    int value = -1;

    loopback_pair(SOCK_STREAM, pair);
    EXPECT_EQ(loopback_send(pair[0], "hello", 5), 5);
    loopback_await(pair[1], 5);
    int error = ioctl(pair[0], SIOCOUTQ, &value) < 0 ? errno : 0;
    EXPECT_EQ(error, vsock_kernel->outq_error);
    for (int ms = 0; error == 0 && value != 0 && ms < DEADLINE_MS; ms++) {
        usleep(1000);
        EXPECT_EQ(ioctl(pair[0], SIOCOUTQ, &value), 0);
    }
    if (error == 0)
        EXPECT_EQ(value, 0);
    error = ioctl(pair[1], SIOCINQ, &value) < 0 ? errno : 0;
    EXPECT_EQ(error, vsock_kernel->inq_error);
    if (error == 0)
        EXPECT_EQ(value, 5);
    loopback_close_pair(pair);
}

CASE(a_send_is_whole_as_far_as_there_is_credit)
{
    enum { MOST = 4096 * KIB };
    static unsigned char sent[MOST], received[MOST];
    static const size_t sizes[] = {32 * KIB, 32 * KIB + 1, 64 * KIB, 64 * KIB + 1, MOST};

    make_pattern(sent, sizeof(sent));
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        loopback_pair_of(SOCK_STREAM, MOST, MOST, pair);
        EXPECT_EQ(loopback_send(pair[0], sent, sizes[i]), sizes[i]);
        loopback_read(pair[1], received, sizes[i]);
        EXPECT(memcmp(sent, received, sizes[i]) == 0);
        EXPECT_EQ(loopback_receive(pair[1], received, 1, 0), -EAGAIN);
        loopback_close_pair(pair);
    }

    loopback_pair(SOCK_STREAM, pair);
    EXPECT_EQ(loopback_send(pair[0], sent, MOST), LOOPBACK_BUFFER_BYTES);
    loopback_close_pair(pair);
}

/* As much as the buffer, or more, can never be there at once: ENOMEM, and nothing is taken. */
CASE(waiting_for_all_is_for_less_than_the_buffer)
{
    enum { MORE = 2 * LOOPBACK_BUFFER_BYTES };
    static char much[MORE];

    loopback_pair(SOCK_STREAM, pair);
    EXPECT_EQ(loopback_fill(pair[0], 64 * KIB), LOOPBACK_BUFFER_BYTES);
    loopback_await(pair[1], LOOPBACK_BUFFER_BYTES);
    EXPECT_EQ(recv(pair[1], much, LOOPBACK_BUFFER_BYTES, MSG_WAITALL), -1);
    EXPECT_EQ(errno, ENOMEM);
    EXPECT_EQ(recv(pair[1], much, LOOPBACK_BUFFER_BYTES - 1, MSG_WAITALL),
              LOOPBACK_BUFFER_BYTES - 1);
    loopback_close_pair(pair);

    loopback_pair_of(SOCK_STREAM, 2 * MORE, 2 * MORE, pair);
    EXPECT_EQ(loopback_send(pair[0], much, MORE), MORE);
    EXPECT_EQ(recv(pair[1], much, MORE, MSG_WAITALL), MORE);
    loopback_close_pair(pair);
}

/* It copies, and may move no more than a page a call (7.2), however much is there. */
CASE(splice_moves_the_right_bytes)
{
    enum { COUNT = 200 * 1000 };
    static unsigned char sent[COUNT], received[COUNT];
    int pipe_ends[2];

    make_pattern(sent, sizeof(sent));
    loopback_pair(SOCK_STREAM, pair);
    EXPECT_EQ(pipe(pipe_ends), 0);
    EXPECT_GE(fcntl(pipe_ends[1], F_SETPIPE_SZ, LOOPBACK_BUFFER_BYTES), LOOPBACK_BUFFER_BYTES);
    EXPECT_EQ(loopback_send(pair[0], sent, COUNT), COUNT);
    loopback_await(pair[1], COUNT);
    for (size_t done = 0; done < COUNT;) {
        ssize_t count = splice(pair[1], NULL, pipe_ends[1], NULL, COUNT, 0);
        EXPECT(count >= 4096 || count == (ssize_t)(COUNT - done));
        EXPECT_EQ(read(pipe_ends[0], received + done, (size_t)count), count);
        done += (size_t)count;
    }
    EXPECT(memcmp(received, sent, COUNT) == 0);

    /* And back. */
    for (size_t done = 0; done < COUNT;) {
        ssize_t count = write(pipe_ends[1], sent + done, COUNT - done);
        EXPECT_GT(count, 0);
        for (ssize_t spliced = 0; spliced < count;) {
            ssize_t some = splice(pipe_ends[0], NULL, pair[1], NULL, (size_t)(count - spliced), 0);
            EXPECT_GT(some, 0);
            spliced += some;
        }
        done += (size_t)count;
    }
    memset(received, 0, sizeof(received));
    loopback_read(pair[0], received, COUNT);
    EXPECT(memcmp(received, sent, COUNT) == 0);
    loopback_close_pair(pair);
}

/* Only the socket's own O_NONBLOCK keeps splice from waiting. */
CASE(splice_of_an_empty_socket_that_does_not_wait)
{
    int pipe_ends[2];

    loopback_pair(SOCK_STREAM, pair);
    EXPECT_EQ(pipe(pipe_ends), 0);
    EXPECT_EQ(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
    EXPECT_EQ(splice(pair[1], NULL, pipe_ends[1], NULL, 4096, 0), -1);
    EXPECT_EQ(errno, EAGAIN);
    loopback_close_pair(pair);
}

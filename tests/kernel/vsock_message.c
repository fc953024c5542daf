/* AF_VSOCK SOCK_SEQPACKET: messages, and where they differ from those of other families. */
#include "tests/kernel/vsock_case.h"
#include "tests/kernel/vsock_loopback.h"
#include "tests/kernel/vsock_place.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_MS 5000

static int pair[2];
static char bytes[64];

/* Receives one message, waiting for it; returns its length, and msg_flags. */
static ssize_t receive_message(int fd, size_t room, int *ret_flags)
{
    struct iovec piece = {.iov_base = bytes, .iov_len = room};
    struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};

    EXPECT_NE(loopback_poll(fd, POLLIN, DEADLINE_MS), 0);
    ssize_t count = recvmsg(fd, &message, MSG_DONTWAIT);
    *ret_flags = message.msg_flags;
    return count;
}

CASE(messages_keep_their_bounds)
{
    int flags;

    loopback_pair(SOCK_SEQPACKET, pair);
    EXPECT_EQ(loopback_send(pair[0], "abc", 3), 3);
    EXPECT_EQ(loopback_send(pair[0], "defgh", 5), 5);
    EXPECT_EQ(receive_message(pair[1], sizeof(bytes), &flags), 3);
    EXPECT_EQ(flags, 0);
    EXPECT_EQ(receive_message(pair[1], sizeof(bytes), &flags), 5);
    EXPECT(memcmp(bytes, "defgh", 5) == 0);
    loopback_close_pair(pair);
}

/* The rest of it is lost; MSG_TRUNC asks for the whole length. */
CASE(a_long_message_is_cut)
{
    int flags;

    loopback_pair(SOCK_SEQPACKET, pair);
    EXPECT_EQ(loopback_send(pair[0], "abcdef", 6), 6);
    EXPECT_EQ(receive_message(pair[1], 3, &flags), 3);
    EXPECT_EQ(flags, MSG_TRUNC);
    EXPECT(memcmp(bytes, "abc", 3) == 0);
    EXPECT_EQ(loopback_receive(pair[1], bytes, sizeof(bytes), 0), -EAGAIN);

    EXPECT_EQ(loopback_send(pair[0], "abcdef", 6), 6);
    EXPECT_EQ(loopback_poll(pair[1], POLLIN, DEADLINE_MS), POLLIN);
    EXPECT_EQ(loopback_receive(pair[1], bytes, 3, MSG_TRUNC), 6);
    EXPECT_EQ(loopback_receive(pair[1], bytes, sizeof(bytes), 0), -EAGAIN);
    loopback_close_pair(pair);
}

/* Only what was sent with it has it. */
CASE(msg_eor_is_passed_on)
{
    int flags;

    loopback_pair(SOCK_SEQPACKET, pair);
    EXPECT_EQ(send(pair[0], "end", 3, MSG_EOR), 3);
    EXPECT_EQ(receive_message(pair[1], sizeof(bytes), &flags), 3);
    EXPECT_EQ(flags, MSG_EOR);
    EXPECT_EQ(send(pair[0], "not", 3, 0), 3);
    EXPECT_EQ(receive_message(pair[1], sizeof(bytes), &flags), 3);
    EXPECT_EQ(flags, 0);
    loopback_close_pair(pair);
}

/* So 0 is always end-of-file. */
CASE(an_empty_message_is_not_sent)
{
    int flags;

    loopback_pair(SOCK_SEQPACKET, pair);
    EXPECT_EQ(loopback_send(pair[0], "", 0), 0);
    EXPECT_EQ(loopback_send(pair[0], "next", 4), 4);
    EXPECT_EQ(receive_message(pair[1], sizeof(bytes), &flags), 4);
    EXPECT_EQ(shutdown(pair[0], SHUT_WR), 0);
    EXPECT_EQ(receive_message(pair[1], sizeof(bytes), &flags), 0);
    loopback_close_pair(pair);
}

/* As long as the other end's buffer, at most. */
CASE(a_message_fits_the_buffer_or_is_refused)
{
    static char message[LOOPBACK_BUFFER_BYTES + 1], received[LOOPBACK_BUFFER_BYTES + 1];

    memset(message, 'm', sizeof(message));
    loopback_pair(SOCK_SEQPACKET, pair);
    EXPECT_EQ(loopback_send(pair[0], message, LOOPBACK_BUFFER_BYTES + 1),
              -vsock_kernel->message_long_error);
    EXPECT_EQ(loopback_send(pair[0], message, LOOPBACK_BUFFER_BYTES), LOOPBACK_BUFFER_BYTES);
    EXPECT_EQ(loopback_poll(pair[1], POLLIN, DEADLINE_MS), POLLIN);
    EXPECT_EQ(loopback_receive(pair[1], received, sizeof(received), 0), LOOPBACK_BUFFER_BYTES);
    EXPECT(memcmp(received, message, LOOPBACK_BUFFER_BYTES) == 0);
    loopback_close_pair(pair);
}

/* All of it or nothing: what does not fit now has to wait, although there is credit left. */
CASE(a_message_is_not_sent_in_part)
{
    enum { SIZE = 1000, WHOLE = LOOPBACK_BUFFER_BYTES / SIZE * SIZE };
    static char message[SIZE];
    size_t sent = 0;

    loopback_pair(SOCK_SEQPACKET, pair);
    while (loopback_send(pair[0], message, SIZE) == SIZE)
        sent += SIZE;
    EXPECT_EQ(sent, WHOLE);
    EXPECT_EQ(loopback_send(pair[0], message, SIZE), -EAGAIN);
    loopback_close_pair(pair);
}

CASE(a_peek)
{
    loopback_pair(SOCK_SEQPACKET, pair);
    EXPECT_EQ(loopback_send(pair[0], "abc", 3), 3);
    EXPECT_EQ(loopback_poll(pair[1], POLLIN, DEADLINE_MS), POLLIN);
    EXPECT_EQ(loopback_receive(pair[1], bytes, 2, MSG_PEEK),
              vsock_kernel->message_peek_error != 0 ? -vsock_kernel->message_peek_error : 2);
    EXPECT_EQ(loopback_receive(pair[1], bytes, sizeof(bytes), 0), 3);
    loopback_close_pair(pair);
}

CASE(a_close_is_end_of_file_after_the_messages)
{
    int flags;

    loopback_pair(SOCK_SEQPACKET, pair);
    EXPECT_EQ(loopback_send(pair[0], "last", 4), 4);
    close(pair[0]);
    EXPECT(loopback_poll(pair[1], POLLRDHUP, DEADLINE_MS) & POLLRDHUP);
    EXPECT_EQ(receive_message(pair[1], sizeof(bytes), &flags), 4);
    EXPECT_EQ(receive_message(pair[1], sizeof(bytes), &flags), 0);
    EXPECT_EQ(loopback_send(pair[1], "", 0), -EPIPE);
    close(pair[1]);
}

/* They share the ports, but do not connect. */
CASE(streams_and_messages_do_not_meet)
{
    static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};

    for (int i = 0; i < 2; i++) {
        uint32_t port;
        int listener = loopback_listen(types[i], 1, &port);
        int fd = loopback_socket(types[!i]);
        EXPECT_EQ(loopback_connect(fd, port), ECONNRESET);
        close(fd);
        close(listener);
    }
}

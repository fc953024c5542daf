/* The calls that move bytes without an operation. */
#include "tests/fake/near.h"
#include "tests/fake/random.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>

#define SEEDS 300
#define BYTES 20000

/* A byte at a time and more, there and back. */
Test(fake_direct, bytes)
{
    unsigned again = 0, part = 0, send_again = 0, send_part = 0;

    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct fake_options options = {.seed = seed, .faults = near_faults};
        struct fake_script script = {
            .bytes = BYTES, .stream = 1, .expected = 1, .stay = true, .room_from = 3000};
        struct near near;
        uint64_t read = 0;

        near_init_with(&near, &options, (enum fake_kind)(seed % 3), &script);
        while (read < BYTES) {
            char bytes[1000];
            ssize_t count = ring_socket_receive_now(near.fd, bytes, sizeof(bytes), 0);
            again += count == -EAGAIN;
            part += count > 0 && count < (ssize_t)sizeof(bytes);
            if (count == -EAGAIN)
                near_events(&near, POLLIN);
            for (ssize_t sent = 0; sent < count;) {
                cr_assert_eq((unsigned char)bytes[sent], random_stream_byte(1, read));
                ssize_t result =
                    ring_socket_send_now(near.fd, bytes + sent, (size_t)(count - sent));
                cr_assert(result > 0 || result == -EAGAIN || result == -EINTR, "%zd", result);
                send_again += result == -EAGAIN;
                send_part += result > 0 && result < count - sent;
                if (result == -EAGAIN)
                    near_pass(&near, MS / 10);
                sent += result > 0 ? result : 0;
                read += result > 0 ? (uint64_t)result : 0;
            }
        }
        near_pass(&near, 1000 * MS);
        cr_assert_eq(fake_end_record(near.far)->read, BYTES);
        near_deinit(&near);
    }
    cr_assert_gt(again, SEEDS);
    cr_assert_gt(part, SEEDS);
    cr_assert_gt(send_again, SEEDS);
    cr_assert_gt(send_part, SEEDS);
}

Test(fake_direct, errors)
{
    struct near near;
    char bytes[1000];

    near_init(&near, FAKE_TCP, 10);
    cr_assert_eq(ring_socket_receive_now(near.fd, bytes, sizeof(bytes), 0), 10);
    cr_assert_eq(ring_socket_receive_now(near.fd, bytes, sizeof(bytes), 0), -EAGAIN);
    near_leave(&near, FAKE_RESET);
    cr_assert_eq(ring_socket_send_now(near.fd, "a", 1), -ECONNRESET);
    cr_assert_eq(ring_socket_send_now(near.fd, "a", 1), -EPIPE);
    cr_assert_eq(ring_socket_receive_now(near.fd, bytes, sizeof(bytes), 0), 0);
    near_deinit(&near);

    near_init(&near, FAKE_UNIX, 10);
    fake_end_pause(near.far, true);
    cr_assert_eq(ring_socket_send_now(near.fd, bytes, sizeof(bytes)), sizeof(bytes));
    while (ring_socket_send_now(near.fd, bytes, sizeof(bytes)) > 0)
        ;
    cr_assert_eq(ring_socket_send_now(near.fd, bytes, sizeof(bytes)), -EAGAIN);
    fake_set_faults(near.fake, &(struct fake_faults){.no_memory = 1000});
    cr_assert_eq(ring_socket_receive_now(near.fd, bytes, sizeof(bytes), 0), -ENOMEM);
    cr_assert_eq(fake_injected(near.fake), 1);
    ssize_t sent = ring_socket_send_now(near.fd, bytes, sizeof(bytes));
    cr_assert(sent == -ENOMEM || sent == -ENOBUFS);
    cr_assert_eq(fake_injected(near.fake), 2);
    near_deinit(&near);
}

Test(fake_direct, short_counts)
{
    unsigned received = 0, sent = 0;

    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct fake_options options = {.seed = seed,
                                       .faults = {.short_receive = 1000, .short_send = 1000}};
        struct fake_script script = {.bytes = 10, .stream = 1, .stay = true};
        struct near near;
        char bytes[10];

        near_init_with(&near, &options, FAKE_UNIX, &script);
        received += ring_socket_receive_now(near.fd, bytes, 10, 0) < 10;
        cr_assert_eq(ring_socket_send_now(near.fd, bytes, 1), 1);
        sent += ring_socket_send_now(near.fd, bytes, 10) < 10;
        near_deinit(&near);
    }
    cr_assert_gt(received, 10);
    cr_assert_gt(sent, 10);
}

/* A new connection has room for a few bytes. */
Test(fake_direct, the_first_few_bytes_are_sent_whole)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct fake_options options = {.seed = seed,
                                       .faults = {.short_send = 1000, .send_again = 1000}};
        struct fake_script script = {.stay = true};
        struct near near;
        char bytes[33] = {0};

        near_init_with(&near, &options, FAKE_UNIX, &script);
        cr_assert_eq(ring_socket_send_now(near.fd, bytes, 33), -EAGAIN, "these are many");
        cr_assert_eq(ring_socket_send_now(near.fd, bytes, 32), 32);
        cr_assert_eq(ring_socket_send_now(near.fd, bytes, 1), -EAGAIN, "these are not the first");
        near_deinit(&near);
    }
}

/* What has been seen is not gone when it is read. */
Test(fake_direct, what_a_peek_has_seen_is_there)
{
    struct near near;
    char bytes[10];

    near_init(&near, FAKE_UNIX, 10);
    fake_set_faults(near.fake, &(struct fake_faults){.receive_again = 1000, .no_memory = 1000});
    cr_assert_eq(ring_socket_receive_now(near.fd, bytes, 9, MSG_PEEK), 9);
    cr_assert_eq(ring_socket_receive_now(near.fd, bytes, 8, 0), 8);
    cr_assert_eq(ring_socket_receive_now(near.fd, bytes, 1, 0), 1);
    cr_assert_eq(ring_socket_receive_now(near.fd, bytes, 1, 0), -EAGAIN);
    near_deinit(&near);
}

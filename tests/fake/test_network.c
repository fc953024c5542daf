/* The sockets in memory do as the kernel's do. What tests/kernel/ pins for TCP and Unix is pinned
 * here for the fake; vsock is as read in af_vsock.c and virtio_transport_common.c (6.12). */
#include "tests/fake/near.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/vm_sockets.h>
#include <poll.h>

Test(fake_network, tcp_reset_leaves_what_has_arrived)
{
    struct near near;
    near_init(&near, FAKE_TCP, 1000);

    near_leave(&near, FAKE_RESET);
    cr_assert_eq(near_events(&near, POLLOUT) & (POLLERR | POLLHUP), POLLERR | POLLHUP);
    cr_assert_eq(near_receive(&near), 1000);
    cr_assert_eq(near_receive(&near), -ECONNRESET);
    cr_assert_eq(near_receive(&near), 0);
    cr_assert_eq(near_send(&near, 1), -EPIPE);
    cr_assert_eq(ring_socket_shutdown_write(near.fd), -ENOTCONN);
    near_deinit(&near);
}

/* A send takes the error: the receive behind it reads an end. */
Test(fake_network, tcp_reset_is_told_once)
{
    struct near near;
    near_init(&near, FAKE_TCP, 0);

    near_leave(&near, FAKE_RESET);
    cr_assert_eq(near_send(&near, 1), -ECONNRESET);
    cr_assert_eq(near_receive(&near), 0);
    near_deinit(&near);
}

Test(fake_network, tcp_reset_after_the_end)
{
    struct near near;
    near_init(&near, FAKE_TCP, 0);

    near_leave(&near, FAKE_HALF_CLOSE);
    cr_assert_eq(near_receive(&near), 0);
    near_leave(&near, FAKE_RESET);
    cr_assert_eq(near_receive(&near), 0);
    cr_assert_eq(ring_socket_error(near.fd), -EPIPE);
    near_deinit(&near);
}

/* A close looks like a half-close until something is sent. */
Test(fake_network, tcp_close)
{
    struct near near;
    int error;
    near_init(&near, FAKE_TCP, 10);

    near_leave(&near, FAKE_CLOSE);
    cr_assert_eq(near_receive(&near), 10);
    cr_assert_eq(near_receive(&near), 0);
    cr_assert_not(ring_socket_peer_gone(near.fd, &error));
    cr_assert_eq(near_send(&near, 5), 5);
    near_pass(&near, 10 * MS);
    cr_assert_eq(near_send(&near, 5), -EPIPE);
    near_deinit(&near);
}

Test(fake_network, tcp_close_with_bytes_unread_is_a_reset)
{
    struct near near;
    near_init(&near, FAKE_TCP, 0);

    fake_end_pause(near.far, true);
    cr_assert_eq(near_send(&near, 5), 5);
    near_pass(&near, MS);
    near_leave(&near, FAKE_CLOSE);
    cr_assert_eq(near_receive(&near), -ECONNRESET);
    near_deinit(&near);
}

Test(fake_network, tcp_close_of_ours_with_bytes_unread_is_a_reset)
{
    struct near near;
    near_init(&near, FAKE_TCP, 100);

    ring_socket_set(near.fd, SOL_SOCKET, SO_LINGER, &(struct linger){0}, sizeof(struct linger));
    ring_socket_close(near.fd);
    fake_settle(near.fake);
    cr_assert(fake_end_record(near.far)->saw_reset);
    fake_free(near.fake);
}

Test(fake_network, unix_close)
{
    struct near near;
    int error;
    near_init(&near, FAKE_UNIX, 10);

    near_leave(&near, FAKE_CLOSE);
    cr_assert_eq(near_events(&near, 0) & (POLLERR | POLLHUP), POLLHUP);
    cr_assert_eq(near_receive(&near), 10);
    cr_assert_eq(near_receive(&near), 0);
    cr_assert(ring_socket_peer_gone(near.fd, &error));
    cr_assert_eq(error, 0);
    cr_assert_eq(near_send(&near, 5), -EPIPE);
    near_deinit(&near);
}

Test(fake_network, unix_close_with_bytes_unread)
{
    struct near near;
    near_init(&near, FAKE_UNIX, 10);

    fake_end_pause(near.far, true);
    cr_assert_eq(near_send(&near, 5), 5);
    near_leave(&near, FAKE_CLOSE);
    cr_assert_eq(near_receive(&near), 10);
    cr_assert_eq(near_receive(&near), -ECONNRESET);
    cr_assert_eq(near_receive(&near), 0);
    near_deinit(&near);
}

Test(fake_network, unix_half_close)
{
    struct near near;
    int error;
    near_init(&near, FAKE_UNIX, 10);

    near_leave(&near, FAKE_HALF_CLOSE);
    cr_assert_eq(near_receive(&near), 10);
    cr_assert_eq(near_receive(&near), 0);
    cr_assert_not(ring_socket_peer_gone(near.fd, &error));
    cr_assert_eq(near_send(&near, 5), 5);
    near_deinit(&near);
}

/* FACTS.md 2: a RST reads as end-of-file; a send of no bytes tells. */
Test(fake_network, vsock_reset)
{
    struct near near;
    int error;
    near_init(&near, FAKE_VSOCK, 10);

    near_leave(&near, FAKE_RESET);
    cr_assert_eq(near_receive(&near), 10);
    cr_assert_eq(near_receive(&near), 0);
    cr_assert(ring_socket_peer_gone(near.fd, &error));
    cr_assert_eq(error, 0);
    cr_assert_eq(near_send(&near, 1), -EPIPE);
    near_deinit(&near);
}

Test(fake_network, vsock_half_close)
{
    struct near near;
    int error;
    near_init(&near, FAKE_VSOCK, 10);

    near_leave(&near, FAKE_HALF_CLOSE);
    cr_assert_eq(near_receive(&near), 10);
    cr_assert_eq(near_receive(&near), 0);
    cr_assert_not(ring_socket_peer_gone(near.fd, &error));
    cr_assert_eq(near_send(&near, 1), 1);
    near_deinit(&near);
}

/* With bytes unread the socket stays established: no credit, no POLLOUT, no POLLHUP. */
Test(fake_network, vsock_reset_while_full_and_unread)
{
    struct near near;
    near_init(&near, FAKE_VSOCK, 10);

    fake_end_pause(near.far, true);
    cr_assert_eq(near_send(&near, 100000), 4000);
    cr_assert_eq(near_send(&near, 1), -EAGAIN);
    near_leave(&near, FAKE_RESET);
    cr_assert_eq(near_events(&near, POLLOUT) & (POLLOUT | POLLHUP | POLLERR), 0);
    cr_assert_eq(near_send(&near, 1), -EPIPE);
    near_deinit(&near);
}

/* vsock_shutdown() clears SOCK_DONE: what would have read as the end is no connection any more. */
Test(fake_network, vsock_shutdown_after_a_reset)
{
    struct near near;
    near_init(&near, FAKE_VSOCK, 0);

    near_leave(&near, FAKE_RESET);
    cr_assert_eq(ring_socket_shutdown_write(near.fd), 0);
    cr_assert_eq(near_receive(&near), -ENOTCONN);
    near_deinit(&near);
}

Test(fake_network, vsock_vmm_exits)
{
    struct near near;
    near_init(&near, FAKE_VSOCK, 10);

    near_leave(&near, FAKE_DIE);
    cr_assert(near_events(&near, 0) & POLLERR);
    cr_assert_eq(near_receive(&near), 10);
    cr_assert_eq(near_receive(&near), -ECONNRESET);
    cr_assert_eq(near_receive(&near), -ECONNRESET);
    cr_assert_eq(near_send(&near, 1), -EPIPE);
    near_deinit(&near);
}

Test(fake_network, a_full_socket)
{
    for (unsigned kind = FAKE_TCP; kind <= FAKE_VSOCK; kind++) {
        struct near near;
        near_init(&near, (enum fake_kind)kind, 0);
        fake_end_pause(near.far, true);
        int sent = 0, result;
        do {
            result = near_send(&near, 100000);
            sent += result > 0 ? result : 0;
            near_pass(&near, MS);
        } while (result > 0);
        cr_assert_eq(result, -EAGAIN);
        cr_assert(sent >= 4000 && sent <= 8000, "%d", sent);
        fake_end_pause(near.far, false);
        near_pass(&near, MS);
        cr_assert(near_events(&near, POLLOUT) & POLLOUT);
        cr_assert_gt(near_send(&near, 1), 0);
        near_deinit(&near);
    }
}

Test(fake_network, pipes)
{
    struct near near;
    near_init(&near, FAKE_FILE, 10);

    cr_assert_neq(near.fd, near.fd_write);
    cr_assert_eq(near_receive(&near), 10);
    near_leave(&near, FAKE_CLOSE);
    cr_assert_eq(near_receive(&near), 0);
    ring_write(near.ring, &near.op, near_told, near.fd_write, "x", 1);
    cr_assert_eq(near_wait(&near), -EPIPE);
    cr_assert_eq(ring_socket_shutdown_write(near.fd_write), -ENOTSOCK);
    near_deinit(&near);
}

/* The same seed is the same run; another is another. */
static uint64_t run(uint64_t seed)
{
    struct fake_options options = {
        .seed = seed,
        .faults = {.short_receive = 300,
                   .interrupted = 100,
                   .no_buffers = 100,
                   .slow = 100,
                   .delay_ns_max = MS},
    };
    struct fake_script script = {.bytes = 20000, .stream = 1, .write_pause_ns_max = MS};
    struct near near = {.fake = fake_new(&options)};
    uint64_t hash = 0;

    near.ring = fake_ring(near.fake);
    near.far = fake_accepted(near.fake, FAKE_TCP, &script, &near.fd, &near.fd_write);
    for (int i = 0; i < 50; i++)
        hash = hash * 31 + (uint64_t)near_receive(&near) + fake_now_ns(near.fake);
    ring_socket_reset(near.fd);
    fake_settle(near.fake);
    fake_free(near.fake);
    return hash;
}

Test(fake_network, a_seed_is_a_run)
{
    cr_assert_eq(run(1), run(1));
    cr_assert_eq(run(2), run(2));
    cr_assert_neq(run(1), run(2));
}

static void set_buffer_size(const struct near *near, uint64_t bytes)
{
    ring_socket_set(near->fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &bytes, sizeof(bytes));
}

static unsigned asked(const struct near *near)
{
    return fake_end_record(near->far)->asked;
}

/* vsock_update_buffer_size(): a credit update, where the size is another and within the maximum. */
Test(fake_network, vsock_tells_of_another_buffer_size)
{
    struct near near;
    uint64_t bytes, more;
    near_init(&near, FAKE_VSOCK, 0);

    ring_socket_get(near.fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_SIZE, &bytes, sizeof(bytes));
    cr_assert_eq(bytes, 262144);
    more = bytes + 10;
    set_buffer_size(&near, bytes);
    set_buffer_size(&near, more);
    cr_assert_eq(asked(&near), 0, "the same, or cut to the maximum");
    ring_socket_set(near.fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, &more, sizeof(more));
    cr_assert_eq(asked(&near), 0);
    set_buffer_size(&near, more);
    set_buffer_size(&near, more);
    cr_assert_eq(asked(&near), 1);
    near_deinit(&near);
}

/* Silent until something reaches it, and then a reset, which reads as an end. */
static void expect_forgotten(bool by_bytes)
{
    struct near near;
    uint64_t more = 262145;
    near_init(&near, FAKE_VSOCK, 0);

    near_leave(&near, FAKE_FORGET);
    near_pass(&near, 1000 * MS);
    cr_assert_eq(near_events(&near, POLLOUT), POLLOUT, "it said something");
    if (by_bytes)
        cr_assert_eq(near_send(&near, 1), 1);
    ring_socket_set(near.fd, AF_VSOCK, SO_VM_SOCKETS_BUFFER_MAX_SIZE, &more, sizeof(more));
    if (!by_bytes)
        set_buffer_size(&near, more);
    near_pass(&near, 10 * MS);
    cr_assert_eq(near_receive(&near), 0);
    cr_assert_eq(near_send(&near, 1), -EPIPE);
    near_deinit(&near);
}

Test(fake_network, vsock_that_was_booted_anew)
{
    expect_forgotten(false);
    expect_forgotten(true);
}

/* io_uring's accept, and the address of the listener while one is pending. */
#include "tests/kernel/queue.h"
#include "tests/ring/sockets.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

static void accept_multishot(int listener)
{
    struct io_uring_sqe *sqe = queue_entry();
    io_uring_prep_multishot_accept(sqe, listener, NULL, NULL, SOCK_CLOEXEC);
    queue_submit(sqe, 1);
}

/* bind(2) and listen(2): 0, or errno. */
static int listen_at(const struct sockets_address *address)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM, 0);
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    int error = bind(fd, &address->any, address->length) < 0 || listen(fd, 1) < 0 ? errno : 0;
    close(fd);
    return error;
}

/* A closed listener goes on listening while an accept holds it. A restart must cancel, and wait for
 * that. */
Test(kernel_uring_accept, a_pending_accept_keeps_the_address_until_it_is_cancelled)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        struct sockets_address address;

        queue_init(8);
        int listener = sockets_listen(kind, 4, &address);
        accept_multishot(listener);
        int kept = dup(listener);
        close(listener);
        cr_assert_eq(listen_at(&address), EADDRINUSE);
        queue_cancel(kept, 1);
        cr_assert_eq(listen_at(&address), EADDRINUSE);
        close(kept);
        cr_assert_eq(listen_at(&address), 0, "%s: %s", sockets_name(kind), strerror(errno));
        io_uring_queue_exit(&queue);
    }
}

/* With no descriptor left, it is the accept alone that listens: it even accepts. */
Test(kernel_uring_accept, a_closed_listener_still_accepts)
{
    for (enum sockets_kind kind = 0; kind < SOCKETS_KINDS; kind++) {
        struct sockets_address address;

        queue_init(8);
        int listener = sockets_listen(kind, 4, &address);
        accept_multishot(listener);
        close(listener);
        cr_assert_eq(listen_at(&address), EADDRINUSE);
        int client = sockets_connect(&address);
        int fd = queue_take(1).res;
        cr_assert_geq(fd, 0, "%s", strerror(-fd));
        close(fd);
        close(client);
        io_uring_queue_exit(&queue);
    }
}

/* All that wait, then each that comes; the cancel last. */
Test(kernel_uring_accept, a_multishot_accept_goes_on)
{
    struct sockets_address address;
    int clients[10];

    queue_init(8);
    int listener = sockets_listen(SOCKETS_TCP, 10, &address);
    for (unsigned i = 0; i < 5; i++)
        clients[i] = sockets_connect(&address);
    accept_multishot(listener);
    for (unsigned i = 0; i < 10; i++) {
        if (i >= 5)
            clients[i] = sockets_connect(&address);
        struct io_uring_cqe cqe = queue_take(1);
        cr_assert_geq(cqe.res, 0);
        cr_assert(cqe.flags & IORING_CQE_F_MORE);
        close(cqe.res);
        close(clients[i]);
    }
    queue_cancel(listener, 1);
    queue_expect_none();
    close(listener);
    io_uring_queue_exit(&queue);
}

/* What a ring of the engine can be asked for: what it uses itself, which all other tests show, and
 * nothing else. */
#include "ring/restriction.h"
#include "ring/uring.h"
#include "tests/ring/loop.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

static struct loop loop;
static struct io_uring *queue;

static void begin(void)
{
    loop_init_with(&loop, &(struct ring_options){.entries = 8, .buffers_max = 2});
    queue = &uring_of(loop.ring)->uring;
    if (!uring_of(loop.ring)->has[RING_RESTRICTIONS])
        cr_skip_test("this kernel knows no restrictions");
}

static void end(void)
{
    loop_deinit(&loop);
}

/* Submits the one that was prepared; its result. */
static int result_of(void)
{
    struct __kernel_timespec patience = {.tv_sec = 10};
    struct io_uring_cqe *cqe;

    cr_assert_eq(io_uring_submit_and_wait_timeout(queue, &cqe, 1, &patience, NULL), 1);
    int result = cqe->res;
    io_uring_cqe_seen(queue, cqe);
    return result;
}

/* Every operation that this liburing knows, but those in use, whatever would come of it. */
Test(restrictions, operations, .init = begin, .fini = end)
{
    static const int in_use[] = {
        IORING_OP_ACCEPT, IORING_OP_RECV,     IORING_OP_READ,         IORING_OP_SEND,
        IORING_OP_WRITE,  IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL,
    };

    for (int operation = 0; operation < IORING_OP_LAST; operation++) {
        bool used = false;
        for (size_t i = 0; i < sizeof(in_use) / sizeof(in_use[0]); i++)
            used |= in_use[i] == operation;
        struct io_uring_sqe *sqe = io_uring_get_sqe(queue);
        io_uring_prep_nop(sqe);
        sqe->opcode = (uint8_t)operation;
        sqe->fd = -1;
        int result = result_of();
        if (used)
            cr_assert_neq(result, -EACCES, "operation %d is refused", operation);
        else
            cr_assert_eq(result, -EACCES, "operation %d: %s", operation, strerror(-result));
    }
}

Test(restrictions, openat, .init = begin, .fini = end)
{
    io_uring_prep_openat(io_uring_get_sqe(queue), AT_FDCWD, "/dev/null", O_RDONLY, 0);
    cr_assert_eq(result_of(), -EACCES);
}

/* A link, or a file of another table. */
Test(restrictions, flags, .init = begin, .fini = end)
{
    static const unsigned refused[] = {
        IOSQE_FIXED_FILE, IOSQE_IO_DRAIN, IOSQE_IO_LINK, IOSQE_IO_HARDLINK, IOSQE_ASYNC,
    };

    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(queue);
        io_uring_prep_cancel_fd(sqe, 0, IORING_ASYNC_CANCEL_ALL);
        io_uring_sqe_set_flags(sqe, refused[i]);
        cr_assert_eq(result_of(), -EACCES, "flag %#x", refused[i]);
    }
}

Test(restrictions, registering, .init = begin, .fini = end)
{
    struct io_uring_restriction all = {
        .opcode = IORING_RESTRICTION_SQE_OP,
        .sqe_op = IORING_OP_OPENAT,
    };
    int fd = 0;

    cr_assert_eq(io_uring_register_files(queue, &fd, 1), -EACCES);
    cr_assert_eq(io_uring_register_personality(queue), -EACCES);
    cr_assert_eq(restriction_begin(queue, &all, 1), -EACCES);
    io_uring_prep_openat(io_uring_get_sqe(queue), AT_FDCWD, "/dev/null", O_RDONLY, 0);
    cr_assert_eq(result_of(), -EACCES);
}

/* A plain io_uring. */
#include "tests/kernel/queue.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define QUIET_NS 50000000
#define CANCEL   UINT32_MAX

struct io_uring queue;

void queue_init(unsigned entries)
{
    int error = io_uring_queue_init(entries, &queue, 0);
    cr_assert_eq(error, 0, "%s", strerror(-error));
}

struct io_uring_sqe *queue_entry(void)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&queue);
    cr_assert_not_null(sqe);
    return sqe;
}

void queue_submit(struct io_uring_sqe *sqe, unsigned data)
{
    io_uring_sqe_set_data64(sqe, data);
    cr_assert_eq(io_uring_submit(&queue), 1);
}

struct io_uring_cqe queue_take(unsigned data)
{
    struct __kernel_timespec patience = {.tv_sec = 5};
    struct io_uring_cqe *cqe;
    int error = io_uring_wait_cqe_timeout(&queue, &cqe, &patience);

    cr_assert_eq(error, 0, "no completion: %s", strerror(-error));
    struct io_uring_cqe taken = *cqe;
    io_uring_cqe_seen(&queue, cqe);
    cr_assert_eq(taken.user_data, data, "completion of %llu, result %d",
                 (unsigned long long)taken.user_data, taken.res);
    return taken;
}

void queue_expect_none(void)
{
    struct __kernel_timespec patience = {.tv_nsec = QUIET_NS};
    struct io_uring_cqe *cqe = NULL;
    int error = io_uring_wait_cqe_timeout(&queue, &cqe, &patience);

    cr_assert_eq(error, -ETIME, "completion of %llu, result %#x",
                 cqe ? (unsigned long long)cqe->user_data : 0, cqe ? (unsigned)cqe->res : 0);
}

void queue_cancel(int fd, unsigned count)
{
    struct __kernel_timespec patience = {.tv_sec = 5};
    struct io_uring_sqe *sqe = queue_entry();

    io_uring_prep_cancel_fd(sqe, fd, IORING_ASYNC_CANCEL_ALL);
    queue_submit(sqe, CANCEL);
    for (unsigned i = 0; i < count + 1; i++) {
        struct io_uring_cqe *cqe;
        cr_assert_eq(io_uring_wait_cqe_timeout(&queue, &cqe, &patience), 0);
        int expected = cqe->user_data == CANCEL ? (int)count : -ECANCELED;
        cr_assert_eq(cqe->res, expected, "completion of %llu, result %d",
                     (unsigned long long)cqe->user_data, cqe->res);
        io_uring_cqe_seen(&queue, cqe);
    }
}

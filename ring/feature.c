/* Trying io_uring's features, each on a ring of its own, with what is known to come of it. */
#include "ring/feature.h"

#include "ring/restriction.h"
#include "ring/wish.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ENTRIES      8
#define BUFFERS      4
#define BUFFER_BYTES 1024
#define OFFERS_BYTES 4096

struct trial {
    struct io_uring uring;
    struct io_uring_buf_ring *offers;
    char *buffers;
};

static int states[RING_FEATURES];
static int sqarray_state;
static int refusal;
static pthread_once_t tried = PTHREAD_ONCE_INIT;

static int queue_start(struct trial *trial, unsigned flags)
{
    struct io_uring_params params = {.flags = flags};
    int error = io_uring_queue_init_params(ENTRIES, &trial->uring, &params);

#ifdef IORING_SETUP_NO_SQARRAY
    sqarray_state = params.flags & IORING_SETUP_NO_SQARRAY ? 0 : -EINVAL;
#else
    sqarray_state = -ENOSYS;
#endif
    return error;
}

/* The next completion, within a second. */
static int answer(struct trial *trial, struct io_uring_cqe *ret)
{
    struct __kernel_timespec wait = {.tv_sec = 1};
    struct io_uring_cqe *cqe;
    int error;

    do
        error = io_uring_submit_and_wait_timeout(&trial->uring, &cqe, 1, &wait, NULL);
    while (error == -EINTR);
    if (error < 0)
        return error;
    *ret = *cqe;
    io_uring_cqe_seen(&trial->uring, cqe);
    return 0;
}

/* A poll that waits is found by its descriptor. */
static int try_cancel(void)
{
    struct trial trial;
    struct io_uring_cqe cqe = {0};
    int ends[2];
    int error = queue_start(&trial, 0);
    if (error < 0)
        return error;

    if (pipe2(ends, O_CLOEXEC) < 0) {
        error = -errno;
    } else {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&trial.uring);
        io_uring_prep_poll_add(sqe, ends[0], POLLIN);
        io_uring_sqe_set_data64(sqe, 1);
        sqe = io_uring_get_sqe(&trial.uring);
        io_uring_prep_cancel_fd(sqe, ends[0], IORING_ASYNC_CANCEL_ALL);
        io_uring_sqe_set_data64(sqe, 2);
        for (unsigned i = 0; i < 2 && error == 0; i++) {
            error = answer(&trial, &cqe);
            if (error == 0 && cqe.user_data == 2 && cqe.res < 0)
                error = cqe.res;
            else if (error == 0 && cqe.user_data == 1 && cqe.res != -ECANCELED)
                error = -EBADMSG;
        }
        close(ends[0]);
        close(ends[1]);
    }
    io_uring_queue_exit(&trial.uring);
    return error;
}

/* Its task work runs when it is asked to. */
static int try_defer_taskrun(void)
{
#ifdef IORING_SETUP_DEFER_TASKRUN
    struct trial trial;
    struct io_uring_cqe cqe = {0};
    int error = queue_start(&trial, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);

    if (error < 0)
        return error;
    io_uring_prep_nop(io_uring_get_sqe(&trial.uring));
    error = answer(&trial, &cqe);
    io_uring_queue_exit(&trial.uring);
    return error < 0 ? error : cqe.res ? -EBADMSG : 0;
#else
    return -ENOSYS;
#endif
}

static int listen_somewhere(struct sockaddr_un *ret, socklen_t *ret_length)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    *ret_length = sizeof(*ret);
    if (fd < 0)
        return -errno;
    if (bind(fd, (struct sockaddr *)ret, sizeof(sa_family_t)) < 0 || listen(fd, 8) < 0 ||
        getsockname(fd, (struct sockaddr *)ret, ret_length) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    return fd;
}

/* One connection more: a new descriptor, and more to come. */
static int expect_accept(struct trial *trial, const struct sockaddr_un *address, socklen_t length)
{
    struct io_uring_cqe cqe = {0};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;

    int error = connect(fd, (const struct sockaddr *)address, length) < 0 ? -errno : 0;
    if (error == 0)
        error = answer(trial, &cqe);
    close(fd);
    if (error == 0 && cqe.res >= 0)
        close(cqe.res);
    if (error < 0 || cqe.res < 0)
        return error < 0 ? error : cqe.res;
    return cqe.flags & IORING_CQE_F_MORE ? 0 : -EBADMSG;
}

static int try_multishot_accept(void)
{
    struct trial trial;
    struct sockaddr_un address;
    socklen_t length;
    int error = queue_start(&trial, 0);
    if (error < 0)
        return error;

    int listener = listen_somewhere(&address, &length);
    error = listener < 0 ? listener : 0;
    if (error == 0) {
        io_uring_prep_multishot_accept(io_uring_get_sqe(&trial.uring), listener, NULL, NULL,
                                       SOCK_CLOEXEC);
        for (unsigned i = 0; i < 3 && error == 0; i++)
            error = expect_accept(&trial, &address, length);
    }
    io_uring_queue_exit(&trial.uring);
    if (listener >= 0)
        close(listener);
    return error;
}

static void offers_stop(struct trial *trial)
{
    io_uring_queue_exit(&trial->uring);
    munmap(trial->offers, OFFERS_BYTES + BUFFERS * BUFFER_BYTES);
}

/* A ring with a few buffers on offer. */
static int offers_start(struct trial *trial)
{
    int error = queue_start(trial, 0);
    if (error < 0)
        return error;
    void *memory = mmap(NULL, OFFERS_BYTES + BUFFERS * BUFFER_BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        io_uring_queue_exit(&trial->uring);
        return -ENOMEM;
    }
    trial->offers = memory;
    trial->buffers = (char *)memory + OFFERS_BYTES;
    struct io_uring_buf_reg registration = {.ring_addr = (uintptr_t)memory,
                                            .ring_entries = BUFFERS};
    error = io_uring_register_buf_ring(&trial->uring, &registration, 0);
    if (error < 0) {
        offers_stop(trial);
        return error;
    }
    io_uring_buf_ring_init(trial->offers);
    for (unsigned i = 0; i < BUFFERS; i++)
        io_uring_buf_ring_add(trial->offers, trial->buffers + (size_t)i * BUFFER_BYTES,
                              BUFFER_BYTES, (unsigned short)i, BUFFERS - 1, (int)i);
    io_uring_buf_ring_advance(trial->offers, BUFFERS);
    return 0;
}

static void submit_receive(struct trial *trial, int fd, bool multishot)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&trial->uring);

    if (multishot)
        io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    else
        io_uring_prep_recv(sqe, fd, NULL, 0, 0);
    io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
}

/* A word goes in, and comes out in a buffer that was on offer. */
static int expect_word(struct trial *trial, int fd, const char *word, unsigned more)
{
    struct io_uring_cqe cqe = {0};
    size_t length = strlen(word);
    int error = write(fd, word, length) == (ssize_t)length ? answer(trial, &cqe) : -EIO;

    if (error < 0 || cqe.res < 0)
        return error < 0 ? error : cqe.res;
    unsigned buffer = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
    bool right = cqe.res == (int)length && cqe.flags & IORING_CQE_F_BUFFER && buffer < BUFFERS &&
                 (cqe.flags & IORING_CQE_F_MORE) == more &&
                 memcmp(trial->buffers + (size_t)buffer * BUFFER_BYTES, word, length) == 0;
    return right ? 0 : -EBADMSG;
}

/* Two words, one after the other, and the end. */
static int try_words(struct trial *trial, const int pair[2], bool multishot)
{
    unsigned more = multishot ? IORING_CQE_F_MORE : 0;
    struct io_uring_cqe cqe = {0};

    submit_receive(trial, pair[0], multishot);
    int error = expect_word(trial, pair[1], "first", more);
    if (error == 0 && !multishot)
        submit_receive(trial, pair[0], false);
    if (error == 0)
        error = expect_word(trial, pair[1], "second word", more);
    if (error < 0 || !multishot)
        return error;
    shutdown(pair[1], SHUT_WR);
    error = answer(trial, &cqe);
    if (error < 0)
        return error;
    return cqe.res == 0 && !(cqe.flags & IORING_CQE_F_MORE) ? 0 : -EBADMSG;
}

static int try_receive(bool multishot)
{
    struct trial trial;
    int pair[2];
    int error = offers_start(&trial);
    if (error < 0)
        return error;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        error = -errno;
    } else {
        error = try_words(&trial, pair, multishot);
        close(pair[0]);
        close(pair[1]);
    }
    offers_stop(&trial);
    return error;
}

/* A ring that may do one thing does not do another. */
static int expect_restricted(struct trial *trial)
{
    struct io_uring_restriction only[] = {
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_NOP},
    };
    struct io_uring_cqe cqe = {0};
    int error = restriction_begin(&trial->uring, only, 1);

    if (error < 0)
        return error;
    io_uring_prep_nop(io_uring_get_sqe(&trial->uring));
    error = answer(trial, &cqe);
    if (error < 0 || cqe.res < 0)
        return error < 0 ? error : cqe.res;
    io_uring_prep_close(io_uring_get_sqe(&trial->uring), -1);
    error = answer(trial, &cqe);
    return error < 0 ? error : cqe.res == -EACCES ? 0 : -EBADMSG;
}

static int try_restrictions(void)
{
    struct trial trial;
    int error = queue_start(&trial, IORING_SETUP_R_DISABLED);

    if (error < 0)
        return error;
    error = expect_restricted(&trial);
    io_uring_queue_exit(&trial.uring);
    return error;
}

static void try_all(void)
{
    refusal = try_cancel();
    if (refusal < 0)
        return;
    states[RING_DEFER_TASKRUN] = try_defer_taskrun();
    states[RING_MULTISHOT_ACCEPT] = try_multishot_accept();
    states[RING_BUFFER_RINGS] = try_receive(false);
    states[RING_MULTISHOT_RECEIVE] = try_receive(true);
    states[RING_RESTRICTIONS] = try_restrictions();
}

int ring_feature_refusal(void)
{
    pthread_once(&tried, try_all);
    return refusal;
}

const char *ring_feature_name(enum ring_feature feature)
{
    static const char *const names[RING_FEATURES] = {
        [RING_MULTISHOT_ACCEPT] = "multishot-accept",
        [RING_MULTISHOT_RECEIVE] = "multishot-receive",
        [RING_BUFFER_RINGS] = "buffer-rings",
        [RING_DEFER_TASKRUN] = "defer-taskrun",
        [RING_RESTRICTIONS] = "restrictions",
    };
    return names[feature];
}

int ring_feature_state(enum ring_feature feature)
{
    struct wish wish;

    pthread_once(&tried, try_all);
    if (wish_read(&wish) == 0 && wish.without[feature])
        return -ECANCELED;
    if (feature == RING_MULTISHOT_RECEIVE && states[feature] == 0)
        return ring_feature_state(RING_BUFFER_RINGS);
    return states[feature];
}

int ring_feature_sqarray(void)
{
    pthread_once(&tried, try_all);
    return sqarray_state;
}

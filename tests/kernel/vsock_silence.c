/* AF_VSOCK connects that nobody answers.
 *
 * Loopback always answers, so it is made to stand still: a receive into memory whose page is not
 * there (userfaultfd(2)) holds the lock of its socket, and what delivers the packets of loopback,
 * one after the other, waits for that lock as soon as a packet comes for that socket.
 */
#include "tests/kernel/vsock_case.h"
#include "tests/kernel/vsock_loopback.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <linux/userfaultfd.h>
#include <linux/vm_sockets.h>

#define DEADLINE_MS 5000
#define PAGE        4096
#define TIMEOUT_MS  300

/* Until loopback has begun to deliver, and stands still: nothing shows it. */
#define STALL_US 50000

static int pair[2], faults = -1;
static char *page;
static pthread_t receiver;

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void *receive(void *unused)
{
    return recv(pair[1], page, 1, 0) == 1 ? NULL : &pair;
}

static void silence_start(void)
{
    struct uffdio_api api = {.api = UFFD_API};

    faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    if (faults < 0)
        case_skip("userfaultfd(2) is refused here");
    EXPECT_EQ(ioctl(faults, UFFDIO_API, &api), 0);
    page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT(page != MAP_FAILED);
    struct uffdio_register watched = {
        .range = {.start = (uintptr_t)page, .len = PAGE},
        .mode = UFFDIO_REGISTER_MODE_MISSING,
    };
    EXPECT_EQ(ioctl(faults, UFFDIO_REGISTER, &watched), 0);

    loopback_pair(SOCK_STREAM, pair);
    EXPECT_EQ(loopback_send(pair[0], "1", 1), 1);
    EXPECT_EQ(loopback_poll(pair[1], POLLIN, DEADLINE_MS), POLLIN);
    EXPECT_EQ(pthread_create(&receiver, NULL, receive, NULL), 0);
    EXPECT_EQ(loopback_poll(faults, POLLIN, DEADLINE_MS), POLLIN);
    EXPECT_EQ(loopback_send(pair[0], "2", 1), 1);
    usleep(STALL_US);
}

static void silence_stop(void)
{
    struct uffdio_zeropage zeros = {.range = {.start = (uintptr_t)page, .len = PAGE}};
    void *failed;

    EXPECT_EQ(ioctl(faults, UFFDIO_ZEROPAGE, &zeros), 0);
    EXPECT_EQ(pthread_join(receiver, &failed), 0);
    EXPECT(failed == NULL);
    loopback_close_pair(pair);
    close(faults);
}

static int socket_with_timeout(int type)
{
    struct timeval timeout = {.tv_usec = TIMEOUT_MS * 1000};
    int fd = loopback_socket(type);
    EXPECT_EQ(setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout, sizeof(timeout)),
              0);
    return fd;
}

static void expect_timeout(double start, double timeout)
{
    double took = seconds() - start;
    EXPECT(took >= timeout * 0.9);
    EXPECT(took < timeout + 1);
}

CASE(a_connect_that_waits_ends_by_its_timeout)
{
    uint32_t port;
    int listener = loopback_listen(SOCK_STREAM, 1, &port);
    int fd = socket_with_timeout(SOCK_STREAM);

    silence_start();
    double start = seconds();
    EXPECT_EQ(loopback_connect(fd, port), ETIMEDOUT);
    expect_timeout(start, TIMEOUT_MS / 1e3);
    silence_stop();
    close(fd);
    close(listener);
}

CASE(a_connect_that_does_not_wait_ends_by_the_same_timeout)
{
    uint32_t port;
    int listener = loopback_listen(SOCK_STREAM, 1, &port);
    int fd = socket_with_timeout(SOCK_STREAM | SOCK_NONBLOCK);

    silence_start();
    double start = seconds();
    EXPECT_EQ(loopback_connect(fd, port), EINPROGRESS);
    EXPECT_EQ(loopback_connect(fd, port), EALREADY);
    EXPECT_EQ(loopback_poll(fd, POLLIN | POLLRDHUP, DEADLINE_MS), POLLERR);
    expect_timeout(start, TIMEOUT_MS / 1e3);
    EXPECT_EQ(loopback_error(fd), ETIMEDOUT);
    silence_stop();
    close(fd);
    close(listener);
}

CASE(the_timeout_is_2_s_if_none_is_set)
{
    uint32_t port;
    int listener = loopback_listen(SOCK_STREAM, 1, &port);
    int fd = loopback_socket(SOCK_STREAM | SOCK_NONBLOCK);

    silence_start();
    double start = seconds();
    EXPECT_EQ(loopback_connect(fd, port), EINPROGRESS);
    EXPECT_EQ(loopback_poll(fd, POLLIN, DEADLINE_MS), POLLERR);
    expect_timeout(start, 2);
    silence_stop();
    close(fd);
    close(listener);
}

/* Unlike a new socket. */
CASE(a_socket_that_connects_is_not_writable)
{
    uint32_t port;
    int listener = loopback_listen(SOCK_STREAM, 1, &port);
    int fd = loopback_socket(SOCK_STREAM | SOCK_NONBLOCK);

    silence_start();
    EXPECT_EQ(loopback_connect(fd, port), EINPROGRESS);
    EXPECT_EQ(loopback_poll(fd, POLLIN | POLLOUT | POLLRDHUP, 0), 0);
    EXPECT_EQ(loopback_send(fd, "x", 1), -ENOTCONN);
    silence_stop();
    EXPECT_EQ(loopback_poll(fd, POLLOUT, DEADLINE_MS), POLLOUT);
    EXPECT_EQ(loopback_error(fd), 0);
    close(fd);
    close(listener);
}

/* What loopback had not begun to deliver: the listener never sees it. */
CASE(a_connect_that_timed_out_is_taken_back)
{
    char byte;
    uint32_t port;
    int listener = loopback_listen(SOCK_STREAM, 2, &port);
    int late = socket_with_timeout(SOCK_STREAM);
    int fd = loopback_socket(SOCK_STREAM);

    silence_start();
    EXPECT_EQ(loopback_connect(late, port), ETIMEDOUT);
    silence_stop();
    EXPECT_EQ(loopback_connect(fd, port), 0);
    int accepted = accept(listener, NULL, NULL);
    EXPECT_EQ(loopback_send(fd, "x", 1), 1);
    loopback_read(accepted, &byte, 1);
    EXPECT_EQ(loopback_poll(listener, POLLIN, 0), 0);
    close(accepted);
    close(fd);
    close(late);
    close(listener);
}

/* 0 means the 2 s. */
CASE(the_timeout_is_read_back)
{
    struct timeval timeout = {.tv_sec = 7, .tv_usec = 250000};
    socklen_t length = sizeof(timeout);
    int fd = loopback_socket(SOCK_STREAM);

    EXPECT_EQ(setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout, length), 0);
    timeout = (struct timeval){.tv_sec = -1};
    EXPECT_EQ(setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout, length), -1);
    EXPECT_EQ(errno, ERANGE);
    EXPECT_EQ(getsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout, &length), 0);
    EXPECT_EQ(timeout.tv_sec, 7);
    EXPECT_EQ(timeout.tv_usec, 250000);
    timeout = (struct timeval){.tv_sec = 0};
    EXPECT_EQ(setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout, length), 0);
    EXPECT_EQ(getsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout, &length), 0);
    EXPECT_EQ(timeout.tv_sec, 2);
    close(fd);
}

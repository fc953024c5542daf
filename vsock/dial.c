/* Dialling: connect(2) without waiting, then poll(2) for it, for the deadline and for who cancels.
 *
 * A socket has one attempt: what a second connect(2) says of a vsock socket whose first one failed
 * differs from kernel to kernel, and can be wrong.
 */
#include "vsock/conn.h"
#include "vsock/socket.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/time.h>
#include <unistd.h>

/* A full backlog of a Unix listener tells nobody when there is room. */
#define RETRY_NS_MIN UINT64_C(1000000)
#define RETRY_NS_MAX UINT64_C(50000000)

struct vsock_cancel {
    int fd; /* an eventfd: readable once asked */
};

int vsock_cancel_new(struct vsock_cancel **ret)
{
    struct vsock_cancel *cancel = malloc(sizeof(*cancel));

    if (!cancel)
        return -ENOMEM;
    cancel->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (cancel->fd < 0) {
        free(cancel);
        return -errno;
    }
    *ret = cancel;
    return 0;
}

void vsock_cancel_ask(struct vsock_cancel *cancel)
{
    const uint64_t one = 1;
    int error = errno;
    ssize_t ignored = write(cancel->fd, &one, sizeof(one));

    (void)ignored;
    errno = error;
}

void vsock_cancel_free(struct vsock_cancel *cancel)
{
    if (!cancel)
        return;
    close(cancel->fd);
    free(cancel);
}

/* One dial. */
struct attempt {
    int fd;
    int cancel_fd; /* -1: nobody may cancel */
    uint64_t deadline_ns;
};

/* Waits for events on the socket; 0: for nothing but the end. */
static int attempt_wait(const struct attempt *attempt, short events, uint64_t deadline_ns)
{
    struct pollfd polled[] = {
        {.fd = attempt->cancel_fd, .events = POLLIN},
        {.fd = events ? attempt->fd : -1, .events = events},
    };
    int error = vsock_poll(polled, 2, deadline_ns);

    return error == 0 && polled[0].revents ? -ECANCELED : error;
}

static int connected(int fd)
{
    struct sockaddr_storage name;
    socklen_t length = sizeof(int);
    int error;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        return -errno;
    length = sizeof(name);
    if (error == 0 && getpeername(fd, (struct sockaddr *)&name, &length) < 0)
        error = errno;
    return -error;
}

static int attempt_connect(const struct attempt *attempt, const void *address, socklen_t length)
{
    uint64_t pause_ns = RETRY_NS_MIN;

    for (;;) {
        if (connect(attempt->fd, address, length) == 0)
            return 0;
        if (errno == EINPROGRESS || errno == EINTR) {
            int error = attempt_wait(attempt, POLLOUT, attempt->deadline_ns);
            return error ? error : connected(attempt->fd);
        }
        if (errno != EAGAIN)
            return -errno;
        uint64_t until_ns = vsock_deadline_in(pause_ns);
        if (attempt->deadline_ns && attempt->deadline_ns < until_ns)
            until_ns = attempt->deadline_ns;
        int error = attempt_wait(attempt, 0, until_ns);
        if (error != -ETIMEDOUT || until_ns == attempt->deadline_ns)
            return error;
        pause_ns = pause_ns * 2 < RETRY_NS_MAX ? pause_ns * 2 : RETRY_NS_MAX;
    }
}

static int attempt_start(struct attempt *attempt, int domain,
                         const struct vsock_dial_options *options)
{
    if (vsock_reserved_is_used(options->reserved))
        return -EINVAL;
    *attempt = (struct attempt){
        .cancel_fd = options->cancel ? options->cancel->fd : -1,
        .deadline_ns = options->timeout_ns ? vsock_deadline_in(options->timeout_ns) : 0,
    };
    attempt->fd = vsock_socket_open(domain, options->type, options->buffer_bytes);
    if (attempt->fd < 0)
        return attempt->fd;
    int error = attempt_wait(attempt, 0, vsock_now_ns());
    if (error != -ETIMEDOUT) {
        close(attempt->fd);
        return error;
    }
    return 0;
}

/* The end of a dial. */
static int attempt_end(const struct attempt *attempt, int error, int domain, int type,
                       const struct vsock_address *local, const struct vsock_address *remote,
                       struct vsock_conn **ret)
{
    if (error) {
        close(attempt->fd);
        return error;
    }
    return vsock_conn_new(attempt->fd, domain, type ? type : SOCK_STREAM, local, remote, ret);
}

static const struct vsock_dial_options defaults;

static void set_connect_timeout(int fd, uint64_t timeout_ns)
{
    uint64_t us = timeout_ns / 1000 + 1;
    struct timeval timeout = {
        .tv_sec = (time_t)(us / 1000000),
        .tv_usec = (suseconds_t)(us % 1000000),
    };

    setsockopt(fd, AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &timeout, sizeof(timeout));
}

int vsock_dial(uint32_t cid, uint32_t port, const struct vsock_dial_options *options,
               struct vsock_conn **ret)
{
    const struct sockaddr_vm address = vsock_sockaddr(cid, port);
    struct attempt attempt;

    options = options ? options : &defaults;
    int error = attempt_start(&attempt, AF_VSOCK, options);
    if (error)
        return error;
    if (options->timeout_ns)
        set_connect_timeout(attempt.fd, options->timeout_ns);
    error = attempt_connect(&attempt, &address, sizeof(address));
    struct vsock_address local = vsock_socket_local(attempt.fd);
    struct vsock_address remote = {.cid = cid, .port = port};
    return attempt_end(&attempt, error, AF_VSOCK, options->type, &local, &remote, ret);
}

static int connect_unix(struct attempt *attempt, const char *path,
                        const struct vsock_dial_options *options)
{
    struct sockaddr_un address;
    int error = vsock_sockaddr_unix(path, &address);

    if (error == 0)
        error = attempt_start(attempt, AF_UNIX, options);
    if (error)
        return error;
    error = attempt_connect(attempt, &address, sizeof(address));
    if (error)
        close(attempt->fd);
    return error;
}

int vsock_dial_unix(const char *path, const struct vsock_address *address,
                    const struct vsock_dial_options *options, struct vsock_conn **ret)
{
    const struct vsock_address local = VSOCK_ADDRESS_UNKNOWN;
    struct attempt attempt;

    options = options ? options : &defaults;
    int error = connect_unix(&attempt, path, options);
    if (error)
        return error;
    return attempt_end(&attempt, 0, AF_UNIX, options->type, &local, address, ret);
}

/* What belongs to the answer, and nothing behind it, is taken out of the socket. */
static int receive_answer(const struct attempt *attempt)
{
    char answer[VSOCK_MUX_REPLY_BYTES_MAX];
    size_t have = 0;
    int length;

    do {
        int error = attempt_wait(attempt, POLLIN, attempt->deadline_ns);
        if (error)
            return error;
        ssize_t count = recv(attempt->fd, answer + have, sizeof(answer) - have, MSG_PEEK);
        if (count < 0 && (errno == EINTR || errno == EAGAIN)) {
            length = -EAGAIN;
            continue;
        }
        if (count <= 0)
            return count == 0 || errno == ECONNRESET ? -ECONNREFUSED : -errno;
        length = vsock_mux_reply_scan(answer, have + (size_t)count);
        if (length < 0 && length != -EAGAIN)
            return length;
        size_t taken = length > 0 ? (size_t)length - have : (size_t)count;
        if (recv(attempt->fd, answer + have, taken, 0) != (ssize_t)taken)
            return -EIO;
        have += taken;
    } while (length == -EAGAIN);
    return 0;
}

static int greet(const struct attempt *attempt, uint32_t port)
{
    char request[VSOCK_MUX_REQUEST_BYTES];
    size_t length = vsock_mux_request_format(port, request);
    ssize_t sent = send(attempt->fd, request, length, MSG_NOSIGNAL);

    if (sent != (ssize_t)length)
        return sent >= 0 ? -EIO : errno == EPIPE || errno == ECONNRESET ? -ECONNREFUSED : -errno;
    return receive_answer(attempt);
}

int vsock_dial_mux(const char *path, uint32_t port, const struct vsock_dial_options *options,
                   struct vsock_conn **ret)
{
    const struct vsock_address local = {.cid = VSOCK_CID_HOST, .port = VSOCK_PORT_ANY};
    const struct vsock_address remote = {.cid = VSOCK_CID_ANY, .port = port};
    struct attempt attempt;

    options = options ? options : &defaults;
    if (options->type != 0 && options->type != SOCK_STREAM)
        return -EINVAL;
    int error = connect_unix(&attempt, path, options);
    if (error)
        return error;
    error = greet(&attempt, port);
    return attempt_end(&attempt, error, AF_UNIX, SOCK_STREAM, &local, &remote, ret);
}

/* Listeners on AF_VSOCK, and on Unix sockets in its place. */
#include "vsock/conn.h"
#include "vsock/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct vsock_listener {
    struct vsock_handle handle;
    int domain;
    int type;
    uint64_t buffer_bytes; /* what is accepted on a Unix socket does not inherit them */
    struct vsock_address address;
    /* The file of a Unix listener that made it, to be removed where it is still the same. */
    char *path;
    struct stat file;
};

static const struct vsock_listen_options defaults;

/* Owns fd. */
static int listener_new(int fd, int domain, int type, const struct vsock_address *address,
                        struct vsock_listener **ret)
{
    struct vsock_listener *listener = calloc(1, sizeof(*listener));

    if (!listener) {
        close(fd);
        return -ENOMEM;
    }
    listener->domain = domain;
    listener->type = type ? type : SOCK_STREAM;
    listener->address = *address;
    vsock_handle_init(&listener->handle, fd);
    *ret = listener;
    return 0;
}

static int open_socket(int domain, const struct vsock_listen_options *options)
{
    if (vsock_reserved_is_used(options->reserved) || options->backlog < 0)
        return -EINVAL;
    return vsock_socket_open(domain, options->type, options->buffer_bytes);
}

static int start_listening(int fd, const struct vsock_listen_options *options)
{
    return listen(fd, options->backlog ? options->backlog : SOMAXCONN) < 0 ? -errno : 0;
}

int vsock_listen(uint32_t port, const struct vsock_listen_options *options,
                 struct vsock_listener **ret)
{
    uint32_t cid;
    int error = vsock_context_id(&cid);

    return error ? error : vsock_listen_cid(cid, port, options, ret);
}

int vsock_listen_cid(uint32_t cid, uint32_t port, const struct vsock_listen_options *options,
                     struct vsock_listener **ret)
{
    const struct sockaddr_vm wanted = vsock_sockaddr(cid, port ? port : VSOCK_PORT_ANY);

    options = options ? options : &defaults;
    int fd = open_socket(AF_VSOCK, options);
    if (fd < 0)
        return fd;
    int error = bind(fd, (const struct sockaddr *)&wanted, sizeof(wanted)) < 0 ? -errno : 0;
    if (error == 0)
        error = start_listening(fd, options);
    if (error) {
        close(fd);
        return error;
    }
    struct vsock_address address = vsock_socket_local(fd);
    return listener_new(fd, AF_VSOCK, options->type, &address, ret);
}

int vsock_listener_from_fd(int fd, struct vsock_listener **ret)
{
    int domain, type, listens;
    socklen_t length = sizeof(listens);
    int error = vsock_socket_kind(fd, &domain, &type);

    if (error)
        return error;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) < 0 || !listens)
        return -EINVAL;
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0)
        return -errno;
    error = vsock_socket_settle(own);
    if (error) {
        close(own);
        return error;
    }
    struct vsock_address address = vsock_socket_local(own);
    return listener_new(own, domain, type, &address, ret);
}

/* Is the file there a socket that nobody serves? */
static bool is_stale(const struct sockaddr_un *address, int type)
{
    struct stat found;

    if (lstat(address->sun_path, &found) < 0 || !S_ISSOCK(found.st_mode))
        return false;
    int fd = vsock_socket_open(AF_UNIX, type, 0);
    if (fd < 0)
        return false;
    bool stale = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
                 errno == ECONNREFUSED;
    close(fd);
    return stale;
}

static int bind_unix(int fd, const struct sockaddr_un *address, int type)
{
    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
        return 0;
    if (errno != EADDRINUSE)
        return -errno;
    if (!is_stale(address, type) || unlink(address->sun_path) < 0)
        return -EADDRINUSE;
    return bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
}

static bool is_same_file(const char *path, const struct stat *file)
{
    struct stat found;

    return lstat(path, &found) == 0 && found.st_dev == file->st_dev && found.st_ino == file->st_ino;
}

/* Between bind(2) and listen(2) another listener may have taken the file for a stale one. */
static int start_listening_at(int fd, const char *path, const struct stat *made,
                              const struct vsock_listen_options *options)
{
    int error = start_listening(fd, options);

    return error == 0 && !is_same_file(path, made) ? -EADDRINUSE : error;
}

/* The listener of a bound socket, which it owns; it removes the file, also when it fails. */
static int unix_listener(int fd, const char *path, const struct vsock_address *address,
                         const struct vsock_listen_options *options, struct vsock_listener **ret)
{
    struct vsock_listener *listener;
    struct stat made = {0};
    int error = lstat(path, &made) < 0 ? -errno : 0;
    char *copy = strdup(path);

    if (error == 0)
        error = copy ? start_listening_at(fd, path, &made, options) : -ENOMEM;
    bool ours = is_same_file(path, &made);
    if (error == 0)
        error = listener_new(fd, AF_UNIX, options->type, address, &listener);
    else
        close(fd);
    if (error) {
        if (ours)
            unlink(path);
        free(copy);
        return error;
    }
    listener->buffer_bytes = options->buffer_bytes;
    listener->path = copy;
    listener->file = made;
    *ret = listener;
    return 0;
}

int vsock_listen_unix(const char *path, const struct vsock_address *address,
                      const struct vsock_listen_options *options, struct vsock_listener **ret)
{
    struct sockaddr_un name;
    int error = vsock_sockaddr_unix(path, &name);

    if (error)
        return error;
    options = options ? options : &defaults;
    int fd = open_socket(AF_UNIX, options);
    if (fd < 0)
        return fd;
    error = bind_unix(fd, &name, options->type);
    if (error) {
        close(fd);
        return error;
    }
    return unix_listener(fd, path, address, options, ret);
}

int vsock_listen_mux(const char *path, uint32_t port, const struct vsock_listen_options *options,
                     struct vsock_listener **ret)
{
    const struct vsock_address address = {.cid = VSOCK_CID_HOST, .port = port};
    char whole[sizeof(((struct sockaddr_un *)0)->sun_path)];

    if (port == 0 || port == VSOCK_PORT_ANY || (options && options->type == SOCK_SEQPACKET))
        return -EINVAL;
    int length = snprintf(whole, sizeof(whole), "%s_%u", path, port);
    if (length < 0 || (size_t)length >= sizeof(whole))
        return -ENAMETOOLONG;
    return vsock_listen_unix(whole, &address, options, ret);
}

static int conn_of(struct vsock_listener *listener, int fd, struct vsock_conn **ret)
{
    struct vsock_address local = listener->address;
    struct vsock_address remote = vsock_socket_remote(fd);

    if (listener->domain == AF_VSOCK)
        local = vsock_socket_local(fd);
    int error = vsock_socket_set_buffers(fd, listener->domain, listener->buffer_bytes);
    if (error) {
        close(fd);
        return error;
    }
    return vsock_conn_new(fd, listener->domain, listener->type, &local, &remote, ret);
}

int vsock_listener_accept(struct vsock_listener *listener, struct vsock_conn **ret)
{
    int fd = vsock_handle_enter(&listener->handle, VSOCK_READING);
    int accepted, error = 0;

    if (fd < 0)
        return fd;
    do {
        accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (accepted >= 0)
            error = conn_of(listener, accepted, ret);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            error = vsock_handle_wait(&listener->handle, VSOCK_READING);
        else if (errno == EINTR || errno == ECONNABORTED)
            error = vsock_handle_verdict(&listener->handle, VSOCK_READING);
        else
            error = -errno;
    } while (accepted < 0 && error == 0);
    vsock_handle_leave(&listener->handle, VSOCK_READING);
    return error;
}

int vsock_listener_set_deadline(struct vsock_listener *listener, uint64_t deadline_ns)
{
    return vsock_handle_set_deadline(&listener->handle, true, false, deadline_ns);
}

/* The file first: once the socket is gone, the next listener's file may be the same inode. */
int vsock_listener_close(struct vsock_listener *listener)
{
    int fd = vsock_handle_enter(&listener->handle, VSOCK_NEITHER);

    if (fd < 0)
        return fd;
    if (listener->path && is_same_file(listener->path, &listener->file))
        unlink(listener->path);
    int error = vsock_handle_close(&listener->handle);
    vsock_handle_leave(&listener->handle, VSOCK_NEITHER);
    return error;
}

void vsock_listener_free(struct vsock_listener *listener)
{
    if (!listener)
        return;
    vsock_listener_close(listener);
    vsock_handle_deinit(&listener->handle);
    free(listener->path);
    free(listener);
}

struct vsock_address vsock_listener_address(const struct vsock_listener *listener)
{
    return listener->address;
}

int vsock_listener_fd(struct vsock_listener *listener)
{
    return vsock_handle_fd(&listener->handle);
}

int vsock_listener_take_fd(struct vsock_listener *listener)
{
    return vsock_handle_take(&listener->handle);
}

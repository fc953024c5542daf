/* Binding and accepting. */
#include "proxy/admin_door.h"

#include "config/defaults.h"
#include "proxy/bind_unix.h"
#include "proxy/log.h"
#include "proxy/tcp_options.h"
#include "ring/verdict.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define BACKLOG 1024

/* What bind_route_listen() makes of `*` and of an address is one socket. That it closes with a
 * reset would cut answers short. */
static int open_tcp(struct bound *ret, const struct endpoint *endpoint,
                    char error[static BIND_ERROR_BYTES])
{
    struct route policy = {.backlog = BACKLOG, .keepalive_ns = DEFAULT_KEEPALIVE_NS};
    struct bound bounds[BOUND_MAX];
    int count = bind_route_listen(&policy, endpoint, bounds, error);

    if (count < 0)
        return count;
    assert(count == 1);
    *ret = bounds[0];
    tcp_options_close_whole(ret->fd);
    return 0;
}

static int open_path(struct bound *ret, const char *path, char error[static BIND_ERROR_BYTES])
{
    struct endpoint endpoint = {.kind = ENDPOINT_UNIX, .fd = -1};
    struct route policy = {
        .mode = 0600, .owner_uid = (uid_t)-1, .owner_gid = (gid_t)-1, .backlog = BACKLOG};

    if (path[0] != '/' || strlen(path) >= ENDPOINT_UNIX_PATH_BYTES) {
        snprintf(error, BIND_ERROR_BYTES, "'%.200s': not an absolute path of at most %d bytes",
                 path, ENDPOINT_UNIX_PATH_BYTES - 1);
        return -EINVAL;
    }
    memcpy(endpoint.name, path, strlen(path) + 1);
    int count = bind_unix(&policy, &endpoint, ret, error);
    return count < 0 ? count : 0;
}

int admin_door_open(struct admin_door *door, const char *path, const struct endpoint *tcp,
                    char error[static BIND_ERROR_BYTES])
{
    *door = (struct admin_door){0};
    int failed = path ? open_path(&door->bound, path, error) : open_tcp(&door->bound, tcp, error);
    if (failed)
        return failed;
    fcntl(door->bound.fd, F_SETFL, fcntl(door->bound.fd, F_GETFL) | O_NONBLOCK);
    return 0;
}

static void pause_taking(struct admin_door *door, uint64_t now_ns, int error)
{
    if (!door->paused)
        log_warning("admin socket %s: accepting paused: %s; connections wait in the backlog",
                    door->bound.text, strerror(error));
    door->paused = true;
    door->closed_until_ns = now_ns + ADMIN_PAUSE_NS;
}

int admin_door_take(struct admin_door *door, uint64_t now_ns, struct address *ret)
{
    ret->length = sizeof(ret->storage);
    int fd = accept4(door->bound.fd, (struct sockaddr *)&ret->storage, &ret->length,
                     SOCK_CLOEXEC | SOCK_NONBLOCK);
    int error = fd < 0 ? errno : 0;

    switch (ring_accept_verdict(-error)) {
    case RING_OK:
        if (door->paused)
            log_line("admin socket %s: accepting again", door->bound.text);
        door->paused = false;
        break;
    case RING_RETRY:
    case RING_WAIT: break;
    default: pause_taking(door, now_ns, error); break;
    }
    return fd;
}

void admin_door_remove_file(struct admin_door *door)
{
    bound_remove_file(&door->bound);
    door->bound.path[0] = '\0';
}

void admin_door_close(struct admin_door *door)
{
    bound_close(&door->bound);
}

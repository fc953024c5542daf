/* Unix listeners.
 *
 * Several processes may start at once: whoever holds the lock on the directory looks at the file,
 * removes a stale one, and binds, in one piece.
 */
#include "proxy/bind_unix.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LOCK_TRIES    50
#define LOCK_RETRY_NS 10000000

__attribute__((format(printf, 3, 4))) static int fail(char *error, int number, const char *format,
                                                      ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, BIND_ERROR_BYTES, format, arguments);
    va_end(arguments);
    return -number;
}

/* -1 where the directory cannot be opened: bind(2) itself will tell why. Somebody else may hold a
 * lock on it for long: then it goes without. */
static int lock_directory(const char *path)
{
    char copy[ENDPOINT_UNIX_PATH_BYTES];
    snprintf(copy, sizeof(copy), "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; fd >= 0 && i < LOCK_TRIES && flock(fd, LOCK_EX | LOCK_NB) < 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = LOCK_RETRY_NS}, NULL);
    return fd;
}

/* Does somebody listen there? A full backlog is an answer too. */
static bool is_live(const struct address *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return true;
    bool live = connect(fd, (const struct sockaddr *)&address->storage, address->length) == 0 ||
                errno != ECONNREFUSED;
    close(fd);
    return live;
}

static int remove_stale(const char *path, const struct address *address, char *error)
{
    struct stat status;

    if (lstat(path, &status) < 0)
        return 0;
    if (!S_ISSOCK(status.st_mode))
        return fail(error, EEXIST,
                    "unix:%s: a file that is no socket stands there: remove it, or choose another "
                    "path",
                    path);
    if (is_live(address))
        return fail(error, EADDRINUSE,
                    "unix:%s: another program listens there: stop it, or choose another path",
                    path);
    if (unlink(path) < 0)
        return fail(error, errno, "unix:%s: a stale socket cannot be removed: %s", path,
                    strerror(errno));
    return 0;
}

/* The file is made with no permissions for others, and gets its own when its owner is right. From
 * bind(2) on it is ours to remove. */
static int bind_file(const struct route *route, struct bound *bound, const char *path,
                     const struct address *address, char *error)
{
    mode_t mask = umask(0177);
    mode_t mode = route->mode >= 0 ? (mode_t)route->mode : (0777 & ~mask);
    struct stat status;

    int failed = bind(bound->fd, (const struct sockaddr *)&address->storage, address->length) < 0
                     ? errno
                     : 0;
    umask(mask);
    if (failed)
        return fail(error, failed, "unix:%s: %s; does the directory exist, and may it be written?",
                    path, strerror(failed));
    if (lstat(path, &status) == 0) {
        snprintf(bound->path, sizeof(bound->path), "%s", path);
        bound->path_device = status.st_dev;
        bound->path_inode = status.st_ino;
    }
    if ((route->owner_uid != (uid_t)-1 || route->owner_gid != (gid_t)-1) &&
        chown(path, route->owner_uid, route->owner_gid) < 0)
        return fail(error, errno, "unix:%s: its owner cannot be set: %s", path, strerror(errno));
    if (chmod(path, mode) < 0)
        return fail(error, errno, "unix:%s: its mode cannot be set: %s", path, strerror(errno));
    if (listen(bound->fd, route->backlog) < 0)
        return fail(error, errno, "unix:%s: %s", path, strerror(errno));
    return 0;
}

static int claim_path(const struct route *route, struct bound *bound, const char *path,
                      const struct address *address, char *error)
{
    int lock = lock_directory(path);
    int failed = remove_stale(path, address, error);

    if (!failed)
        failed = bind_file(route, bound, path, address, error);
    if (lock >= 0)
        close(lock);
    return failed;
}

static int claim_abstract(const struct route *route, struct bound *bound,
                          const struct address *address, char *error)
{
    if (bind(bound->fd, (const struct sockaddr *)&address->storage, address->length) < 0 ||
        listen(bound->fd, route->backlog) < 0)
        return fail(error, errno, "%s: %s", bound->text, strerror(errno));
    return 0;
}

int bind_unix(const struct route *route, const struct endpoint *endpoint, struct bound *ret,
              char error[static BIND_ERROR_BYTES])
{
    struct endpoint file = {.kind = ENDPOINT_UNIX, .fd = -1};
    struct bound bound = {.transport = TRANSPORT_UNIX};
    struct address address;

    if (endpoint->kind == ENDPOINT_VSOCK_MUX)
        snprintf(file.name, sizeof(file.name), "%.107s_%u", endpoint->name, endpoint->port);
    else
        snprintf(file.name, sizeof(file.name), "%s", endpoint->name);
    if (strlen(file.name) >= ENDPOINT_UNIX_PATH_BYTES)
        return fail(error, ENAMETOOLONG, "unix:%s: longer than a socket's path may be", file.name);
    endpoint_format(endpoint->kind == ENDPOINT_MUX ? endpoint : &file, bound.text);
    address_of_endpoint(&file, &address);
    bound.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bound.fd < 0)
        return fail(error, errno, "%s: %s", bound.text, strerror(errno));

    int failed = file.name[0] == '@' ? claim_abstract(route, &bound, &address, error)
                                     : claim_path(route, &bound, file.name, &address, error);
    if (failed) {
        bound_close(&bound);
        return failed;
    }
    *ret = bound;
    return 1;
}

void bound_remove_file(struct bound *bound)
{
    struct stat status;

    if (bound->path[0] && lstat(bound->path, &status) == 0 && status.st_dev == bound->path_device &&
        status.st_ino == bound->path_inode)
        unlink(bound->path);
}

/* Another file may stand there by now, and that user may have put it there. */
int bound_give_file(const struct bound *bound, uid_t uid, gid_t gid)
{
    struct stat status;

    if (!bound->path[0])
        return 0;
    int fd = open(bound->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    bool ours = fstat(fd, &status) == 0 && status.st_dev == bound->path_device &&
                status.st_ino == bound->path_inode;
    int failed = ours && fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
    close(fd);
    return failed;
}

int bound_refresh_file(const struct bound *bound, const struct route *route,
                       char error[static BIND_ERROR_BYTES])
{
    bool has_owner = route->owner_uid != (uid_t)-1 || route->owner_gid != (gid_t)-1;

    if (has_owner && chown(bound->path, route->owner_uid, route->owner_gid) < 0)
        return fail(error, errno, "unix:%s: its owner cannot be set: %s", bound->path,
                    strerror(errno));
    if (route->mode >= 0 && chmod(bound->path, (mode_t)route->mode) < 0)
        return fail(error, errno, "unix:%s: its mode cannot be set: %s", bound->path,
                    strerror(errno));
    return 0;
}

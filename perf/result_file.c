/* Files that are whole or not there: written beside, synced, renamed. */
#include "perf/result.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPORARY_TRIES 100

static int write_all(int fd, const char *text, size_t bytes)
{
    while (bytes > 0) {
        ssize_t written = write(fd, text, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        if (written == 0)
            return -EIO;
        text += written;
        bytes -= (size_t)written;
    }
    return 0;
}

/* Writes and closes. */
static int fill(int fd, const char *text, size_t bytes, bool sync)
{
    int error = write_all(fd, text, bytes);
    /* Where blocks are only allocated on their way out, this is where a full disk is told. */
    if (error == 0 && sync && fsync(fd) != 0)
        error = -errno;
    if (close(fd) != 0 && error == 0)
        error = -errno;
    return error;
}

static int write_directly(const char *path, const char *text, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    return fd < 0 ? -errno : fill(fd, text, bytes, false);
}

/* Opens a new file in a folder, and tells its name. */
static int temporary_open(const char *folder, mode_t mode, char name[static PATH_MAX])
{
    for (unsigned i = 0; i < TEMPORARY_TRIES; i++) {
        int length =
            snprintf(name, PATH_MAX, "%s/.vsluice-load.%ld.%u.tmp", folder, (long)getpid(), i);
        if (length >= PATH_MAX)
            return -ENAMETOOLONG;
        int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd >= 0)
            return fd;
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

/* After a crash, too, the new name is there. A file system that cannot do it has done its best. */
static void sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!fsync(fd);
    close(fd);
}

static int replace(const char *path, mode_t mode, const char *text, size_t bytes)
{
    char copy[PATH_MAX], name[PATH_MAX];
    if (strlen(path) >= sizeof(copy))
        return -ENAMETOOLONG;
    const char *folder = dirname(strcpy(copy, path));

    int fd = temporary_open(folder, mode, name);
    if (fd < 0)
        return fd;
    int error = fill(fd, text, bytes, true);
    if (error == 0 && rename(name, path) != 0)
        error = -errno;
    if (error != 0) {
        unlink(name);
        return error;
    }
    sync_folder(folder);
    return 0;
}

int result_write_file(const char *path, const char *text, size_t bytes)
{
    struct stat status;
    /* /dev/stdout may be a link to a regular file that others hold open. */
    if (strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0)
        return write_directly(path, text, bytes);
    if (stat(path, &status) != 0)
        return errno == ENOENT ? replace(path, 0666, text, bytes) : -errno;
    if (!S_ISREG(status.st_mode))
        return write_directly(path, text, bytes);

    char *target = realpath(path, NULL);
    if (!target)
        return -errno;
    int error = replace(target, status.st_mode & 0777, text, bytes);
    free(target);
    return error;
}

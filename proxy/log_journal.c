/* Sending entries to the journal. */
#include "proxy/log_journal.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FIELDS_MAX 32

typedef int send_function(const struct iovec *fields, int count);

static _Atomic(send_function *) sendv;

bool log_journal_is_standard_error(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat is;

    return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(STDERR_FILENO, &is) == 0 && is.st_dev == device && is.st_ino == inode;
}

int log_journal_open(char error[static LIBRARY_ERROR_BYTES])
{
    static const char *const names[] = {"libsystemd.so.0", NULL};
    static const char *const path = "/run/systemd/journal/socket";
    send_function *function = NULL;
    const struct library_symbol symbols[] = {{"sd_journal_sendv", &function}, {NULL, NULL}};

    if (access(path, W_OK) < 0) {
        snprintf(error, LIBRARY_ERROR_BYTES, "there is no journal here: %s: %s", path,
                 strerror(errno));
        return -ENOSYS;
    }
    if (atomic_load(&sendv))
        return 0;
    int failed = library_open(names, symbols, "libsystemd0", error);
    if (failed == 0)
        atomic_store(&sendv, function);
    return failed;
}

int log_journal_send(const char *fields, size_t length)
{
    send_function *function = atomic_load(&sendv);
    struct iovec parts[FIELDS_MAX];
    int count = 0;

    for (size_t at = 0; at < length && count < FIELDS_MAX; count++) {
        size_t field = strlen(fields + at);
        parts[count] = (struct iovec){.iov_base = (char *)fields + at, .iov_len = field};
        at += field + 1;
    }
    return function ? function(parts, count) : -ENOSYS;
}

#include "tests/vsock/harness.h"

#include "vsock/vsock.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Names a file: Criterion lets a test pass whose fixture fails, so what those find is told there.
 */
#define LEAKS "VSLUICE_TEST_LEAKS"

static char folder[64];
static unsigned descriptors_before;

int harness_main(int argc, char **argv)
{
    char leaks[] = "/tmp/vsock-test-leaks-XXXXXX";
    struct stat stat;
    int fd = mkostemp(leaks, O_CLOEXEC);

    if (fd < 0 || setenv(LEAKS, leaks, true) < 0)
        return 1;
    struct criterion_test_set *tests = criterion_initialize();
    bool failed = criterion_handle_args(argc, argv, true) && !criterion_run_all_tests(tests);
    criterion_finalize(tests);
    if (fstat(fd, &stat) < 0 || stat.st_size > 0) {
        puts("A test left descriptors open.");
        failed = true;
    }
    close(fd);
    unlink(leaks);
    return failed;
}

static int entry_remove(const char *path, const struct stat *stat, int kind, struct FTW *at)
{
    return remove(path);
}

static void folder_remove(void)
{
    if (folder[0])
        nftw(folder, entry_remove, 8, FTW_DEPTH | FTW_PHYS);
    folder[0] = '\0';
}

void harness_begin(void)
{
    strcpy(folder, "/tmp/vsock-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    atexit(folder_remove);
    descriptors_before = harness_descriptors();
}

void harness_end(void)
{
    unsigned after = harness_descriptors();

    folder_remove();
    if (after == descriptors_before)
        return;
    dprintf(STDERR_FILENO, "%u descriptors before, %u after\n", descriptors_before, after);
    int leaks = open(getenv(LEAKS), O_WRONLY | O_APPEND | O_CLOEXEC);
    dprintf(leaks, "%u\n", after);
    close(leaks);
}

const char *harness_path(const char *name)
{
    static char paths[8][sizeof(folder) + 32];
    static unsigned next;
    char *path = paths[next++ % COUNT_OF(paths)];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

uint64_t harness_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

unsigned harness_descriptors(void)
{
    unsigned count = 0;
    DIR *entries = opendir("/proc/self/fd");

    cr_assert_not_null(entries);
    while (readdir(entries))
        count++;
    closedir(entries);
    return count;
}

bool harness_fd_is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void *waiter_run(void *argument)
{
    struct waiter *waiter = argument;

    atomic_store(&waiter->tid, gettid());
    waiter->result = waiter->call(waiter->argument);
    waiter->ended_ns = harness_now();
    atomic_store(&waiter->ended, true);
    return NULL;
}

void waiter_start(struct waiter *waiter, ssize_t (*call)(void *argument), void *argument)
{
    *waiter = (struct waiter){.call = call, .argument = argument};
    cr_assert_eq(pthread_create(&waiter->thread, NULL, waiter_run, waiter), 0);
}

static bool thread_sleeps(int tid)
{
    char path[64], line[512] = "";
    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t length = read(fd, line, sizeof(line) - 1);
    close(fd);
    const char *name_end = length > 0 ? strrchr(line, ')') : NULL;
    return name_end && name_end[1] == ' ' && name_end[2] == 'S';
}

void waiter_await_sleep(struct waiter *waiter)
{
    /* A lock is a short sleep, too. */
    for (unsigned asleep = 0; asleep < 5;) {
        cr_assert(!atomic_load(&waiter->ended), "it did not wait: %zd", waiter->result);
        int tid = atomic_load(&waiter->tid);
        asleep = tid && thread_sleeps(tid) ? asleep + 1 : 0;
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
}

ssize_t waiter_join(struct waiter *waiter)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    cr_assert_eq(pthread_timedjoin_np(waiter->thread, NULL, &until), 0, "the call never ended");
    return waiter->result;
}

ssize_t waiter_read(void *conn)
{
    char byte;
    return vsock_conn_read(conn, &byte, 1);
}

ssize_t waiter_write(void *conn)
{
    static char bytes[32 << 20];
    return vsock_conn_write(conn, bytes, sizeof(bytes), NULL);
}

ssize_t waiter_accept(void *listener)
{
    struct vsock_conn *conn = NULL;
    int r = vsock_listener_accept(listener, &conn);
    vsock_conn_free(conn);
    return r;
}

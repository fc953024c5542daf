/* What the tests of libvsock's API share: a folder of each test's own, a look at the descriptors
 * before and after it, and calls that wait in another thread.
 *
 * Only the test's own thread asserts.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define MS              UINT64_C(1000000)
#define SECOND          (1000 * MS)

/* How late whatever waits may end on a machine that is busy. */
#define LATE_NS (5 * SECOND)

/* Criterion's main; fails, too, where a test left a descriptor open. */
int harness_main(int argc, char **argv);

/* The fixtures of every suite. None has a timeout: with one, Criterion 2.4.1 itself leaks. */
void harness_begin(void);
void harness_end(void);

/* A path in the test's folder, in memory that the next call but seven uses again. */
const char *harness_path(const char *name);

uint64_t harness_now(void);

/* Descriptors that this process has open. */
unsigned harness_descriptors(void);

bool harness_fd_is_open(int fd);

/* A call in a thread of its own. */
struct waiter {
    ssize_t (*call)(void *argument);
    void *argument;
    pthread_t thread;
    atomic_int tid; /* 0: has not begun */
    atomic_bool ended;
    ssize_t result;
    uint64_t ended_ns;
};

void waiter_start(struct waiter *waiter, ssize_t (*call)(void *argument), void *argument);

/* Returns when the call waits in the kernel. */
void waiter_await_sleep(struct waiter *waiter);

/* The call's result; it must end within 20 seconds. */
ssize_t waiter_join(struct waiter *waiter);

/* Calls: a byte is read; so much is written that nothing holds it; a connection is accepted, and
 * freed. Each returns what the function did. */
ssize_t waiter_read(void *conn);
ssize_t waiter_write(void *conn);
ssize_t waiter_accept(void *listener);

/* Kernels before 5.11 have no epoll_pwait2(2): times are then whole milliseconds. Of the engine on
 * epoll alone. */
#include "tests/ring/loop.h"
#include "tests/ring/sockets.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct loop loop;

static void refuse_epoll_pwait2(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_epoll_pwait2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof(filter) / sizeof(*filter), .filter = filter};

    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
    cr_assert_eq(syscall(__NR_epoll_pwait2, -1, NULL, 0, NULL, NULL, 0), -1);
    cr_assert_eq(errno, ENOSYS);
}

/* Never too early, and no turn is spent on waiting for less than a millisecond. */
Test(without_ns, timers_are_called)
{
    refuse_epoll_pwait2();
    loop_init(&loop, 4, 1);
    for (unsigned ms = 1; ms < 20; ms++) {
        uint64_t before_ns = ring_now_ns(loop.ring);
        unsigned turns = loop_for(&loop, ms);
        cr_assert_leq(turns, 2, "%u turns", turns);
        cr_assert_geq(ring_now_ns(loop.ring) - before_ns, ms * UINT64_C(1000000));
    }
    loop_deinit(&loop);
}

/* Without any deadline a turn waits for as long as it takes. */
Test(without_ns, an_event_is_waited_for)
{
    struct probe probe = {.loop = &loop};
    int pair[2];

    refuse_epoll_pwait2();
    loop_init(&loop, 4, 1);
    sockets_pair(SOCKETS_UNIX, pair);
    ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
    pid_t child = fork();
    if (child == 0) {
        usleep(50000);
        _exit(write(pair[1], "x", 1) != 1);
    }
    unsigned turns = 0;
    for (; probe.terminals == 0; turns++)
        loop_turn(&loop);
    cr_assert_eq(turns, 1, "%u turns", turns);
    cr_assert_eq(waitpid(child, NULL, 0), child);
    loop_deinit(&loop);
    sockets_close_pair(pair);
}

Test(without_ns, events_are_told)
{
    struct probe probe = {.loop = &loop};
    int pair[2];

    refuse_epoll_pwait2();
    loop_init(&loop, 4, 1);
    sockets_pair(SOCKETS_UNIX, pair);
    ring_receive(loop.ring, &probe.op, probe_told, pair[0]);
    probe_expect_quiet(&probe);
    sockets_write(pair[1], "x", 1);
    cr_assert_eq(probe_end(&probe), 1);
    loop_deinit(&loop);
    sockets_close_pair(pair);
}

/* What vsluice asks of the kernel from `ready` to its end. */
#include "proxy/sandbox_list.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* Of an argument that is an int, the upper half means nothing. */
#define INT UINT32_MAX

#define TYPE (SOCK_NONBLOCK - 1) /* of socket(2), without its flags */

#define ANY(call)    \
    {                \
        .name = call \
    }
#define IF(call, at, m, v)                                \
    {                                                     \
        .name = call, .count = 1, .masks = { {at, m, v} } \
    }
#define SOCKET(family, type)       \
    {                              \
        "socket", 2,               \
        {                          \
            {0, INT, family},      \
            {                      \
                1, TYPE &INT, type \
            }                      \
        }                          \
    }

#define NAMESPACES                                                                                \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
     CLONE_NEWNET)

const struct sandbox_rule sandbox_rules[] = {
    /* relaying; all that listens or connects has its socket from here */
    ANY("accept"),
    ANY("accept4"),
    ANY("bind"),
    ANY("close"),
    ANY("close_range"),
    ANY("connect"),
    ANY("getpeername"),
    ANY("getsockname"),
    ANY("getsockopt"),
    ANY("io_uring_enter"),
    ANY("listen"),
    ANY("pipe"),
    ANY("pipe2"),
    ANY("pread64"),
    ANY("read"),
    ANY("readv"),
    ANY("recvfrom"),
    ANY("recvmmsg"),
    ANY("recvmsg"),
    ANY("sendmmsg"),
    ANY("sendmsg"),
    ANY("sendto"),
    ANY("setsockopt"),
    ANY("shutdown"),
    ANY("splice"),
    ANY("write"),
    ANY("writev"),
    SOCKET(AF_UNIX, SOCK_STREAM),
    SOCKET(AF_UNIX, SOCK_DGRAM),
    SOCKET(AF_INET, SOCK_STREAM),
    SOCKET(AF_INET, SOCK_DGRAM),
    SOCKET(AF_INET6, SOCK_STREAM),
    SOCKET(AF_INET6, SOCK_DGRAM),
    SOCKET(AF_VSOCK, SOCK_STREAM),
    /* getaddrinfo(3) asks which addresses there are: NETLINK_ROUTE */
    {"socket", 2, {{0, INT, AF_NETLINK}, {2, INT, 0}}},
    {"socketpair", 1, {{0, INT, AF_UNIX}}},

    /* waiting */
    ANY("clock_getres"),
    ANY("clock_gettime"),
    ANY("clock_nanosleep"),
    ANY("epoll_create"),
    ANY("epoll_create1"),
    ANY("epoll_ctl"),
    ANY("epoll_pwait"),
    ANY("epoll_pwait2"),
    ANY("epoll_wait"),
    ANY("eventfd2"),
    ANY("gettimeofday"),
    ANY("inotify_add_watch"),
    ANY("inotify_init1"),
    ANY("inotify_rm_watch"),
    ANY("nanosleep"),
    ANY("poll"),
    ANY("ppoll"),
    ANY("pselect6"),
    ANY("select"),
    ANY("time"),
    ANY("timerfd_create"),
    ANY("timerfd_gettime"),
    ANY("timerfd_settime"),

    /* files: to read them, and those of Unix sockets */
    ANY("access"),
    ANY("chmod"),
    ANY("chown"),
    ANY("dup"),
    ANY("dup2"),
    ANY("dup3"),
    ANY("faccessat"),
    ANY("faccessat2"),
    ANY("fchmod"),
    ANY("fchmodat"),
    ANY("fchmodat2"),
    ANY("fchown"),
    ANY("fchownat"),
    ANY("fcntl"),
    ANY("flock"),
    ANY("fstat"),
    ANY("fstatfs"),
    ANY("getcwd"),
    ANY("getdents64"),
    ANY("lchown"),
    ANY("lseek"),
    ANY("lstat"),
    ANY("newfstatat"),
    ANY("readlink"),
    ANY("readlinkat"),
    ANY("stat"),
    ANY("statfs"),
    ANY("statx"),
    ANY("umask"),
    ANY("unlink"),
    ANY("unlinkat"),
    IF("open", 1, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY),
    IF("openat", 2, O_ACCMODE | O_CREAT | O_TRUNC, O_RDONLY),
    IF("ioctl", 1, INT, FIONBIO),
    IF("ioctl", 1, INT, FIONREAD),
    IF("ioctl", 1, INT, SIOCOUTQ),
    IF("ioctl", 1, INT, SIOCGIFINDEX),
    IF("ioctl", 1, INT, SIOCGIFNAME),
    IF("ioctl", 1, INT, TCGETS),
    IF("ioctl", 1, INT, IOCTL_VM_SOCKETS_GET_LOCAL_CID),

    /* memory: never to be written and executed; libraries that are loaded late are executed */
    ANY("brk"),
    ANY("madvise"),
    ANY("membarrier"),
    ANY("mincore"),
    ANY("mremap"),
    ANY("munmap"),
    IF("mmap", 2, PROT_EXEC, 0),
    IF("mmap", 2, PROT_WRITE, 0),
    IF("mprotect", 2, PROT_EXEC, 0),

    /* threads, and no processes */
    ANY("exit"),
    ANY("exit_group"),
    ANY("futex"),
    ANY("futex_wait"),
    ANY("futex_waitv"),
    ANY("futex_wake"),
    ANY("get_robust_list"),
    ANY("getcpu"),
    ANY("restart_syscall"),
    ANY("rseq"),
    ANY("rt_sigaction"),
    ANY("rt_sigpending"),
    ANY("rt_sigprocmask"),
    ANY("rt_sigreturn"),
    ANY("rt_sigsuspend"),
    ANY("rt_sigtimedwait"),
    ANY("sched_getaffinity"),
    ANY("sched_yield"),
    ANY("set_robust_list"),
    ANY("sigaltstack"),
    ANY("signalfd4"),
    IF("clone", 0, CLONE_THREAD | NAMESPACES, CLONE_THREAD),
    IF("prctl", 0, INT, PR_GET_NAME),
    IF("prctl", 0, INT, PR_SET_NAME),
    IF("prctl", 0, INT, PR_SET_VMA),

    /* itself and the system */
    ANY("getegid"),
    ANY("geteuid"),
    ANY("getgid"),
    ANY("getgroups"),
    ANY("getpid"),
    ANY("getppid"),
    ANY("getrandom"),
    ANY("getresgid"),
    ANY("getresuid"),
    ANY("getrlimit"),
    ANY("getrusage"),
    ANY("gettid"),
    ANY("getuid"),
    ANY("sysinfo"),
    ANY("uname"),
    {"prlimit64", 2, {{0, INT, 0}, {2, UINT64_MAX, 0}}},

#ifdef VSLUICE_SANITIZED
    /* LeakSanitizer looks at all threads from a process of its own, at the end. */
    ANY("clone"),
    ANY("getdents"),
    ANY("kill"),
    ANY("prctl"),
    ANY("process_vm_readv"),
    ANY("ptrace"),
    ANY("wait4"),
#endif
    {.name = NULL},
};

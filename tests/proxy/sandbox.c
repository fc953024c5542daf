/* The program's own filter of system calls: what must be refused is tried, and so is what it needs.
 * Each in a process of its own, with the filter that `vsluice run` has.
 */
#include "proxy/sandbox.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct call {
    const char *name;
    long number;
    long arguments[6];
};

/* Without a filter, none of them would do harm either: what they name is not there. */
static const struct call refused[] = {
    {"execve", SYS_execve, {0}},
    {"execveat", SYS_execveat, {-1}},
    {"process_vm_writev", SYS_process_vm_writev, {0}},
    {"mount", SYS_mount, {0}},
    {"umount2", SYS_umount2, {0}},
    {"pivot_root", SYS_pivot_root, {0}},
    {"chroot", SYS_chroot, {0}},
    {"setns", SYS_setns, {-1}},
    {"unshare", SYS_unshare, {0}},
    {"init_module", SYS_init_module, {0}},
    {"finit_module", SYS_finit_module, {-1}},
    {"delete_module", SYS_delete_module, {0}},
    {"kexec_load", SYS_kexec_load, {0, 0, 0, -1}},
    {"reboot", SYS_reboot, {0}},
    {"bpf", SYS_bpf, {-1}},
    {"perf_event_open", SYS_perf_event_open, {0}},
    {"userfaultfd", SYS_userfaultfd, {-1}},
    {"keyctl", SYS_keyctl, {-1}},
    {"add_key", SYS_add_key, {0}},
    {"personality", SYS_personality, {0xffffffff}},
    {"name_to_handle_at", SYS_name_to_handle_at, {-1}},
    {"open_by_handle_at", SYS_open_by_handle_at, {-1}},
    {"setuid", SYS_setuid, {-1}},
    {"setgid", SYS_setgid, {-1}},
    {"setgroups", SYS_setgroups, {-1}},
    {"setresuid", SYS_setresuid, {-1, -1, -1}},
    {"capset", SYS_capset, {0}},
    {"seccomp", SYS_seccomp, {-1}},
    {"io_uring_setup", SYS_io_uring_setup, {0}},
    {"io_uring_register", SYS_io_uring_register, {-1}},
    {"memfd_create", SYS_memfd_create, {0}},
    {"shmget", SYS_shmget, {0}},
    {"clock_settime", SYS_clock_settime, {-1}},
    {"iopl", SYS_iopl, {0}},
    {"syslog", SYS_syslog, {-1}},
    {"rename", SYS_rename, {0}},
    {"mkdir", SYS_mkdir, {0}},
    {"symlink", SYS_symlink, {0}},
    {"link", SYS_link, {0}},
    {"mknod", SYS_mknod, {0}},
    {"truncate", SYS_truncate, {0}},
    {"creat", SYS_creat, {0}},
    {"sched_setscheduler", SYS_sched_setscheduler, {0}},
    {"setrlimit", SYS_setrlimit, {RLIMIT_NOFILE}},
    {"one of a newer kernel", 5000, {0}},
    {"clone3", SYS_clone3, {0}},

    /* that are allowed for other arguments */
    {"open to write", SYS_open, {(long)"/dev/null", O_WRONLY}},
    {"openat to write", SYS_openat, {AT_FDCWD, (long)"/dev/null", O_RDWR}},
    {"openat to truncate", SYS_openat, {AT_FDCWD, (long)"/dev/null", O_RDONLY | O_TRUNC}},
    {"openat of a new file", SYS_openat, {AT_FDCWD, (long)"/nowhere/a", O_CREAT}},
    {"openat without a name", SYS_openat, {AT_FDCWD, (long)"/tmp", O_TMPFILE | O_WRONLY, 0600}},
    {"prlimit64 to set", SYS_prlimit64, {0, RLIMIT_NOFILE, (long)"0123456789abcdef"}},
    {"prlimit64 of another", SYS_prlimit64, {1, RLIMIT_NOFILE, 0}},
    {"tgkill of another", SYS_tgkill, {1, 1, 0}},
    {"mmap to write and execute",
     SYS_mmap,
     {0, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0}},
    {"mprotect to execute", SYS_mprotect, {0, 4096, PROT_READ | PROT_EXEC}},
    {"ioctl to type at a terminal", SYS_ioctl, {-1, TIOCSTI}},
    {"socket of packets", SYS_socket, {AF_PACKET, SOCK_RAW, 0}},
    {"raw socket", SYS_socket, {AF_INET, SOCK_RAW, IPPROTO_ICMP}},
    {"raw socket of IPv6", SYS_socket, {AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6}},
    {"socket to the kernel's ciphers", SYS_socket, {AF_ALG, SOCK_SEQPACKET, 0}},
    {"socket of Bluetooth", SYS_socket, {AF_BLUETOOTH, SOCK_RAW, 0}},
    {"netlink of netfilter", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER}},
    {"socketpair of IPv4", SYS_socketpair, {AF_INET, SOCK_STREAM, 0}},

#ifndef VSLUICE_SANITIZED
    {"fork", SYS_fork, {0}},
    {"clone of a process", SYS_clone, {SIGCHLD}},
    {"clone into a namespace", SYS_clone, {CLONE_THREAD | CLONE_NEWUSER}},
    {"ptrace", SYS_ptrace, {-1}},
    {"process_vm_readv", SYS_process_vm_readv, {0}},
    {"kill", SYS_kill, {0x7fffffff, 0}},
    {"prctl of dumping", SYS_prctl, {PR_SET_DUMPABLE, 2}},
    {"prctl of capabilities", SYS_prctl, {PR_CAP_AMBIENT, -1}},
#endif
};

static void expect(bool right, const char *what)
{
    if (!right) {
        fprintf(stderr, "%s: %s\n", what, strerror(errno));
        _exit(1);
    }
}

static void expect_all_refused(void)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        const struct call *call = &refused[i];
        const long *a = call->arguments;
        errno = 0;
        long result = syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
        expect(result == -1 && errno == ENOSYS, call->name);
    }
}

static void begin(void)
{
    char why[SANDBOX_ERROR_BYTES];

    if (sandbox_begin(why) < 0) {
        fprintf(stderr, "no filter: %s\n", why);
        _exit(1);
    }
}

/* How a process ends that does so: as by wait(2). */
static int status_of(void (*work)(void))
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        alarm(30);
        work();
        _exit(0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    return status;
}

static void skip_without_libseccomp(void)
{
    char why[SANDBOX_ERROR_BYTES];

    if (sandbox_probe(why) < 0)
        cr_skip_test("%s", why);
}

static void try_refused(void)
{
    begin();
    expect_all_refused();
}

Test(sandbox, refuses, .init = skip_without_libseccomp)
{
    cr_assert_eq(status_of(try_refused), 0);
}

static pthread_barrier_t barrier;

static void *try_in_thread(void *unused)
{
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    expect_all_refused();
    return NULL;
}

static void try_refused_in_threads(void)
{
    pthread_t before;
    pthread_t after;

    pthread_barrier_init(&barrier, NULL, 2);
    pthread_create(&before, NULL, try_in_thread, NULL);
    pthread_barrier_wait(&barrier);
    begin();
    pthread_barrier_wait(&barrier);
    pthread_join(before, NULL);
    expect(pthread_create(&after, NULL, try_in_thread, NULL) == 0, "a new thread");
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    pthread_join(after, NULL);
}

/* Those that there were, and those that come. */
Test(sandbox, refuses_in_all_threads, .init = skip_without_libseccomp)
{
    cr_assert_eq(status_of(try_refused_in_threads), 0);
}

/* A listener, a connection, and bytes that are spliced from one end to the other. */
static void expect_stream(int family, const struct sockaddr *address, socklen_t length)
{
    struct sockaddr_storage bound;
    socklen_t bound_length = sizeof(bound);
    int listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int near = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    int ends[2];
    char word[4];

    expect(bind(listener, address, length) == 0 && listen(listener, 5) == 0, "listen");
    getsockname(listener, (struct sockaddr *)&bound, &bound_length);
    expect(connect(near, (struct sockaddr *)&bound, bound_length) == 0 || errno == EINPROGRESS,
           "connect");
    int far = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    expect(far >= 0 && pipe2(ends, O_CLOEXEC) == 0, "accept");
    expect(write(ends[1], "word", 4) == 4 && splice(ends[0], NULL, far, NULL, 4, 0) == 4, "splice");
    struct pollfd *readable = &(struct pollfd){.fd = near, .events = POLLIN};
    expect(poll(readable, 1, 10000) == 1 && recv(near, word, 4, 0) == 4, "receive");
    expect(shutdown(far, SHUT_WR) == 0, "shutdown");
    int all[] = {listener, near, far, ends[0], ends[1]};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        close(all[i]);
}

static void expect_sockets(void)
{
    struct sockaddr_in ip = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_un file = {.sun_family = AF_UNIX};
    struct addrinfo wish = {.ai_flags = AI_ADDRCONFIG, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found;

    snprintf(file.sun_path, sizeof(file.sun_path), "/tmp/vsluice-sandbox-%d", getpid());
    expect_stream(AF_INET, (struct sockaddr *)&ip, sizeof(ip));
    expect_stream(AF_UNIX, (struct sockaddr *)&file, sizeof(file));
    expect(chmod(file.sun_path, 0600) == 0 && unlink(file.sun_path) == 0, "its file");
    expect(getaddrinfo("localhost", "80", &wish, &found) == 0, "a name");
    freeaddrinfo(found);
    expect(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE) >= 0, "netlink of routes");
}

static void expect_files(void)
{
    char line[64];
    FILE *file = fopen("/proc/self/status", "re");
    struct stat status;

    expect(file && fgets(line, sizeof(line), file), "a file");
    fclose(file);
    expect(stat("/", &status) == 0 && access("/", R_OK) == 0, "stat");
    int watch = inotify_init1(IN_CLOEXEC);
    expect(inotify_add_watch(watch, "/tmp", IN_CREATE) >= 0, "inotify");
    int lock = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    expect(lock >= 0, "a directory");
}

static void try_allowed(void)
{
    begin();
    expect_sockets();
    expect_files();
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int event = eventfd(0, EFD_CLOEXEC);
    struct epoll_event wish = {.events = EPOLLOUT};
    expect(epoll_ctl(epoll, EPOLL_CTL_ADD, event, &wish) == 0, "epoll");
    expect(epoll_wait(epoll, &wish, 1, 1000) == 1, "epoll_wait");
    char *much = malloc(100 << 20);
    expect(much != NULL, "memory");
    memset(much, 1, 100 << 20);
    much = realloc(much, 200 << 20);
    expect(much != NULL, "more memory");
    free(much);
    expect(dlopen("libcurl.so.4", RTLD_NOW) != NULL, "a library");
    struct rlimit files;
    expect(getrlimit(RLIMIT_NOFILE, &files) == 0, "a limit");
}

Test(sandbox, allows_what_is_needed, .init = skip_without_libseccomp)
{
    cr_assert_eq(status_of(try_allowed), 0);
}

static void try_abort(void)
{
    begin();
    abort();
}

/* An assertion that fails ends it as ever. */
Test(sandbox, allows_abort, .init = skip_without_libseccomp)
{
    int status = status_of(try_abort);

    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT, "status %#x", (unsigned)status);
}

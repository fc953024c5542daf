/* refuse-io-uring EPERM|ENOSYS|ENOMEM PROGRAM [ARGUMENT ...]: runs a program to which
 * io_uring_setup(2) is refused, as containers, kernel.io_uring_disabled and a small RLIMIT_MEMLOCK
 * do.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

static int error_of(const char *name)
{
    static const struct {
        const char *name;
        int error;
    } errors[] = {{"EPERM", EPERM}, {"ENOSYS", ENOSYS}, {"ENOMEM", ENOMEM}};

    for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++)
        if (strcmp(name, errors[i].name) == 0)
            return errors[i].error;
    return 0;
}

int main(int argc, char **argv)
{
    int error = argc > 2 ? error_of(argv[1]) : 0;
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof(filter) / sizeof(*filter), .filter = filter};

    if (error == 0) {
        fprintf(stderr, "usage: refuse-io-uring EPERM|ENOSYS|ENOMEM PROGRAM [ARGUMENT ...]\n");
        return 64;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
        perror("refuse-io-uring: seccomp");
        return 71;
    }
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 71;
}

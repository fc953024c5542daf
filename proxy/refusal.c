/* Why io_uring is refused. */
#include "proxy/refusal.h"

#include "proxy/system_file.h"
#include "ring/ring.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>

static void explain_filter(const char *what, FILE *stream)
{
    fprintf(stream,
            "io_uring is refused (%s) by a seccomp filter of this service or container. Allow the "
            "calls io_uring_setup, io_uring_enter and io_uring_register: under systemd remove "
            "them from SystemCallFilter=, under Docker or Podman use --security-opt seccomp=FILE "
            "with a profile that has them.\n",
            what);
}

static void explain_permission(FILE *stream)
{
    long long disabled = system_file_number("/proc/sys/kernel/io_uring_disabled", 0);
    long long group = system_file_number("/proc/sys/kernel/io_uring_group", -1);

    if (disabled == 2)
        fputs(
            "io_uring is refused (EPERM): kernel.io_uring_disabled is 2, for everybody. Allow it: "
            "sysctl kernel.io_uring_disabled=0\n",
            stream);
    else if (disabled == 1)
        fprintf(stream,
                "io_uring is refused (EPERM): kernel.io_uring_disabled is 1, for all but root and "
                "the group of kernel.io_uring_group (now %lld). Allow it: sysctl "
                "kernel.io_uring_disabled=0, or put this user into that group\n",
                group);
    else
        explain_filter("EPERM", stream);
}

static void explain_memory(FILE *stream)
{
    struct rlimit limit = {0};

    getrlimit(RLIMIT_MEMLOCK, &limit);
    fprintf(stream,
            "io_uring is refused (ENOMEM): RLIMIT_MEMLOCK (now %llu KiB) or the memory of this "
            "control group is too small. Raise it: LimitMEMLOCK=infinity under systemd, 'ulimit "
            "-l unlimited' in a shell; or raise MemoryMax=\n",
            (unsigned long long)limit.rlim_cur / 1024);
}

static void explain_age(FILE *stream)
{
    struct utsname name;

    uname(&name);
    fprintf(stream, "io_uring of this kernel (%s) is too old: 5.19 or newer is needed\n",
            name.release);
}

void refusal_explain(int error, FILE *stream)
{
    switch (-error) {
    case EPERM:
    case EACCES: explain_permission(stream); break;
    case ENOSYS:
        if (system_file_field("/proc/self/status", "Seccomp:") > 0)
            explain_filter("ENOSYS", stream);
        else
            fputs("io_uring is refused (ENOSYS): this kernel is built without CONFIG_IO_URING. "
                  "Boot one that has it\n",
                  stream);
        break;
    case ENOMEM: explain_memory(stream); break;
    case EINVAL: explain_age(stream); break;
    case EBADRQC: fprintf(stream, "%s\n", ring_wish_mistake()); break;
    default: fprintf(stream, "io_uring cannot be set up: %s\n", strerror(-error)); break;
    }
}

/* main() of the tests of AF_VSOCK: proves the place, says which kernel it is, and runs the cases
 * (those whose name has the argument in it). */
#include "tests/kernel/vsock_place.h"
#include "tests/kernel/vsock_case.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

static const struct vsock_kernel kernels[] = {
    {
        .major = 6,
        .minor = 1,
        .connect_error_stays = true,
        .outq_error = EOPNOTSUPP,
        .inq_error = EOPNOTSUPP,
        .linger_waits_for_close = true,
        .rcvlowat_counts_packets = true,
        .message_long_error = ENOMEM,
        .message_peek_error = ENOMEM,
    },
    {
        .major = 6,
        .minor = 12,
        .inq_error = ENOTTY,
        .linger_waits_for_close = true,
        .message_long_error = EMSGSIZE,
    },
    {
        .major = 7,
        .minor = 2,
        .message_long_error = EMSGSIZE,
    },
};

const struct vsock_kernel *vsock_kernel;

/* 0, or why there is no loopback here. */
static int loopback_error(void)
{
    struct sockaddr_vm address = {
        .svm_family = AF_VSOCK,
        .svm_cid = VMADDR_CID_LOCAL,
        .svm_port = VMADDR_PORT_ANY,
    };
    int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return errno;
    int error = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;
    close(fd);
    return error;
}

/* NULL: older than all of them. */
static const struct vsock_kernel *find_kernel(const char *release)
{
    const struct vsock_kernel *found = NULL;
    unsigned major = 0, minor = 0;

    sscanf(release, "%u.%u", &major, &minor);
    for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
        if (major > kernels[i].major || (major == kernels[i].major && minor >= kernels[i].minor))
            found = &kernels[i];
    }
    return found;
}

int main(int argc, char *argv[])
{
    struct utsname name;
    int error = loopback_error();

    if (error != 0) {
        printf("AF_VSOCK has no loopback here (%s): run it by tests/lab/uml\n", strerror(error));
        return 77;
    }
    uname(&name);
    vsock_kernel = find_kernel(name.release);
    if (vsock_kernel == NULL) {
        printf("Linux 6.1 or newer is needed, this is %s\n", name.release);
        return 77;
    }
    printf("Linux %s, as of %u.%u\n", name.release, vsock_kernel->major, vsock_kernel->minor);
    return case_run_all(argc > 1 ? argv[1] : NULL);
}

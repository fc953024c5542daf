/* The context ID is what /dev/vsock says; where it says nothing, its errno. Opens no socket. */
#include "vsock/vsock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

Test(vsock_context, is_what_the_device_says)
{
    unsigned int expected = 0;
    uint32_t cid = 4711;
    int fd = open("/dev/vsock", O_RDONLY | O_CLOEXEC);
    int error = fd < 0 ? -errno : 0;

    if (fd >= 0 && ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &expected) < 0)
        error = -errno;
    if (fd >= 0)
        close(fd);
    cr_assert_eq(vsock_context_id(&cid), error);
    cr_assert_eq(cid, error < 0 ? 4711 : expected);
}

Test(vsock_context, leaves_no_descriptor_open)
{
    uint32_t cid;
    int before = dup(0);

    close(before);
    for (unsigned i = 0; i < 100; i++)
        vsock_context_id(&cid);
    int after = dup(0);
    close(after);
    cr_assert_eq(before, after);
}

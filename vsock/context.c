/* The context ID of this machine, as the kernel's vsock core tells it. Opens no socket. */
#include "vsock/vsock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

int vsock_context_id(uint32_t *ret_cid)
{
    unsigned int cid;
    int fd, r;

    fd = open("/dev/vsock", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    r = ioctl(fd, IOCTL_VM_SOCKETS_GET_LOCAL_CID, &cid) < 0 ? -errno : 0;
    close(fd);
    if (r == 0)
        *ret_cid = cid;
    return r;
}

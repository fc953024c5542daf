/* By the configuration, or by the name of the process behind a socket (proc(5)). */
#include "proxy/vmm.h"

#include "ring/socket.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME_BYTES 17 /* proc(5), /proc/PID/comm */

/* The name of the process at the other end of a Unix socket; none: "". */
static void peer_name(int fd, char name[static NAME_BYTES])
{
    char path[32];
    ssize_t length = 0;
    int pid = ring_socket_peer_process(fd);

    snprintf(path, sizeof(path), "/proc/%d/comm", pid);
    int file = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0) {
        length = read(file, name, NAME_BYTES - 1);
        close(file);
    }
    name[length > 0 ? length : 0] = '\0';
    name[strcspn(name, "\n")] = '\0';
}

enum guest_vmm vmm_find(const struct guest *guest, int fd)
{
    char name[NAME_BYTES];

    if (guest->vmm != GUEST_VMM_AUTO || guest->address.kind != ENDPOINT_VSOCK_MUX)
        return guest->vmm;
    peer_name(fd, name);
    if (strcmp(name, "firecracker") == 0)
        return GUEST_VMM_FIRECRACKER;
    if (strcmp(name, "cloud-hyperviso") == 0) /* as many letters as a process has */
        return GUEST_VMM_CLOUD_HYPERVISOR;
    return GUEST_VMM_AUTO;
}

bool vmm_holds_half_close(const struct guest *guest, enum guest_vmm vmm)
{
    switch (guest->half_close) {
    case GUEST_HALF_CLOSE_PASS: return false;
    case GUEST_HALF_CLOSE_HOLD: return true;
    default: return vmm == GUEST_VMM_FIRECRACKER;
    }
}

unsigned vmm_sessions_max(const struct guest *guest, enum guest_vmm found)
{
    enum guest_vmm vmm = guest->vmm == GUEST_VMM_AUTO ? found : guest->vmm;

    if (guest->sessions_max != GUEST_SESSIONS_AUTO)
        return guest->sessions_max ? guest->sessions_max : UINT32_MAX;
    return vmm == GUEST_VMM_FIRECRACKER || vmm == GUEST_VMM_CLOUD_HYPERVISOR ? VMM_SESSIONS_MAX
                                                                             : UINT32_MAX;
}

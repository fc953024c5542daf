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

static bool is_firecracker(const struct guest *guest, int fd)
{
    char name[NAME_BYTES];

    if (guest->vmm != GUEST_VMM_AUTO || guest->address.kind != ENDPOINT_VSOCK_MUX)
        return guest->vmm == GUEST_VMM_FIRECRACKER;
    peer_name(fd, name);
    return strcmp(name, "firecracker") == 0;
}

bool vmm_holds_half_close(const struct guest *guest, int fd)
{
    if (!guest)
        return false;
    switch (guest->half_close) {
    case GUEST_HALF_CLOSE_PASS: return false;
    case GUEST_HALF_CLOSE_HOLD: return true;
    default: return is_firecracker(guest, fd);
    }
}

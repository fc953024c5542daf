/* Where the ends are: vsluice's endpoint grammar, read by code of its own, connected to and
 * listened on.
 *
 * Every vsock endpoint is refused unless the lab is proven: AF_VSOCK of the machine that we sit on
 * may lead out of it, to its hypervisor. VSLUICE_LAB must say which rung this is, and a socket must
 * be bindable to CID 1 (every kernel of the lab has the loopback transport). In UML (uml) only CID
 * 1 is connected to; other CIDs need a QEMU guest of ours (guest, nested).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum place_kind {
    PLACE_TCP,
    PLACE_UNIX,
    PLACE_VSOCK,
    PLACE_MUX,
    PLACE_FD, /* fd:IN,OUT: two pipes; fd:N: one socket */
};

struct place {
    enum place_kind kind;
    struct sockaddr_storage address;
    socklen_t length;
    uint32_t port; /* of the vsock-mux */
    int fd_in, fd_out;
};

enum place_role {
    PLACE_CONNECT,
    PLACE_LISTEN,
};

#define PLACE_TEXT_BYTES 160

/* Every function below: false or -1 after printing one line about it on standard error. */
bool place_parse(const char *text, enum place_role role, struct place *ret);

/* Blocks, `seconds` at most. */
bool place_connect(const struct place *place, double seconds, int *ret_fd_in, int *ret_fd_out);

/* text: as another peer can connect to it, with the port that the kernel chose. */
int place_listen(const struct place *place, char text[static PLACE_TEXT_BYTES]);

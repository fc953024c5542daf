/* libvsock: addresses of AF_VSOCK sockets, the local context ID, and the text handshake by which a
 * VMM multiplexes vsock over a Unix socket ("vsock-mux").
 *
 * Needs nothing but libc. Errors are negative errno values; an output `ret_x` is untouched when a
 * function fails. Nothing here logs, blocks or allocates.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The well-known context IDs (vsock(7)). */
#define VSOCK_CID_HYPERVISOR UINT32_C(0)
#define VSOCK_CID_LOCAL      UINT32_C(1)
#define VSOCK_CID_HOST       UINT32_C(2)
#define VSOCK_CID_ANY        UINT32_C(4294967295)

#define VSOCK_PORT_ANY UINT32_C(4294967295)

struct vsock_address {
    uint32_t cid;
    uint32_t port;
};

/* Longest printed address with its NUL: "vsock:hypervisor:4294967295". */
#define VSOCK_ADDRESS_TEXT_BYTES 32

/* Reads `vsock:CID:PORT`, `vsock://CID:PORT` or `vsock::PORT` (any CID). CID is a number, `any`,
 * `local`, `host` or `hypervisor`; PORT a number up to 4294967295 (VSOCK_PORT_ANY). All of text is
 * read. -EINVAL: not of that form. -ERANGE: a number beyond 32 bits. Both tell in *ret_bad (where
 * not NULL) the part of text that is wrong; it points into text. */
int vsock_address_parse(const char *text, struct vsock_address *ret, const char **ret_bad);

/* Prints `vsock:CID:PORT`, the well-known CIDs by their names. Returns the length. */
size_t vsock_address_format(const struct vsock_address *address,
                            char text[static VSOCK_ADDRESS_TEXT_BYTES]);

/* The context ID of the machine this runs on, from /dev/vsock (vsock(7),
 * IOCTL_VM_SOCKETS_GET_LOCAL_CID). -ENOENT or -ENODEV: no vsock module or no device; -EACCES: no
 * permission on the device. VSOCK_CID_ANY is what a host without any guest-to-host transport
 * reports. */
int vsock_context_id(uint32_t *ret_cid);

/* What the initiator of a vsock-mux connection says: "CONNECT PORT\n". Must reach the VMM in one
 * piece. Returns the length. */
#define VSOCK_MUX_REQUEST_BYTES 32
size_t vsock_mux_request_format(uint32_t port, char request[static VSOCK_MUX_REQUEST_BYTES]);

/* What the VMM answers: "OK NUMBER\n", NUMBER of at most 10 digits and never interpreted. */
#define VSOCK_MUX_REPLY_BYTES_MAX 14

/* Looks at the first `length` bytes received. Returns the length of the complete answer (newline
 * included); -EAGAIN while these bytes may still become an answer; -EPROTO when they cannot. */
int vsock_mux_reply_scan(const char *bytes, size_t length);

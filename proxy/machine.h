/* The CID of a virtual machine by its name, as systemd-machined has it.
 *
 * systemd-machined is asked anew each time: by varlink (systemd 257 and newer), and by D-Bus where
 * it has no varlink socket, or not yet: D-Bus starts it. A CID is 1 (the machine ".host") or from
 * 3; nothing is known of the guest behind it, and nothing is kept.
 *
 * All of these block, at most MACHINE_LIMIT_MS in all, and may be called from any thread. They
 * return 0 and the CID, or
 *   -ENXIO         there is no such machine
 *   -ENODATA       the machine is there, and systemd-machined knows no CID of it (one older than
 *                  systemd 256 knows of none at all)
 *   -ENOENT        systemd-machined is not there, nor is anything that would start it
 *   -ECONNREFUSED  it is there and does not answer, or not in time
 *   -EPROTO        its answer makes no sense
 *   -EINVAL        the name is not UTF-8
 *   another        what this process lacks: -EACCES, -EMFILE, -ENOMEM
 */
#pragma once

#include <stdint.h>

#define MACHINE_SOCKET      "/run/systemd/machine/io.systemd.Machine"
#define MACHINE_LIMIT_MS    3000
#define MACHINE_REPLY_BYTES 65536 /* a longer one makes no sense */

int machine_find_cid(const char *name, uint32_t *ret_cid);

/* By varlink alone, at the socket of that path, within limit_ms (above 0). -ENOENT: there is no
 * socket. */
int machine_find_cid_at(const char *path, const char *name, int limit_ms, uint32_t *ret_cid);

/* By D-Bus alone. -ENOENT also where vsluice was built without libsystemd. */
int machine_find_cid_on_bus(const char *name, int limit_ms, uint32_t *ret_cid);

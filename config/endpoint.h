/* One address of any kind, as the user writes it (the endpoint grammar). A plain value: copied
 * freely, owns nothing, opens no socket, resolves no name.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum endpoint_kind {
    ENDPOINT_TCP,
    ENDPOINT_UNIX,
    ENDPOINT_VSOCK,
    ENDPOINT_VSOCK_MUX,
    ENDPOINT_GUEST,
    ENDPOINT_MACHINE, /* target only */
    ENDPOINT_FD,      /* listen only, as what follows */
    ENDPOINT_MUX,
};

enum endpoint_role {
    ENDPOINT_LISTEN,
    ENDPOINT_TARGET,
};

/* The longest name: a DNS name of 253 bytes. A Unix path is at most 107 bytes (sun_path with its
 * NUL). */
#define ENDPOINT_NAME_BYTES      256
#define ENDPOINT_UNIX_PATH_BYTES 108
#define ENDPOINT_TEXT_BYTES      (ENDPOINT_NAME_BYTES + 32)

/* The port that each initiator of a mux: listener asks for; printed as `*`. */
#define ENDPOINT_PORT_NAMED UINT32_MAX

/* In names of endpoints of a route: the name of each guest. */
#define ENDPOINT_GUEST_NAME "{name}"

struct endpoint {
    enum endpoint_kind kind;
    uint32_t port; /* tcp, vsock, vsock-mux, guest, machine */
    uint32_t cid;  /* vsock */
    int fd;        /* fd:N, else -1 */
    /* tcp: host without brackets ("*": all addresses), an IPv6 literal as inet_ntop(3) prints it;
     * unix, mux: the path, or '@' and the abstract name; vsock-mux: the path; guest, machine: its
     * name; fd:NAME: the name of the inherited socket */
    char name[ENDPOINT_NAME_BYTES];
};

#define ENDPOINT_ERROR_BYTES 512

/* Reads one endpoint. `role` decides what is allowed (the table in vsluice.conf(5)): no `any` CID,
 * no port 0, no `*` and no `fd:` as a target; ports that cannot be named (vsock 4294967295)
 * nowhere. Returns 0; or -EINVAL with a sentence in `error` that names the wrong part and what
 * would be right. */
int endpoint_parse(const char *text, enum endpoint_role role, struct endpoint *ret,
                   char error[static ENDPOINT_ERROR_BYTES]);

/* Reads an endpoint of a route, which may stand for many: ports FIRST-LAST, of which
 * *ret_port_count (else 1) follow each other from ret->port; as a target, the port `*`
 * (ENDPOINT_PORT_NAMED); `{name}` in a path and in the place of a guest's name. Errors as
 * endpoint_parse. */
#define ENDPOINT_PORTS_MAX 10000
int endpoint_of_route_parse(const char *text, enum endpoint_role role, struct endpoint *ret,
                            uint32_t *ret_port_count, char error[static ENDPOINT_ERROR_BYTES]);

/* Does an endpoint stand for one of each guest? */
bool endpoint_names_each(const struct endpoint *endpoint);

/* Puts the name of one in the place of `{name}`, wherever it stands. -ENAMETOOLONG: what comes out
 * is longer than such a name may be, and nothing was changed. */
int endpoint_name_one(struct endpoint *endpoint, const char *guest_name);

/* Does what listens there have a file? */
bool endpoint_has_file(const struct endpoint *endpoint);

/* Has an endpoint of this kind a port? */
bool endpoint_has_port(const struct endpoint *endpoint);

/* Reads the address of a guest, an endpoint without its port: vsock:CID (2 or more, `local` or
 * `host`), vsock-mux:/PATH or machine:NAME. The port of *ret is 0. Errors as endpoint_parse. */
int endpoint_guest_address_parse(const char *text, struct endpoint *ret,
                                 char error[static ENDPOINT_ERROR_BYTES]);

/* Does text begin with a kind and its colon, as every endpoint does? */
bool endpoint_kind_leads(const char *text);

/* Prints the one canonical form, which endpoint_parse reads back to an equal value. Returns the
 * length. */
size_t endpoint_format(const struct endpoint *endpoint, char text[static ENDPOINT_TEXT_BYTES]);

/* The same of the `count` endpoints whose ports follow each other: "tcp:127.0.0.1:8000-8009". */
size_t endpoint_format_ports(const struct endpoint *endpoint, uint32_t count,
                             char text[static ENDPOINT_TEXT_BYTES]);

/* Prints an endpoint as written and, where it names a guest, what it was resolved to:
 * `guest:web1:80 (vsock:3:80)`; of `count` ports that follow each other. Returns the length. */
#define ENDPOINT_PAIR_TEXT_BYTES (2 * ENDPOINT_TEXT_BYTES + 4)
size_t endpoint_pair_format(const struct endpoint *written, const struct endpoint *resolved,
                            uint32_t count, char text[static ENDPOINT_PAIR_TEXT_BYTES]);

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);

/* Do two listen endpoints claim the same address? Port 0 collides with nothing; `*` collides with
 * every TCP address of its port, 0.0.0.0 and [::] with every literal of their family, `any` with
 * every CID of its port; vsock-mux:/P:N with unix:/P_N. What a host name stands for is not known
 * here. */
bool endpoint_collides(const struct endpoint *a, const struct endpoint *b);

/* Those of endpoints that collide are equal, and those of most others are not. */
uint64_t endpoint_claim(const struct endpoint *endpoint);

/* Who may connect to a route: the words of `allow` and `deny`, and whether they hold for somebody
 * who did. Plain values and pure functions: asks no socket. Names of users and groups are looked up
 * when a word is read.
 */
#pragma once

#include "config/address.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Each is for the initiators of one transport. */
enum access_kind {
    ACCESS_ADDRESS, /* TCP */
    ACCESS_UID,     /* Unix, as the next */
    ACCESS_GID,
    ACCESS_CID, /* vsock */
};

struct access_rule {
    enum access_kind kind;
    unsigned line; /* of the word, for whoever read it */
    union {
        struct {
            struct in6_addr network; /* of IPv4: mapped, and more than 96 bits or as many */
            unsigned network_bits;
        };
        uint32_t id; /* of a user or group */
        struct {
            uint32_t cid; /* VSOCK_CID_ANY: each */
            uint32_t port_first;
            uint32_t port_last;
        };
    };
};

struct access_list {
    struct access_rule *rules;
    size_t count;
};

/* Who connected: of the members below, those of its transport. */
struct access_peer {
    enum transport transport;
    struct in6_addr address; /* TCP; of IPv4: mapped */
    uint32_t cid;            /* vsock */
    uint32_t port;
    uid_t uid; /* Unix */
    gid_t gid;
    const gid_t *groups; /* supplementary */
    size_t group_count;
};

#define ACCESS_ERROR_BYTES 512
#define ACCESS_TEXT_BYTES  64

/* Reads a word: ADDRESS, ADDRESS/BITS, uid:USER, gid:GROUP, cid:CID, cid:CID:PORT or
 * cid:CID:FIRST-LAST. Its line is 0. Returns 0; -EINVAL with a sentence in `error`; -ENOMEM. */
int access_parse(const char *word, struct access_rule *ret, char error[static ACCESS_ERROR_BYTES]);

/* As access_parse() reads it, users and groups as numbers. Returns the length. */
size_t access_format(const struct access_rule *rule, char text[static ACCESS_TEXT_BYTES]);

enum transport access_transport(const struct access_rule *rule);

/* A TCP or vsock peer by its address. False: it is neither. */
bool access_peer_of_address(const struct address *address, struct access_peer *ret);

/* Is there a word for groups in the list? */
bool access_asks_groups(const struct access_list *list);

/* May it connect? `deny` is looked at first; then, where `allow` holds anything, only who is in it
 * may. */
bool access_grants(const struct access_list *allow, const struct access_list *deny,
                   const struct access_peer *peer);

/* Words and peers. IPv4 is IPv6 that is mapped (::ffff:0:0/96), in words and in peers. */
#include "config/access.h"

#include "config/owner.h"
#include "vsock/vsock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IPV4_BITS   32
#define IPV6_BITS   128
#define MAPPED_BITS (IPV6_BITS - IPV4_BITS)

static void map(const void *ipv4, struct in6_addr *ret)
{
    *ret = (struct in6_addr){.s6_addr = {[10] = 0xff, [11] = 0xff}};
    memcpy(&ret->s6_addr[12], ipv4, 4);
}

static bool is_ipv4(const struct in6_addr *address)
{
    return IN6_IS_ADDR_V4MAPPED(address);
}

/* The number that the whole of `text` is; false: none, or more than max. */
static bool number_read(const char *text, size_t length, uint32_t max, uint32_t *ret)
{
    unsigned long long number = 0;

    if (length == 0 || length > 10 || strspn(text, "0123456789") < length)
        return false;
    for (size_t i = 0; i < length; i++)
        number = number * 10 + (unsigned)(text[i] - '0');
    *ret = (uint32_t)number;
    return number <= max;
}

/* The network that an address of so many bits is in. */
static struct in6_addr network_of(const struct in6_addr *address, unsigned bits)
{
    struct in6_addr network = {0};

    memcpy(&network, address, bits / 8);
    if (bits % 8)
        network.s6_addr[bits / 8] = (uint8_t)(address->s6_addr[bits / 8] & (0xff00 >> bits % 8));
    return network;
}

static void network_format(const struct in6_addr *network, unsigned bits,
                           char text[static ACCESS_TEXT_BYTES])
{
    char host[INET6_ADDRSTRLEN];

    if (is_ipv4(network)) {
        inet_ntop(AF_INET, &network->s6_addr[12], host, sizeof(host));
        bits -= MAPPED_BITS;
    } else {
        inet_ntop(AF_INET6, network, host, sizeof(host));
    }
    if (bits == (is_ipv4(network) ? IPV4_BITS : IPV6_BITS))
        snprintf(text, ACCESS_TEXT_BYTES, "%s", host);
    else
        snprintf(text, ACCESS_TEXT_BYTES, "%s/%u", host, bits);
}

/* Of a whole address; false: it is none. */
static bool address_read(const char *text, struct access_rule *ret, unsigned *ret_bits_max)
{
    struct in_addr ipv4;

    if (inet_pton(AF_INET, text, &ipv4) == 1) {
        map(&ipv4, &ret->network);
        *ret_bits_max = IPV4_BITS;
        return true;
    }
    *ret_bits_max = IPV6_BITS;
    return inet_pton(AF_INET6, text, &ret->network) == 1;
}

static int network_parse(const char *word, struct access_rule *ret, char *error)
{
    char host[INET6_ADDRSTRLEN];
    size_t length = strcspn(word, "/");
    unsigned bits_max;
    uint32_t bits;

    snprintf(host, sizeof(host), "%.*s", (int)length, word);
    if (length >= sizeof(host) || !address_read(host, ret, &bits_max)) {
        snprintf(error, ACCESS_ERROR_BYTES,
                 "'%.200s' is no address, and begins with none of 'uid:', 'gid:' and 'cid:'; write "
                 "one such as '10.0.0.0/8', '::1', 'uid:USER', 'gid:GROUP' or 'cid:CID'",
                 word);
        return -EINVAL;
    }
    bits = bits_max;
    if (word[length] &&
        !number_read(word + length + 1, strlen(word + length + 1), bits_max, &bits)) {
        snprintf(error, ACCESS_ERROR_BYTES,
                 "'%.100s' in '%.200s' is no length of a prefix; give a number from 0 to %u",
                 word + length + 1, word, bits_max);
        return -EINVAL;
    }
    ret->kind = ACCESS_ADDRESS;
    ret->network_bits = bits + (bits_max == IPV4_BITS ? MAPPED_BITS : 0);
    struct in6_addr network = network_of(&ret->network, ret->network_bits);
    if (memcmp(&network, &ret->network, sizeof(network)) != 0) {
        char right[ACCESS_TEXT_BYTES];
        network_format(&network, ret->network_bits, right);
        snprintf(error, ACCESS_ERROR_BYTES,
                 "'%s' has bits behind its prefix; write '%s' for the network, or '%s' for the one "
                 "address",
                 word, right, host);
        return -EINVAL;
    }
    return 0;
}

static int ports_parse(const char *word, const char *ports, struct access_rule *ret, char *error)
{
    size_t length = strcspn(ports, "-");
    const char *last = ports[length] ? ports + length + 1 : ports;

    if (number_read(ports, length, VSOCK_PORT_ANY - 1, &ret->port_first) &&
        number_read(last, strlen(last), VSOCK_PORT_ANY - 1, &ret->port_last) &&
        ret->port_first <= ret->port_last)
        return 0;
    snprintf(error, ACCESS_ERROR_BYTES,
             "'%.100s' in '%.200s' are no ports; give one, or FIRST-LAST, from 0 to 4294967294",
             ports, word);
    return -EINVAL;
}

static int cid_parse(const char *word, const char *cid, struct access_rule *ret, char *error)
{
    struct vsock_address address;
    char text[64];
    size_t length = strcspn(cid, ":");

    if (length == 0 || *cid == '/' ||
        snprintf(text, sizeof(text), "vsock:%.*s:0", (int)length, cid) >= (int)sizeof(text) ||
        vsock_address_parse(text, &address, NULL) < 0) {
        snprintf(error, ACCESS_ERROR_BYTES,
                 "'%.*s' in '%.200s' is no CID; give a number, 'any', 'local', 'host' or "
                 "'hypervisor'",
                 length < 100 ? (int)length : 100, cid, word);
        return -EINVAL;
    }
    ret->kind = ACCESS_CID;
    ret->cid = address.cid;
    ret->port_first = 0;
    ret->port_last = VSOCK_PORT_ANY;
    return cid[length] ? ports_parse(word, cid + length + 1, ret, error) : 0;
}

static int id_parse(const char *id, enum access_kind kind, struct access_rule *ret, char *error)
{
    ret->kind = kind;
    return kind == ACCESS_UID ? owner_user_parse(id, &ret->id, error)
                              : owner_group_parse(id, &ret->id, error);
}

int access_parse(const char *word, struct access_rule *ret, char error[static ACCESS_ERROR_BYTES])
{
    struct access_rule rule = {0};
    int r;

    if (strncmp(word, "uid:", 4) == 0)
        r = id_parse(word + 4, ACCESS_UID, &rule, error);
    else if (strncmp(word, "gid:", 4) == 0)
        r = id_parse(word + 4, ACCESS_GID, &rule, error);
    else if (strncmp(word, "cid:", 4) == 0)
        r = cid_parse(word, word + 4, &rule, error);
    else
        r = network_parse(word, &rule, error);
    if (r == 0)
        *ret = rule;
    return r;
}

static void cid_format(const struct access_rule *rule, char text[static ACCESS_TEXT_BYTES])
{
    char cid[16] = "any";

    if (rule->cid != VSOCK_CID_ANY)
        snprintf(cid, sizeof(cid), "%" PRIu32, rule->cid);
    if (rule->port_last == VSOCK_PORT_ANY)
        snprintf(text, ACCESS_TEXT_BYTES, "cid:%s", cid);
    else if (rule->port_first == rule->port_last)
        snprintf(text, ACCESS_TEXT_BYTES, "cid:%s:%" PRIu32, cid, rule->port_first);
    else
        snprintf(text, ACCESS_TEXT_BYTES, "cid:%s:%" PRIu32 "-%" PRIu32, cid, rule->port_first,
                 rule->port_last);
}

size_t access_format(const struct access_rule *rule, char text[static ACCESS_TEXT_BYTES])
{
    switch (rule->kind) {
    case ACCESS_ADDRESS: network_format(&rule->network, rule->network_bits, text); break;
    case ACCESS_UID: snprintf(text, ACCESS_TEXT_BYTES, "uid:%" PRIu32, rule->id); break;
    case ACCESS_GID: snprintf(text, ACCESS_TEXT_BYTES, "gid:%" PRIu32, rule->id); break;
    case ACCESS_CID: cid_format(rule, text); break;
    }
    return strlen(text);
}

enum transport access_transport(const struct access_rule *rule)
{
    switch (rule->kind) {
    case ACCESS_UID:
    case ACCESS_GID: return TRANSPORT_UNIX;
    case ACCESS_CID: return TRANSPORT_VSOCK;
    default: return TRANSPORT_TCP;
    }
}

bool access_peer_of_address(const struct address *address, struct access_peer *ret)
{
    const struct sockaddr_storage *storage = &address->storage;
    struct access_peer peer = {.transport = address_transport(address)};

    switch (storage->ss_family) {
    case AF_INET: map(&((const struct sockaddr_in *)storage)->sin_addr, &peer.address); break;
    case AF_INET6: peer.address = ((const struct sockaddr_in6 *)storage)->sin6_addr; break;
    case AF_VSOCK:
        peer.cid = ((const struct sockaddr_vm *)storage)->svm_cid;
        peer.port = ((const struct sockaddr_vm *)storage)->svm_port;
        break;
    default: return false;
    }
    *ret = peer;
    return true;
}

bool access_asks_groups(const struct access_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->rules[i].kind == ACCESS_GID)
            return true;
    }
    return false;
}

static bool is_in_network(const struct access_rule *rule, const struct in6_addr *address)
{
    struct in6_addr network = network_of(address, rule->network_bits);

    return is_ipv4(address) == is_ipv4(&rule->network) &&
           memcmp(&network, &rule->network, sizeof(network)) == 0;
}

static bool is_of_group(const struct access_peer *peer, gid_t group)
{
    for (size_t i = 0; i < peer->group_count; i++) {
        if (peer->groups[i] == group)
            return true;
    }
    return peer->gid == group;
}

static bool rule_holds(const struct access_rule *rule, const struct access_peer *peer)
{
    if (access_transport(rule) != peer->transport)
        return false;
    switch (rule->kind) {
    case ACCESS_ADDRESS: return is_in_network(rule, &peer->address);
    case ACCESS_UID: return peer->uid == rule->id;
    case ACCESS_GID: return is_of_group(peer, rule->id);
    default:
        return (rule->cid == VSOCK_CID_ANY || rule->cid == peer->cid) &&
               peer->port >= rule->port_first && peer->port <= rule->port_last;
    }
}

static bool list_holds(const struct access_list *list, const struct access_peer *peer)
{
    for (size_t i = 0; i < list->count; i++) {
        if (rule_holds(&list->rules[i], peer))
            return true;
    }
    return false;
}

bool access_grants(const struct access_list *allow, const struct access_list *deny,
                   const struct access_peer *peer)
{
    return !list_holds(deny, peer) && (allow->count == 0 || list_holds(allow, peer));
}

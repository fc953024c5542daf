/* Reading and writing PROXY headers. */
#include "proxy/proxy_header.h"

#include "proxy/crc32c.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static const char v1_signature[] = "PROXY ";
static const char v2_signature[] = "\r\n\r\n\0\r\nQUIT\n";

#define V1_SIGNATURE_BYTES (sizeof(v1_signature) - 1)
#define V2_SIGNATURE_BYTES (sizeof(v2_signature) - 1)
#define V2_FIXED_BYTES     (V2_SIGNATURE_BYTES + 4)
#define TLV_FIXED_BYTES    3

enum {
    COMMAND_LOCAL = 0x20, /* with the version */
    COMMAND_PROXY = 0x21,
};

enum {
    FAMILY_UNSPEC = 0x00,
    FAMILY_TCP4 = 0x11,
    FAMILY_UDP4 = 0x12,
    FAMILY_TCP6 = 0x21,
    FAMILY_UDP6 = 0x22,
    FAMILY_UNIX = 0x31,
    FAMILY_UNIX_DATAGRAM = 0x32,
};

/* The second and all behind it: of the private range, 0xE0 to 0xEF. */
enum {
    TLV_CRC32C = 0x03,
    TLV_SOURCE_CID = 0xE0,
    TLV_SOURCE_PORT = 0xE1,
    TLV_DESTINATION_CID = 0xE2,
    TLV_DESTINATION_PORT = 0xE3,
    TLV_ROUTE = 0xE4,
};

#define UNIX_BYTES 108

/* ---- Version 1 ---- */

static bool port_read(const char *text, in_port_t *ret)
{
    size_t length = strlen(text);
    unsigned port = 0;

    if (length == 0 || length > 5 || (text[0] == '0' && length > 1))
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        port = port * 10 + (unsigned)(*text - '0');
    }
    *ret = htons((uint16_t)port);
    return port <= UINT16_MAX;
}

static bool inet_read(int family, const char *host, const char *port, struct address *ret)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&ret->storage;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->storage;

    *ret = (struct address){.storage.ss_family = (sa_family_t)family};
    ret->length = family == AF_INET ? sizeof(*in) : sizeof(*in6);
    return family == AF_INET
               ? inet_pton(family, host, &in->sin_addr) == 1 && port_read(port, &in->sin_port)
               : inet_pton(family, host, &in6->sin6_addr) == 1 && port_read(port, &in6->sin6_port);
}

/* "TCP4 192.0.2.1 192.0.2.2 1024 80", with exactly these blanks. */
static bool line_read(char *line, struct proxy_header *ret)
{
    char *words[5];

    for (size_t i = 0; i < 5; i++) {
        words[i] = strsep(&line, " ");
        if (!words[i])
            return false;
    }
    int family = strcmp(words[0], "TCP4") == 0   ? AF_INET
                 : strcmp(words[0], "TCP6") == 0 ? AF_INET6
                                                 : AF_UNSPEC;
    return !line && family != AF_UNSPEC && inet_read(family, words[1], words[3], &ret->source) &&
           inet_read(family, words[2], words[4], &ret->destination);
}

/* What stands behind UNKNOWN is to be ignored. */
static bool is_unknown(const char *line, size_t length)
{
    static const char unknown[] = "UNKNOWN";
    size_t own = sizeof(unknown) - 1;

    return length >= own && memcmp(line, unknown, own) == 0 && (length == own || line[own] == ' ');
}

static int v1_parse(const char *bytes, size_t length, struct proxy_header *ret)
{
    size_t seen = length < PROXY_HEADER_V1_BYTES_MAX ? length : PROXY_HEADER_V1_BYTES_MAX;
    const char *end = memmem(bytes, seen, "\r\n", 2);
    struct proxy_header header = {0};
    char line[PROXY_HEADER_V1_BYTES_MAX];

    if (!end)
        return length < PROXY_HEADER_V1_BYTES_MAX ? 0 : -EPROTO;
    size_t line_length = (size_t)(end - bytes) - V1_SIGNATURE_BYTES;
    memcpy(line, bytes + V1_SIGNATURE_BYTES, line_length);
    line[line_length] = '\0';
    if (!is_unknown(line, line_length) &&
        (strlen(line) != line_length || !line_read(line, &header)))
        return -EPROTO;
    *ret = header;
    return (int)(end - bytes) + 2;
}

/* ---- Version 2 ---- */

static uint16_t get16(const char *bytes)
{
    uint16_t value;

    memcpy(&value, bytes, sizeof(value));
    return ntohs(value);
}

/* What the addresses take; -1: there is no such family. */
static int address_bytes(unsigned family)
{
    switch (family) {
    case FAMILY_UNSPEC: return 0;
    case FAMILY_TCP4:
    case FAMILY_UDP4: return 12;
    case FAMILY_TCP6:
    case FAMILY_UDP6: return 36;
    case FAMILY_UNIX:
    case FAMILY_UNIX_DATAGRAM: return 2 * UNIX_BYTES;
    default: return -1;
    }
}

static void inet_get(const char *host, const char *port, struct address *ret)
{
    struct sockaddr_in in = {.sin_family = AF_INET};

    memcpy(&in.sin_addr, host, 4);
    memcpy(&in.sin_port, port, 2);
    *ret = (struct address){.length = sizeof(in)};
    memcpy(&ret->storage, &in, sizeof(in));
}

static void inet6_get(const char *host, const char *port, struct address *ret)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

    memcpy(&in6.sin6_addr, host, 16);
    memcpy(&in6.sin6_port, port, 2);
    *ret = (struct address){.length = sizeof(in6)};
    memcpy(&ret->storage, &in6, sizeof(in6));
}

/* A path ends before its first NUL; an abstract name, which begins with one, before those that fill
 * the field. */
static void unix_get(const char *name, struct address *ret)
{
    struct sockaddr_un sun = {.sun_family = AF_UNIX};
    size_t length = UNIX_BYTES;

    if (name[0])
        length = strnlen(name, UNIX_BYTES - 1) + 1;
    while (!name[0] && length > 0 && !name[length - 1])
        length--;
    memcpy(sun.sun_path, name, length);
    *ret = (struct address){
        .length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length),
    };
    memcpy(&ret->storage, &sun, sizeof(sun));
}

static void addresses_get(unsigned family, const char *bytes, struct proxy_header *ret)
{
    switch (family) {
    case FAMILY_TCP4:
        inet_get(bytes, bytes + 8, &ret->source);
        inet_get(bytes + 4, bytes + 10, &ret->destination);
        break;
    case FAMILY_TCP6:
        inet6_get(bytes, bytes + 32, &ret->source);
        inet6_get(bytes + 16, bytes + 34, &ret->destination);
        break;
    case FAMILY_UNIX:
        unix_get(bytes, &ret->source);
        unix_get(bytes + UNIX_BYTES, &ret->destination);
        break;
    default: break;
    }
}

/* The numbers of vsock addresses, in the order of their TLVs. */
struct vsock_numbers {
    uint32_t value[TLV_ROUTE - TLV_SOURCE_CID];
    bool told[TLV_ROUTE - TLV_SOURCE_CID];
};

/* false: they do not fill `length` bytes. */
static bool tlvs_read(const char *bytes, size_t length, struct vsock_numbers *ret)
{
    while (length >= TLV_FIXED_BYTES) {
        unsigned type = (unsigned char)bytes[0];
        size_t value_bytes = get16(bytes + 1);
        size_t whole = TLV_FIXED_BYTES + value_bytes;
        if (whole > length)
            return false;
        if (type >= TLV_SOURCE_CID && type < TLV_ROUTE && value_bytes == sizeof(uint32_t)) {
            uint32_t value;
            memcpy(&value, bytes + TLV_FIXED_BYTES, sizeof(value));
            ret->value[type - TLV_SOURCE_CID] = ntohl(value);
            ret->told[type - TLV_SOURCE_CID] = true;
        }
        bytes += whole;
        length -= whole;
    }
    return length == 0;
}

/* Over the whole header, its own value as zeros. */
static uint32_t header_crc(const char *header, size_t length, const char *value)
{
    static const char zeros[sizeof(uint32_t)];
    const char *behind = value + sizeof(zeros);
    uint32_t crc = crc32c(0, header, (size_t)(value - header));

    crc = crc32c(crc, zeros, sizeof(zeros));
    return crc32c(crc, behind, (size_t)(header + length - behind));
}

/* Of TLVs that fill the header from `at` on: does each CRC32c among them hold? */
static bool crc_holds(const char *header, size_t length, size_t at)
{
    while (at < length) {
        size_t value_bytes = get16(header + at + 1);
        const char *value = header + at + TLV_FIXED_BYTES;
        if (header[at] == TLV_CRC32C) {
            uint32_t told;
            if (value_bytes != sizeof(told))
                return false;
            memcpy(&told, value, sizeof(told));
            if (ntohl(told) != header_crc(header, length, value))
                return false;
        }
        at += TLV_FIXED_BYTES + value_bytes;
    }
    return true;
}

static void vsock_get(const struct vsock_numbers *numbers, unsigned first, struct address *ret)
{
    struct sockaddr_vm svm = {
        .svm_family = AF_VSOCK,
        .svm_cid = numbers->value[first],
        .svm_port = numbers->value[first + 1],
    };

    if (!numbers->told[first] || !numbers->told[first + 1])
        return;
    *ret = (struct address){.length = sizeof(svm)};
    memcpy(&ret->storage, &svm, sizeof(svm));
}

static int v2_parse(const char *bytes, size_t length, struct proxy_header *ret)
{
    struct vsock_numbers numbers = {0};
    struct proxy_header header = {0};
    unsigned command = length > 12 ? (unsigned char)bytes[12] : COMMAND_PROXY;
    unsigned family = length > 13 ? (unsigned char)bytes[13] : FAMILY_UNSPEC;
    int addresses = command == COMMAND_LOCAL ? 0 : address_bytes(family);

    if ((command != COMMAND_LOCAL && command != COMMAND_PROXY) || addresses < 0)
        return -EPROTO;
    if (length < V2_FIXED_BYTES)
        return 0;
    size_t rest = get16(bytes + 14);
    if (rest < (size_t)addresses || rest > PROXY_HEADER_BYTES_MAX - V2_FIXED_BYTES)
        return -EPROTO;
    if (length < V2_FIXED_BYTES + rest)
        return 0;
    if (command == COMMAND_PROXY) {
        const char *at = bytes + V2_FIXED_BYTES;
        bool well = tlvs_read(at + addresses, rest - (size_t)addresses, &numbers);
        if (!well && family != FAMILY_UNSPEC)
            return -EPROTO;
        if (well && !crc_holds(bytes, V2_FIXED_BYTES + rest, V2_FIXED_BYTES + (size_t)addresses))
            return -EBADMSG;
        addresses_get(family, at, &header);
        if (well && family == FAMILY_UNSPEC) {
            vsock_get(&numbers, 0, &header.source);
            vsock_get(&numbers, 2, &header.destination);
        }
    }
    *ret = header;
    return (int)(V2_FIXED_BYTES + rest);
}

static bool begins(const char *bytes, size_t length, const char *signature, size_t signature_bytes)
{
    return memcmp(bytes, signature, length < signature_bytes ? length : signature_bytes) == 0;
}

int proxy_header_parse(const char *bytes, size_t length, struct proxy_header *ret)
{
    if (begins(bytes, length, v1_signature, V1_SIGNATURE_BYTES))
        return v1_parse(bytes, length, ret);
    if (begins(bytes, length, v2_signature, V2_SIGNATURE_BYTES))
        return v2_parse(bytes, length, ret);
    return -EPROTO;
}

/* ---- Writing ---- */

static bool is_of(const struct address *address, sa_family_t family, size_t bytes)
{
    return address->length >= bytes && address->storage.ss_family == family;
}

static bool are_of(const struct proxy_header *header, sa_family_t family, size_t bytes)
{
    return is_of(&header->source, family, bytes) && is_of(&header->destination, family, bytes);
}

static const struct sockaddr_in6 *in6_of(const struct address *address)
{
    return (const struct sockaddr_in6 *)&address->storage;
}

static bool is_mapped(const struct address *address)
{
    return is_of(address, AF_INET6, sizeof(struct sockaddr_in6)) &&
           IN6_IS_ADDR_V4MAPPED(&in6_of(address)->sin6_addr);
}

static void unmap(struct address *address)
{
    const struct sockaddr_in6 in6 = *in6_of(address);

    inet_get((const char *)&in6.sin6_addr + 12, (const char *)&in6.sin6_port, address);
}

/* As a dual-stack socket has IPv4 connections. */
static struct proxy_header unmapped(const struct proxy_header *header)
{
    struct proxy_header ret = *header;

    if (is_mapped(&ret.source) && is_mapped(&ret.destination)) {
        unmap(&ret.source);
        unmap(&ret.destination);
    }
    return ret;
}

size_t proxy_header_format_v1(const struct proxy_header *header,
                              char bytes[static PROXY_HEADER_V1_BYTES_MAX])
{
    struct proxy_header told = unmapped(header);
    const struct sockaddr_in *source = (const struct sockaddr_in *)&told.source.storage;
    const struct sockaddr_in *destination = (const struct sockaddr_in *)&told.destination.storage;
    char text[PROXY_HEADER_V1_BYTES_MAX + 1];
    char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
    int length;

    if (are_of(&told, AF_INET, sizeof(struct sockaddr_in))) {
        inet_ntop(AF_INET, &source->sin_addr, from, sizeof(from));
        inet_ntop(AF_INET, &destination->sin_addr, to, sizeof(to));
        length = snprintf(text, sizeof(text), "PROXY TCP4 %s %s %u %u\r\n", from, to,
                          ntohs(source->sin_port), ntohs(destination->sin_port));
    } else if (are_of(&told, AF_INET6, sizeof(struct sockaddr_in6))) {
        inet_ntop(AF_INET6, &in6_of(&told.source)->sin6_addr, from, sizeof(from));
        inet_ntop(AF_INET6, &in6_of(&told.destination)->sin6_addr, to, sizeof(to));
        length = snprintf(text, sizeof(text), "PROXY TCP6 %s %s %u %u\r\n", from, to,
                          ntohs(in6_of(&told.source)->sin6_port),
                          ntohs(in6_of(&told.destination)->sin6_port));
    } else {
        length = snprintf(text, sizeof(text), "PROXY UNKNOWN\r\n");
    }
    memcpy(bytes, text, (size_t)length);
    return (size_t)length;
}

/* Each puts something at `at`, and returns what is behind it. */
static char *put(char *at, const void *value, size_t bytes)
{
    memcpy(at, value, bytes);
    return at + bytes;
}

static char *put_unix(char *at, const struct address *address)
{
    const struct sockaddr_un *sun = (const struct sockaddr_un *)&address->storage;
    size_t length = address->length - offsetof(struct sockaddr_un, sun_path);

    memset(at, 0, UNIX_BYTES);
    memcpy(at, sun->sun_path, length < UNIX_BYTES ? length : UNIX_BYTES);
    return at + UNIX_BYTES;
}

static char *put_tlv(char *at, unsigned type, const void *value, size_t bytes)
{
    *at++ = (char)type;
    at = put(at, &(uint16_t){htons((uint16_t)bytes)}, sizeof(uint16_t));
    return put(at, value, bytes);
}

static char *put_vsock(char *at, unsigned first, const struct address *address)
{
    const struct sockaddr_vm *svm = (const struct sockaddr_vm *)&address->storage;
    uint32_t cid = htonl(svm->svm_cid);
    uint32_t port = htonl(svm->svm_port);

    if (!is_of(address, AF_VSOCK, sizeof(*svm)))
        return at;
    at = put_tlv(at, first, &cid, sizeof(cid));
    return put_tlv(at, first + 1, &port, sizeof(port));
}

static unsigned family_of(const struct proxy_header *header)
{
    if (are_of(header, AF_INET, sizeof(struct sockaddr_in)))
        return FAMILY_TCP4;
    if (are_of(header, AF_INET6, sizeof(struct sockaddr_in6)))
        return FAMILY_TCP6;
    if (are_of(header, AF_UNIX, offsetof(struct sockaddr_un, sun_path)))
        return FAMILY_UNIX;
    return FAMILY_UNSPEC;
}

static char *put_addresses(char *at, unsigned family, const struct proxy_header *header)
{
    const struct sockaddr_in *source = (const struct sockaddr_in *)&header->source.storage;
    const struct sockaddr_in *destination =
        (const struct sockaddr_in *)&header->destination.storage;

    switch (family) {
    case FAMILY_TCP4:
        at = put(at, &source->sin_addr, 4);
        at = put(at, &destination->sin_addr, 4);
        at = put(at, &source->sin_port, 2);
        return put(at, &destination->sin_port, 2);
    case FAMILY_TCP6:
        at = put(at, &in6_of(&header->source)->sin6_addr, 16);
        at = put(at, &in6_of(&header->destination)->sin6_addr, 16);
        at = put(at, &in6_of(&header->source)->sin6_port, 2);
        return put(at, &in6_of(&header->destination)->sin6_port, 2);
    case FAMILY_UNIX: return put_unix(put_unix(at, &header->source), &header->destination);
    default:
        at = put_vsock(at, TLV_SOURCE_CID, &header->source);
        return put_vsock(at, TLV_DESTINATION_CID, &header->destination);
    }
}

size_t proxy_header_format_v2(const struct proxy_header *header, const char *route,
                              char bytes[static PROXY_HEADER_BYTES_MAX])
{
    struct proxy_header told = unmapped(header);
    unsigned family = family_of(&told);
    char *at = put(bytes, v2_signature, V2_SIGNATURE_BYTES);
    uint32_t crc = 0;

    *at++ = (char)COMMAND_PROXY;
    *at++ = (char)family;
    char *length = at;
    at = put_addresses(at + sizeof(uint16_t), family, &told);
    at = put_tlv(at, TLV_ROUTE, route, strnlen(route, UINT8_MAX));
    at = put_tlv(at, TLV_CRC32C, &crc, sizeof(crc));
    put(length, &(uint16_t){htons((uint16_t)(at - length - 2))}, sizeof(uint16_t));
    crc = htonl(crc32c(0, bytes, (size_t)(at - bytes)));
    put(at - sizeof(crc), &crc, sizeof(crc));
    return (size_t)(at - bytes);
}

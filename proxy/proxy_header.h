/* The PROXY protocol (HAProxy's proxy-protocol.txt), versions 1 and 2: what is told of a connection
 * before its first byte, by whoever hands it on. docs/proxy-protocol.md has what is ours in it.
 *
 * Pure text: opens no socket, keeps nothing.
 */
#pragma once

#include "config/address.h"

#include <stddef.h>

#define PROXY_HEADER_V1_BYTES_MAX 107 /* the longest line */
#define PROXY_HEADER_BYTES_MAX \
    536 /* as many as come in one piece everywhere; ours have at most 497 */

/* Both of TCP, of Unix, or one or two of vsock. length 0: not told. */
struct proxy_header {
    struct address source;
    struct address destination;
};

/* What `length` bytes say. The length of the whole header, of either version; 0: there is more to
 * come; -EPROTO: no header can come of it; -EBADMSG: its CRC32c is another one. Where it leaves
 * open who is connected (LOCAL, UNKNOWN, UDP, families of others) both addresses have length 0. */
int proxy_header_parse(const char *bytes, size_t length, struct proxy_header *ret);

/* Return the length. What version 1 has no words for is UNKNOWN; version 2 tells it as AF_UNSPEC.
 * IPv4 addresses in IPv6 ones are told as IPv4. `route` is cut to 255 bytes. */
size_t proxy_header_format_v1(const struct proxy_header *header,
                              char bytes[static PROXY_HEADER_V1_BYTES_MAX]);
size_t proxy_header_format_v2(const struct proxy_header *header, const char *route,
                              char bytes[static PROXY_HEADER_BYTES_MAX]);

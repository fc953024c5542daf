/* The HOST of tcp:HOST:PORT: literals and names. Resolves nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Reads the IPv6 literal between brackets, with a zone (`fe80::1%eth0`) or without, and writes the
 * one form that inet_ntop(3) prints, the zone kept. Returns 0; -EINVAL: not of that form. */
int host_ipv6_parse(const char *text, size_t length, char *ret_host, size_t host_bytes);

/* An IPv4 literal. */
bool host_ipv4_valid(const char *host);

/* Digits and dots only: no name, an IPv4 literal or nothing. */
bool host_ipv4_like(const char *host);

/* A DNS name: labels of 1 to 63 letters, digits, '-' and '_', at most 253 bytes, a final dot
 * allowed. */
bool host_name_valid(const char *host);

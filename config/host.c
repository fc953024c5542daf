/* Host literals and the syntax of host names. */
#include "config/host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#define HOST_NAME_BYTES_MAX  253
#define HOST_LABEL_BYTES_MAX 63

static bool zone_valid(const char *zone, size_t length)
{
    if (length == 0 || length >= IF_NAMESIZE)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (zone[i] <= ' ' || zone[i] == 0x7f || strchr("/%[]", zone[i]))
            return false;
    }
    return true;
}

int host_ipv6_parse(const char *text, size_t length, char *ret_host, size_t host_bytes)
{
    char literal[INET6_ADDRSTRLEN];
    struct in6_addr address;
    const char *percent = memchr(text, '%', length);
    size_t literal_length = percent ? (size_t)(percent - text) : length;
    size_t zone_length = length - literal_length;

    if (literal_length >= sizeof(literal))
        return -EINVAL;
    memcpy(literal, text, literal_length);
    literal[literal_length] = '\0';
    if (inet_pton(AF_INET6, literal, &address) != 1)
        return -EINVAL;
    if (percent && !zone_valid(percent + 1, zone_length - 1))
        return -EINVAL;

    inet_ntop(AF_INET6, &address, literal, sizeof(literal));
    snprintf(ret_host, host_bytes, "%s%.*s", literal, (int)zone_length, percent ? percent : "");
    return 0;
}

bool host_ipv4_valid(const char *host)
{
    struct in_addr address;

    return inet_pton(AF_INET, host, &address) == 1;
}

bool host_ipv4_like(const char *host)
{
    return *host && host[strspn(host, "0123456789.")] == '\0';
}

static bool label_valid(const char *label, size_t length)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";

    if (length == 0 || length > HOST_LABEL_BYTES_MAX)
        return false;
    return strspn(label, allowed) >= length && label[0] != '-' && label[length - 1] != '-';
}

bool host_name_valid(const char *host)
{
    size_t length = strlen(host);

    if (length > 1 && host[length - 1] == '.')
        length--;
    if (length == 0 || length > HOST_NAME_BYTES_MAX)
        return false;
    const char *label = host;
    while (label < host + length) {
        size_t label_length = strcspn(label, ".");
        if (!label_valid(label, label_length))
            return false;
        label += label_length + 1;
    }
    return label == host + length + 1; /* else an empty label stands before the final dot */
}

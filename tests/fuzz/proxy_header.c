/* Any bytes as a PROXY header: they read as a plain reading of the specification says, however they
 * come in pieces, and what was read is written and read again as the same.
 */
#include "proxy/proxy_header.h"

#include "tests/fuzz/fuzz.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <regex.h>
#include <string.h>

#define FIELD "[^ ]*"
#define PORT  "(0|[1-9][0-9]{0,4})"

static const char grammar[] = "^PROXY TCP(4|6) (" FIELD ") (" FIELD ") " PORT " " PORT "$";

/* The parenthesized parts of the grammar. */
enum {
    VERSION = 1,
    SOURCE = 2,
    DESTINATION = 3,
    SOURCE_PORT = 4,
    DESTINATION_PORT = 5,
    PARTS = 6,
};

static regex_t form;

static bool host_reads(const char *line, const regmatch_t *part, int family)
{
    unsigned char bytes[16];
    char text[128] = "";
    size_t length = (size_t)(part->rm_eo - part->rm_so);

    memcpy(text, line + part->rm_so, length);
    return inet_pton(family, text, bytes) == 1;
}

static bool line_reads(const char *line)
{
    regmatch_t part[PARTS];

    if (regexec(&form, line, PARTS, part, 0) != 0)
        return false;
    int family = line[part[VERSION].rm_so] == '4' ? AF_INET : AF_INET6;
    return host_reads(line, &part[SOURCE], family) &&
           host_reads(line, &part[DESTINATION], family) &&
           strtoul(line + part[SOURCE_PORT].rm_so, NULL, 10) <= 65535 &&
           strtoul(line + part[DESTINATION_PORT].rm_so, NULL, 10) <= 65535;
}

/* Of bytes that begin as a line does. */
static int line_expected(const char *bytes, size_t length)
{
    char line[PROXY_HEADER_V1_BYTES_MAX + 1];

    for (size_t i = 0; i + 1 < length && i + 2 <= PROXY_HEADER_V1_BYTES_MAX; i++) {
        if (bytes[i] != '\r' || bytes[i + 1] != '\n')
            continue;
        memcpy(line, bytes, i);
        line[i] = '\0';
        bool reads = strlen(line) == i && (strcmp(line, "PROXY UNKNOWN") == 0 || line_reads(line));
        reads |= strncmp(line, "PROXY UNKNOWN ", 14) == 0;
        return reads ? (int)i + 2 : -EPROTO;
    }
    return length < PROXY_HEADER_V1_BYTES_MAX ? 0 : -EPROTO;
}

/* Do they fill the bytes? */
static bool tlvs_fill(const unsigned char *at, size_t length)
{
    while (length > 0) {
        if (length < 3 || length < 3U + at[1] * 256U + at[2])
            return false;
        size_t whole = 3U + at[1] * 256U + at[2];
        at += whole;
        length -= whole;
    }
    return true;
}

/* Bit by bit; the value at `zeros` counts as zeros. */
static uint32_t crc_of(const unsigned char *bytes, size_t length, size_t zeros)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < length; i++) {
        crc ^= i >= zeros && i < zeros + 4 ? 0 : bytes[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return ~crc;
}

static bool crc_holds(const unsigned char *bytes, size_t length, size_t at)
{
    for (; at < length; at += 3U + bytes[at + 1] * 256U + bytes[at + 2]) {
        if (bytes[at] != 3)
            continue;
        uint32_t crc = crc_of(bytes, length, at + 3);
        if (bytes[at + 1] != 0 || bytes[at + 2] != 4 || bytes[at + 3] != crc >> 24 ||
            bytes[at + 4] != (crc >> 16 & 255) || bytes[at + 5] != (crc >> 8 & 255) ||
            bytes[at + 6] != (crc & 255))
            return false;
    }
    return true;
}

/* Of bytes that begin as a block does. */
static int block_expected(const unsigned char *bytes, size_t length)
{
    static const short addresses[256] = {
        [0x11] = 12, [0x12] = 12, [0x21] = 36, [0x22] = 36, [0x31] = 216, [0x32] = 216,
    };

    if (length > 12 && bytes[12] != 0x20 && bytes[12] != 0x21)
        return -EPROTO;
    bool local = length > 12 && bytes[12] == 0x20;
    if (length > 13 && !local && bytes[13] != 0 && !addresses[bytes[13]])
        return -EPROTO;
    if (length < 16)
        return 0;
    size_t own = local ? 0 : (size_t)addresses[bytes[13]];
    size_t rest = bytes[14] * 256U + bytes[15];
    if (rest < own || 16 + rest > PROXY_HEADER_BYTES_MAX)
        return -EPROTO;
    if (length < 16 + rest)
        return 0;
    bool fill = tlvs_fill(bytes + 16 + own, rest - own);
    if (own > 0 && !fill)
        return -EPROTO;
    if (!local && fill && !crc_holds(bytes, 16 + rest, 16 + own))
        return -EBADMSG;
    return (int)(16 + rest);
}

static int expected(const char *bytes, size_t length)
{
    static const char line[] = "PROXY ", block[] = "\r\n\r\n\0\r\nQUIT\n";

    if (memcmp(bytes, line, length < 6 ? length : 6) == 0)
        return line_expected(bytes, length);
    if (memcmp(bytes, block, length < 12 ? length : 12) == 0)
        return block_expected((const unsigned char *)bytes, length);
    return -EPROTO;
}

static bool same(const struct address *a, const struct address *b)
{
    return a->length == b->length && memcmp(&a->storage, &b->storage, a->length) == 0;
}

static bool is_mapped(const struct address *address)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&address->storage;

    return address->storage.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
}

static void survives_writing(const struct proxy_header *header)
{
    char *bytes = memory(PROXY_HEADER_BYTES_MAX), *line = memory(PROXY_HEADER_V1_BYTES_MAX);
    struct proxy_header again;

    size_t length = proxy_header_format_v2(header, "route", bytes);
    must(proxy_header_parse(bytes, length, &again) == (int)length);
    if (!is_mapped(&header->source) || !is_mapped(&header->destination)) {
        must(same(&again.source, &header->source));
        must(same(&again.destination, &header->destination));
    }
    length = proxy_header_format_v1(header, line);
    must(proxy_header_parse(line, length, &again) == (int)length);
    must(again.source.length == 0 || is_mapped(&header->source) ||
         same(&again.source, &header->source));
    free(bytes);
    free(line);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    must(regcomp(&form, grammar, REG_EXTENDED) == 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_header untouched, header;
    int whole = expected((const char *)data, size);

    memset(&untouched, 0x5a, sizeof(untouched));
    for (size_t part = 0; part <= size; part++) {
        /* Of its exact size: a byte read behind it is seen. */
        char *begin = memory(part);
        memcpy(begin, data, part);
        header = untouched;
        int result = proxy_header_parse(begin, part, &header);
        free(begin);
        must(result == expected((const char *)data, part));
        if (result > 0) {
            must(result == whole && result == (int)part);
            survives_writing(&header);
            break;
        }
        must(memcmp(&header, &untouched, sizeof(header)) == 0);
        if (result < 0) {
            must(whole == result);
            break;
        }
    }
    return 0;
}

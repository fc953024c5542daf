/* PROXY headers: what they say, in pieces too, and what is none. */
#include "proxy/proxy_header.h"

#include "proxy/crc32c.h"
#include "tests/fake/random.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define FFFF      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
#define SEEDS     60000

/* In memory of exactly that length: who reads on is seen by the sanitizer. */
static int parse(const char *bytes, size_t length, struct proxy_header *ret)
{
    char *exact = malloc(length ? length : 1);

    cr_assert(exact);
    memcpy(exact, bytes, length);
    int result = proxy_header_parse(length ? exact : exact + 1, length, ret);
    free(exact);
    return result;
}

static void expect_address(const struct address *address, const char *expected)
{
    char text[ENDPOINT_TEXT_BYTES] = "";

    if (address->length > 0)
        address_format(address, text);
    cr_assert_str_eq(text, expected);
}

/* Whole, with more behind it, and at each of its bytes not yet there. */
static void expect_header(const char *bytes, size_t length, const char *source,
                          const char *destination)
{
    struct proxy_header header;
    char more[PROXY_HEADER_BYTES_MAX + 100];

    memset(&header, 0x5a, sizeof(header));
    for (size_t part = 0; part < length; part++) {
        cr_assert_eq(parse(bytes, part, &header), 0, "%zu bytes of %zu", part, length);
        cr_assert_eq(header.source.length, 0x5a5a5a5a, "told too early");
    }
    cr_assert_eq(parse(bytes, length, &header), (int)length, "%zu bytes: %d", length,
                 parse(bytes, length, &header));
    expect_address(&header.source, source);
    expect_address(&header.destination, destination);
    memset(more, '\n', sizeof(more));
    memcpy(more, bytes, length);
    cr_assert_eq(parse(more, sizeof(more), &header), (int)length, "with more behind it");
}

static void expect_line(const char *line, const char *source, const char *destination)
{
    expect_header(line, strlen(line), source, destination);
}

static void expect_no_header(const char *bytes, size_t length, int error)
{
    struct proxy_header header;

    memset(&header, 0x5a, sizeof(header));
    cr_assert_eq(parse(bytes, length, &header), error, "'%.*s'", (int)length, bytes);
    cr_assert_eq(header.source.length, 0x5a5a5a5a);
}

static void expect_garbage(const char *bytes, size_t length)
{
    expect_no_header(bytes, length, -EPROTO);
}

static void expect_no_line(const char *line)
{
    expect_garbage(line, strlen(line));
}

/* Those of the specification, 2.1. */
Test(proxy_header, lines_of_the_specification)
{
    cr_assert_eq(strlen("PROXY UNKNOWN " FFFF " " FFFF " 65535 65535\r\n"),
                 PROXY_HEADER_V1_BYTES_MAX);
    expect_line("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
                "tcp:255.255.255.255:65535", "tcp:255.255.255.255:65535");
    expect_line("PROXY TCP6 " FFFF " " FFFF " 65535 65535\r\n", "tcp:[" FFFF "]:65535",
                "tcp:[" FFFF "]:65535");
    expect_line("PROXY UNKNOWN\r\n", "", "");
    expect_line("PROXY UNKNOWN " FFFF " " FFFF " 65535 65535\r\n", "", "");
    expect_line("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n", "tcp:192.168.0.1:56324",
                "tcp:192.168.0.11:443");
}

Test(proxy_header, lines)
{
    expect_line("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "tcp:0.0.0.0:0", "tcp:0.0.0.0:0");
    expect_line("PROXY TCP6 2001:DB8::1 :: 1 2\r\n", "tcp:[2001:db8::1]:1", "tcp:[::]:2");
    expect_line("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "tcp:[::ffff:192.0.2.1]:1",
                "tcp:[::1]:2");
    expect_line("PROXY UNKNOWN \n\r anything at all\r\n", "", "");
    expect_no_line("PROXY\r\n");
    expect_no_line("PROXX");
    expect_no_line("proxy TCP4");
    expect_no_line(" PROXY TCP4");
    expect_no_line("PROXY \r\n");
    expect_no_line("PROXY UNKNOWNS\r\n");
    expect_no_line("PROXY unknown\r\n");
    expect_no_line("PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n");
    expect_no_line("PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n");
    expect_no_line("PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n");
    expect_no_line("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n");
    expect_no_line("PROXY TCP4 192.0.2.1 192.0.2.2 1  2\r\n");
    expect_no_line("PROXY TCP4\t192.0.2.1 192.0.2.2 1 2\r\n");
    expect_no_line("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n");
    expect_no_line("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n");
    expect_no_line("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n");
    expect_no_line("PROXY TCP4 ::1 ::1 1 2\r\n");
    expect_no_line("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n");
    expect_no_line("PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n");
    expect_no_line("PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n");
    expect_no_line("PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n");
    expect_no_line("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n");
    expect_no_line("PROXY TCP6 1::2::3 ::1 1 2\r\n");
    expect_garbage("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\0\r\n", 37);
}

Test(proxy_header, ports_of_lines)
{
    static const char *const wrong[] = {"",   "65536", "99999", "000001", "01",        "00",
                                        "-1", "+1",    "0x1",   "1a",     "4294967297"};
    char line[128];

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(line, sizeof(line), "PROXY TCP4 192.0.2.1 192.0.2.2 %s 2\r\n", wrong[i]);
        expect_no_line(line);
        snprintf(line, sizeof(line), "PROXY TCP4 192.0.2.1 192.0.2.2 1 %s\r\n", wrong[i]);
        expect_no_line(line);
    }
}

/* 107 bytes, line end and all. */
Test(proxy_header, length_of_lines)
{
    char line[PROXY_HEADER_V1_BYTES_MAX + 2];
    struct proxy_header header;

    memset(line, 'x', sizeof(line));
    memcpy(line, "PROXY UNKNOWN ", 14);
    memcpy(line + PROXY_HEADER_V1_BYTES_MAX - 2, "\r\n", 2);
    cr_assert_eq(parse(line, sizeof(line), &header), PROXY_HEADER_V1_BYTES_MAX);
    memcpy(line + PROXY_HEADER_V1_BYTES_MAX - 2, "x\r\n", 3);
    cr_assert_eq(parse(line, PROXY_HEADER_V1_BYTES_MAX - 1, &header), 0);
    expect_garbage(line, PROXY_HEADER_V1_BYTES_MAX);
    expect_garbage(line, sizeof(line));
}

/* What stands before the addresses; `rest` bytes follow. */
static size_t begin(char *bytes, unsigned command, unsigned family, size_t rest)
{
    memcpy(bytes, SIGNATURE, 12);
    bytes[12] = (char)command;
    bytes[13] = (char)family;
    bytes[14] = (char)(rest >> 8);
    bytes[15] = (char)rest;
    return 16;
}

static void expect_block(unsigned command, unsigned family, const char *rest, size_t rest_bytes,
                         const char *source, const char *destination)
{
    char bytes[PROXY_HEADER_BYTES_MAX];

    size_t length = begin(bytes, command, family, rest_bytes);
    memcpy(bytes + length, rest, rest_bytes);
    expect_header(bytes, length + rest_bytes, source, destination);
}

#define EXPECT_BLOCK(command, family, rest, source, destination) \
    expect_block(command, family, rest, sizeof(rest) - 1, source, destination)

#define TCP4 "\xc0\x00\x02\x01\xc0\x00\x02\x02\x04\x00\x00\x50"
#define TCP6                                                               \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0" \
    "\0\0\0\0\0\0\x02\x04\x00\x00\x50"

Test(proxy_header, blocks)
{
    EXPECT_BLOCK(0x21, 0x11, TCP4, "tcp:192.0.2.1:1024", "tcp:192.0.2.2:80");
    EXPECT_BLOCK(0x21, 0x21, TCP6, "tcp:[2001:db8::1]:1024", "tcp:[2001:db8::2]:80");
    EXPECT_BLOCK(0x21, 0x11, TCP4 "\x04\0\0\x02\0\x04\x01\x02\x03\x04", "tcp:192.0.2.1:1024",
                 "tcp:192.0.2.2:80");
    EXPECT_BLOCK(0x21, 0x12, TCP4, "", "");
    EXPECT_BLOCK(0x21, 0x22, TCP6, "", "");
    EXPECT_BLOCK(0x21, 0x00, "", "", "");
    EXPECT_BLOCK(0x21, 0x00, "anything", "", "");
    EXPECT_BLOCK(0x20, 0x00, "", "", "");
    EXPECT_BLOCK(0x20, 0x11, TCP4, "", "");
    EXPECT_BLOCK(0x20, 0xff, "anything", "", "");
}

Test(proxy_header, blocks_of_unix_sockets)
{
    char names[216] = "/run/a";

    memcpy(names + 108, "\0b", 2);
    expect_block(0x21, 0x31, names, sizeof(names), "unix:/run/a", "unix:@b");
    expect_block(0x21, 0x32, names, sizeof(names), "", "");
    memset(names, 0, sizeof(names));
    expect_block(0x21, 0x31, names, sizeof(names), "unix:", "unix:");
    memset(names, 'x', 108);
    names[0] = '/';
    struct proxy_header header;
    char bytes[PROXY_HEADER_BYTES_MAX];
    size_t length = begin(bytes, 0x21, 0x31, sizeof(names));
    memcpy(bytes + length, names, sizeof(names));
    cr_assert_eq(parse(bytes, length + sizeof(names), &header), (int)(length + sizeof(names)));
    cr_assert_eq(header.source.length, sizeof(sa_family_t) + 108U);
}

#define WEB          "\xe4\0\x03web"
#define CID(type, n) type "\0\x04\0\0\0" n
#define SOURCE_CID   CID("\xe0", "\x03")
#define SOURCE_PORT  CID("\xe1", "\x50")
#define DESTINATION  CID("\xe2", "\x02") CID("\xe3", "\x16")

Test(proxy_header, blocks_of_vsock)
{
    EXPECT_BLOCK(0x21, 0x00, SOURCE_CID SOURCE_PORT DESTINATION "\xe4\0\x03web", "vsock:3:80",
                 "vsock:host:22");
    EXPECT_BLOCK(0x21, 0x00, DESTINATION "\xea\0\0" SOURCE_PORT SOURCE_CID, "vsock:3:80",
                 "vsock:host:22");
    EXPECT_BLOCK(0x21, 0x00, SOURCE_CID SOURCE_PORT, "vsock:3:80", "");
    EXPECT_BLOCK(0x21, 0x00, SOURCE_CID, "", "");
    EXPECT_BLOCK(0x21, 0x00, "\xe0\0\x03\0\0\x03" SOURCE_PORT, "", "");
    EXPECT_BLOCK(0x21, 0x00, SOURCE_CID SOURCE_PORT "x", "", "");
    EXPECT_BLOCK(0x21, 0x11, TCP4 SOURCE_CID SOURCE_PORT, "tcp:192.0.2.1:1024", "tcp:192.0.2.2:80");
}

Test(proxy_header, what_is_no_block)
{
    char bytes[2 * PROXY_HEADER_BYTES_MAX] = {0};
    struct proxy_header header;
    static const struct {
        unsigned family;
        size_t bytes;
    } shortest[] = {{0x00, 0},  {0x11, 12},  {0x12, 12}, {0x21, 36},
                    {0x22, 36}, {0x31, 216}, {0x32, 216}};

    for (unsigned command = 0; command < 256; command++) {
        begin(bytes, command, 0, 0);
        bool good = command == 0x20 || command == 0x21;
        cr_assert_eq(parse(bytes, 13, &header), good ? 0 : -EPROTO, "command %#x", command);
        cr_assert_eq(parse(bytes, 16, &header), good ? 16 : -EPROTO, "command %#x", command);
    }
    for (unsigned family = 0; family < 256; family++) {
        size_t least = SIZE_MAX;
        for (size_t i = 0; i < sizeof(shortest) / sizeof(shortest[0]); i++)
            if (shortest[i].family == family)
                least = shortest[i].bytes;
        begin(bytes, 0x21, family, 300);
        cr_assert_eq(parse(bytes, 14, &header), least == SIZE_MAX ? -EPROTO : 0, "%#x", family);
        begin(bytes, 0x21, family, least - 1);
        if (least > 0)
            expect_garbage(bytes, 16);
    }
    begin(bytes, 0x20, 0, PROXY_HEADER_BYTES_MAX - 16);
    cr_assert_eq(parse(bytes, sizeof(bytes), &header), PROXY_HEADER_BYTES_MAX);
    begin(bytes, 0x20, 0, PROXY_HEADER_BYTES_MAX - 15);
    expect_garbage(bytes, 16);
    begin(bytes, 0x20, 0, 65535);
    expect_garbage(bytes, 16);
    for (size_t rest = 13; rest < 15; rest++) { /* no TLV is so short */
        begin(bytes, 0x21, 0x11, rest);
        expect_garbage(bytes, 16 + rest);
    }
    begin(bytes, 0x21, 0x11, 12 + 4);
    bytes[16 + 12 + 2] = 2; /* of one byte */
    expect_garbage(bytes, 16 + 12 + 4);
}

#define CRC_OF_TCP4 "\xde\xb8\x82\xb6"
#define CRC(value)  "\x03\0\x04" value

static void expect_wrong_crc(unsigned family, const char *rest, size_t rest_bytes)
{
    char bytes[PROXY_HEADER_BYTES_MAX];

    size_t length = begin(bytes, 0x21, family, rest_bytes);
    memcpy(bytes + length, rest, rest_bytes);
    expect_no_header(bytes, length + rest_bytes, -EBADMSG);
}

#define EXPECT_WRONG_CRC(family, rest) expect_wrong_crc(family, rest, sizeof(rest) - 1)

Test(proxy_header, checksums)
{
    EXPECT_BLOCK(0x21, 0x11, TCP4 CRC(CRC_OF_TCP4), "tcp:192.0.2.1:1024", "tcp:192.0.2.2:80");
    EXPECT_WRONG_CRC(0x11, TCP4 CRC("\0\0\0\0"));
    EXPECT_WRONG_CRC(0x11, "\xc1"
                           "\0\x02\x01\xc0\0\x02\x02\x04\0\0\x50" CRC(CRC_OF_TCP4));
    EXPECT_WRONG_CRC(0x11, TCP4 CRC(CRC_OF_TCP4) WEB);
    EXPECT_WRONG_CRC(0x11, TCP4 CRC(CRC_OF_TCP4) CRC(CRC_OF_TCP4));
    EXPECT_WRONG_CRC(0x11, TCP4 "\x03\0\0");
    EXPECT_WRONG_CRC(0x11, TCP4 "\x03\0\x03\0\0\0");
    EXPECT_WRONG_CRC(0x11, TCP4 "\x03\0\x05" CRC_OF_TCP4 "\0");
    EXPECT_WRONG_CRC(0x12, TCP4 CRC(CRC_OF_TCP4));
    EXPECT_WRONG_CRC(0x00, CRC("\0\0\0\0"));
    EXPECT_BLOCK(0x21, 0x00, CRC("\0\0\0\0") "x", "", "");
    EXPECT_BLOCK(0x20, 0x11, TCP4 CRC("\0\0\0\0"), "", "");
}

/* Whatever stands wherever in a signature: no header, and that is told as soon as it is there. */
Test(proxy_header, garbage_at_each_byte)
{
    static const char *const signatures[] = {"PROXY ", SIGNATURE};
    static const size_t lengths[] = {6, 12};
    char bytes[16];

    for (unsigned i = 0; i < 2; i++)
        for (size_t at = 0; at < lengths[i]; at++)
            for (int byte = 0; byte < 256; byte++) {
                memcpy(bytes, signatures[i], lengths[i]);
                if ((char)byte == bytes[at] || (at == 0 && (byte == 'P' || byte == '\r')))
                    continue;
                bytes[at] = (char)byte;
                expect_garbage(bytes, at + 1);
                expect_garbage(bytes, lengths[i]);
            }
}

/* ---- Written ---- */

static struct address address_of(const char *text)
{
    struct endpoint endpoint;
    struct address address;
    char error[ENDPOINT_ERROR_BYTES];

    cr_assert_eq(endpoint_parse(text, ENDPOINT_TARGET, &endpoint, error), 0, "%s", error);
    cr_assert_eq(address_of_endpoint(&endpoint, &address), 0);
    return address;
}

static void expect_v1(const char *source, const char *destination, const char *line)
{
    struct proxy_header header = {address_of(source), address_of(destination)};
    char bytes[PROXY_HEADER_V1_BYTES_MAX];

    size_t length = proxy_header_format_v1(&header, bytes);
    cr_assert_eq(length, strlen(line), "%.*s", (int)length, bytes);
    cr_assert_arr_eq(bytes, line, length);
}

Test(proxy_header, lines_written)
{
    expect_v1("tcp:192.168.0.1:56324", "tcp:192.168.0.11:443",
              "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n");
    expect_v1("tcp:[" FFFF "]:65535", "tcp:[" FFFF "]:65535",
              "PROXY TCP6 " FFFF " " FFFF " 65535 65535\r\n");
    expect_v1("tcp:[2001:db8:0:0:0:0:0:1]:1", "tcp:[::1]:2", "PROXY TCP6 2001:db8::1 ::1 1 2\r\n");
    expect_v1("tcp:[::ffff:192.0.2.1]:1", "tcp:[::ffff:192.0.2.2]:2",
              "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n");
    expect_v1("tcp:192.0.2.1:1", "tcp:[::1]:2", "PROXY UNKNOWN\r\n");
    expect_v1("unix:/a", "unix:/b", "PROXY UNKNOWN\r\n");
    expect_v1("vsock:3:1", "vsock:host:2", "PROXY UNKNOWN\r\n");
}

static void expect_v2(const struct proxy_header *header, unsigned family, const char *rest,
                      size_t rest_bytes)
{
    char bytes[PROXY_HEADER_BYTES_MAX], expected[PROXY_HEADER_BYTES_MAX];
    static const char crc[] = CRC("\0\0\0\0");

    size_t length = begin(expected, 0x21, family, rest_bytes + sizeof(crc) - 1);
    memcpy(expected + length, rest, rest_bytes);
    length += rest_bytes;
    memcpy(expected + length, crc, sizeof(crc) - 1);
    length += sizeof(crc) - 1;
    uint32_t value = htonl(crc32c(0, expected, length));
    memcpy(expected + length - sizeof(value), &value, sizeof(value));
    cr_assert_eq(proxy_header_format_v2(header, "web", bytes), length);
    cr_assert_arr_eq(bytes, expected, length);
}

#define EXPECT_V2(header, family, rest) expect_v2(header, family, rest, sizeof(rest) - 1)

Test(proxy_header, blocks_written)
{
    struct proxy_header header = {address_of("tcp:192.0.2.1:1024"), address_of("tcp:192.0.2.2:80")};
    char names[216 + 6] = "/run/a";

    EXPECT_V2(&header, 0x11, TCP4 WEB);
    header.source = address_of("tcp:[::ffff:192.0.2.1]:1024");
    EXPECT_V2(&header, 0x00, WEB);
    header.destination = address_of("tcp:[::ffff:192.0.2.2]:80");
    EXPECT_V2(&header, 0x11, TCP4 WEB);
    header.source = address_of("tcp:[2001:db8::1]:1024");
    header.destination = address_of("tcp:[2001:db8::2]:80");
    EXPECT_V2(&header, 0x21, TCP6 WEB);
    header.source = address_of("unix:/run/a");
    header.destination = address_of("unix:@b");
    memcpy(names + 108, "\0b", 2);
    memcpy(names + 216, WEB, 6);
    expect_v2(&header, 0x31, names, sizeof(names));
    header.source = address_of("vsock:3:80");
    EXPECT_V2(&header, 0x00, SOURCE_CID SOURCE_PORT WEB);
    header.destination = address_of("vsock:host:22");
    EXPECT_V2(&header, 0x00, SOURCE_CID SOURCE_PORT DESTINATION WEB);
    EXPECT_V2(&(struct proxy_header){0}, 0x00, WEB);
}

/* Beside the longest addresses: it is cut, and what comes of it is a header. */
Test(proxy_header, the_longest_name_of_a_route)
{
    struct proxy_header header = {address_of("unix:/run/a"), address_of("unix:/run/b")}, again;
    char route[1000], bytes[PROXY_HEADER_BYTES_MAX];

    memset(route, 'r', sizeof(route));
    route[sizeof(route) - 1] = '\0';
    size_t length = proxy_header_format_v2(&header, route, bytes);
    cr_assert_eq(length, 16U + 216 + 3 + 255 + 7);
    cr_assert_eq(parse(bytes, length, &again), (int)length);
}

static struct address random_address(struct random *random, unsigned kind)
{
    char text[ENDPOINT_TEXT_BYTES];
    unsigned port = (unsigned)random_between(random, 1, 65535);
    unsigned a = (unsigned)random_next(random), b = (unsigned)random_next(random);

    switch (kind) {
    case 0:
        snprintf(text, sizeof(text), "tcp:%u.%u.%u.%u:%u", a & 255, a >> 8 & 255, a >> 16 & 255,
                 a >> 24, port);
        break;
    case 1:
        snprintf(text, sizeof(text), "tcp:[%x:%x:%x::%x:%x]:%u", a & 65535, a >> 24, a >> 16 & 3,
                 b & 65535, b >> 16, port);
        break;
    case 2: snprintf(text, sizeof(text), "unix:/%.*s%u", (int)(a % 90), FFFF FFFF FFFF, b); break;
    case 3: snprintf(text, sizeof(text), "unix:@%.*s%u", (int)(a % 90), FFFF FFFF FFFF, b); break;
    default: snprintf(text, sizeof(text), "vsock:%u:%u", a % 1000 + 3, b % 1000000 + 1); break;
    }
    return address_of(text);
}

static bool same(const struct address *a, const struct address *b)
{
    return a->length == b->length && memcmp(&a->storage, &b->storage, a->length) == 0;
}

/* What was written is read as the same, and breaks off nowhere. */
Test(proxy_header, random_round_trips)
{
    struct random random = {.state = 4711};

    for (unsigned seed = 0; seed < SEEDS / 6; seed++) {
        unsigned kind = (unsigned)random_below(&random, 5);
        struct proxy_header header = {random_address(&random, kind), random_address(&random, kind)};
        struct proxy_header again;
        char bytes[PROXY_HEADER_BYTES_MAX];

        size_t length = proxy_header_format_v2(&header, "some-route@guest", bytes);
        for (size_t part = random_below(&random, 30); part < length; part += 29)
            cr_assert_eq(parse(bytes, part, &again), 0, "seed %u", seed);
        cr_assert_eq(parse(bytes, length, &again), (int)length, "seed %u", seed);
        cr_assert(same(&header.source, &again.source) &&
                      same(&header.destination, &again.destination),
                  "seed %u", seed);
        length = proxy_header_format_v1(&header, bytes);
        cr_assert_eq(parse(bytes, length, &again), (int)length, "seed %u", seed);
        if (kind < 2)
            cr_assert(same(&header.source, &again.source) &&
                          same(&header.destination, &again.destination),
                      "seed %u", seed);
        else
            cr_assert_eq(again.source.length, 0U);
    }
}

/* A header with bytes changed: what it says does not depend on where the pieces end. */
Test(proxy_header, random_damage)
{
    struct random random = {.state = 815};
    unsigned whole = 0, broken = 0;

    for (unsigned seed = 0; seed < SEEDS; seed++) {
        struct proxy_header header = {random_address(&random, seed % 2),
                                      random_address(&random, 0)};
        struct proxy_header once, again;
        char bytes[PROXY_HEADER_BYTES_MAX];

        size_t length = seed % 4 < 2 ? proxy_header_format_v1(&header, bytes)
                                     : proxy_header_format_v2(&header, "r", bytes);
        if (seed % 4 >= 2 && seed % 3) { /* without its checksum, which sees all damage */
            length -= 7;
            bytes[15] = (char)(bytes[15] - 7);
        }
        for (unsigned i = 0; i < 2; i++)
            bytes[random_below(&random, length)] = random_permille(&random, 500)
                                                       ? (char)random_next(&random)
                                                       : "0159. :\r\n"[random_below(&random, 9)];
        int result = proxy_header_parse(bytes, length, &once), part = 0;
        for (size_t count = 0; count <= length && part == 0; count++)
            part = proxy_header_parse(bytes, count, &again);
        cr_assert_eq(part, result, "seed %u", seed);
        cr_assert_leq(result, (int)length);
        whole += result > 0;
        broken += result < 0;
    }
    cr_assert_gt(whole, SEEDS / 20);
    cr_assert_gt(broken, SEEDS / 20);
}

/* The line of an initiator: CONNECT PORT. */
#include "proxy/greeting.h"

#include "tests/fake/random.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS 100000

/* In memory of exactly that length: who reads on is seen by the sanitizer. */
static int scan(const char *bytes, size_t length, uint32_t *ret_port)
{
    char *exact = malloc(length ? length : 1);

    cr_assert(exact);
    memcpy(exact, bytes, length);
    int result = greeting_scan(length ? exact : exact + 1, length, ret_port);
    free(exact);
    return result;
}

/* Whole, with more behind it, and at each of its bytes not yet there. */
static void expect_port(const char *line, uint32_t port)
{
    size_t length = strlen(line);
    char more[64];
    uint32_t got = 0;

    for (size_t part = 0; part < length; part++)
        cr_assert_eq(scan(line, part, &got), 0, "%zu bytes of '%s'", part, line);
    cr_assert_eq(got, 0, "a port was told too early");
    cr_assert_eq(scan(line, length, &got), (int)length, "'%s'", line);
    cr_assert_eq(got, port, "'%s' is port %u", line, got);
    snprintf(more, sizeof(more), "%s7\nCONNECT 9\n", line);
    cr_assert_eq(scan(more, strlen(more), &got), (int)length, "'%s' with more behind it", line);
    cr_assert_eq(got, port);
}

static void expect_garbage(const char *line)
{
    uint32_t got = 77;

    cr_assert_eq(scan(line, strlen(line), &got), -EPROTO, "'%s'", line);
    cr_assert_eq(got, 77, "a port was told of garbage");
}

Test(greeting, ports)
{
    expect_port("CONNECT 1\n", 1);
    expect_port("CONNECT 22\n", 22);
    expect_port("CONNECT 65536\n", 65536);
    expect_port("CONNECT 4294967294\n", 4294967294);
    expect_port("CONNECT 0000000022\n", 22);
    expect_garbage("CONNECT 0\n");
    expect_garbage("CONNECT 4294967295\n");
    expect_garbage("CONNECT 4294967296\n");
    expect_garbage("CONNECT 9999999999\n");
    expect_garbage("CONNECT 42949672940\n");
    expect_garbage("CONNECT 18446744073709551638\n"); /* 22 + 2^64 */
    expect_garbage("CONNECT -1\n");
    expect_garbage("CONNECT +22\n");
    expect_garbage("CONNECT 0x16\n");
    expect_garbage("CONNECT 2 2\n");
}

Test(greeting, case_blanks_and_carriage_returns)
{
    expect_port("connect 22\n", 22);
    expect_port("CoNnEcT 22\n", 22);
    expect_port("CONNECT   22\n", 22);
    expect_port("CONNECT\t22\n", 22);
    expect_port("CONNECT \t 22 \t \n", 22);
    expect_port("CONNECT 22\r\n", 22);
    expect_port("CONNECT 22 \r\n", 22);
    expect_garbage("CONNECT22\n");
    expect_garbage(" CONNECT 22\n");
    expect_garbage("\nCONNECT 22\n");
    expect_garbage("CONNECT\n");
    expect_garbage("CONNECT \n");
    expect_garbage("CONNECT \r\n");
    expect_garbage("CONNECT\r22\n");
    expect_garbage("CONNECT 22\r\r\n");
    expect_garbage("CONNECT 22\r \n");
    expect_garbage("CONNECTED 22\n");
    expect_garbage("CONNECT\v22\n");
}

/* 32 bytes, newline and all, are the longest line. */
Test(greeting, length)
{
    char line[GREETING_BYTES_MAX + 1];
    uint32_t got;

    for (size_t length = 12; length <= GREETING_BYTES_MAX; length++) {
        memset(line, ' ', sizeof(line));
        memcpy(line, "CONNECT", 7);
        memcpy(line + length - 3, "22\n", 3);
        line[length] = '\0';
        expect_port(line, 22);
    }
    for (size_t end = 0; end < 3; end++) {
        memset(line, ' ', sizeof(line));
        memcpy(line, "CONNECT 22", 10);
        line[GREETING_BYTES_MAX - 1] = " \r1"[end];
        cr_assert_eq(scan(line, GREETING_BYTES_MAX - 1, &got), 0);
        cr_assert_eq(scan(line, GREETING_BYTES_MAX, &got), -EPROTO);
    }
    memset(line, ' ', sizeof(line));
    memcpy(line, "CONNECT", 7);
    cr_assert_eq(scan(line, GREETING_BYTES_MAX - 1, &got), 0);
    cr_assert_eq(scan(line, GREETING_BYTES_MAX, &got), -EPROTO);
    cr_assert_eq(scan(line, 0, &got), 0);
}

/* Whatever stands wherever: no line, and that is told as soon as that byte is there. */
Test(greeting, garbage_at_each_byte)
{
    static const char good[] = "CONNECT 1024\n";
    uint32_t got;

    for (size_t at = 0; at < sizeof(good) - 1; at++)
        for (int byte = 0; byte < 256; byte++) {
            char line[sizeof(good)];
            bool digit = at > 7 && byte >= '0' && byte <= '9';
            bool blank = at > 7 && (byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n');
            bool same = (byte | 0x20) == (good[at] | 0x20) || (at == 7 && byte == '\t');
            memcpy(line, good, sizeof(good));
            line[at] = (char)byte;
            if (digit || blank || same)
                continue;
            cr_assert_eq(scan(line, sizeof(good) - 1, &got), -EPROTO, "byte %d at %zu", byte, at);
            cr_assert_eq(scan(line, at + 1, &got), -EPROTO, "byte %d at %zu is last", byte, at);
        }
}

static char random_byte(struct random *random)
{
    static const char likely[] = "CONNECTconnect 0123456789\t\r\n ";

    if (random_permille(random, 50))
        return (char)random_next(random);
    return likely[random_below(random, sizeof(likely) - 1)];
}

/* What it says does not depend on where the pieces end. */
Test(greeting, random_bytes)
{
    struct random random = {.state = 4711};
    unsigned lines = 0;

    for (unsigned seed = 0; seed < SEEDS; seed++) {
        char bytes[GREETING_BYTES_MAX] = "CONNECT 1";
        size_t length = random_below(&random, sizeof(bytes) + 1);
        uint32_t port = 0, again = 0;
        for (size_t at = random_below(&random, 12); at < sizeof(bytes); at++)
            bytes[at] = random_byte(&random);
        int whole = scan(bytes, length, &port);
        cr_assert(whole == 0 || whole == -EPROTO || (whole >= 10 && whole <= (int)length));
        lines += whole > 0;
        int part = 0;
        for (size_t count = 0; count <= length && part == 0; count++)
            part = scan(bytes, count, &again);
        /* A byte that cannot follow may be seen as soon as it is there, and not before. */
        cr_assert_eq(part, whole, "seed %u", seed);
        cr_assert_eq(port, again);
        cr_assert(whole <= 0 || bytes[whole - 1] == '\n');
    }
    cr_assert_gt(lines, SEEDS / 400, "%u lines among them", lines);
}

/* The first bytes of a load connection, as they are on the wire. */
#include "perf/protocol.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static const uint8_t wire[PROTOCOL_HEADER_BYTES] = {
    'V',  'S',  'L',  'L',  1,    0,    PROTOCOL_RR, PROTOCOL_VERIFY | PROTOCOL_ONCE,
    0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02,        0x01,
    0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12,        0x11,
    0x24, 0x23, 0x22, 0x21, 0x34, 0x33, 0x32,        0x31,
};

static const struct protocol_header header = {
    .mode = PROTOCOL_RR,
    .flags = PROTOCOL_VERIFY | PROTOCOL_ONCE,
    .seed = UINT64_C(0x0102030405060708),
    .stream = UINT64_C(0x1112131415161718),
    .request = 0x21222324,
    .response = 0x31323334,
};

/* Reads the wire header with one byte of it changed. */
static enum protocol_status read_with(size_t at, uint8_t byte)
{
    uint8_t bytes[PROTOCOL_HEADER_BYTES];
    struct protocol_header ret;

    memcpy(bytes, wire, sizeof(bytes));
    bytes[at] = byte;
    return protocol_header_read(bytes, &ret);
}

Test(perf_protocol, header_is_little_endian)
{
    uint8_t bytes[PROTOCOL_HEADER_BYTES];

    protocol_header_write(&header, bytes);
    cr_expect_arr_eq(bytes, wire, sizeof(wire));
}

Test(perf_protocol, header_is_read_back)
{
    struct protocol_header ret;

    cr_assert_eq(protocol_header_read(wire, &ret), PROTOCOL_WELCOME);
    cr_expect_eq(ret.mode, header.mode);
    cr_expect_eq(ret.flags, header.flags);
    cr_expect_eq(ret.seed, header.seed);
    cr_expect_eq(ret.stream, header.stream);
    cr_expect_eq(ret.request, header.request);
    cr_expect_eq(ret.response, header.response);
}

Test(perf_protocol, header_of_another_kind)
{
    for (size_t at = 0; at < 4; at++)
        cr_expect_eq(read_with(at, 'x'), PROTOCOL_WRONG_HEADER, "byte %zu", at);
    cr_expect_eq(read_with(4, 2), PROTOCOL_WRONG_VERSION);
    cr_expect_eq(read_with(5, 1), PROTOCOL_WRONG_VERSION);
    cr_expect_eq(read_with(6, PROTOCOL_MODE_COUNT - 1), PROTOCOL_WELCOME);
    cr_expect_eq(read_with(6, PROTOCOL_MODE_COUNT), PROTOCOL_WRONG_HEADER);
    cr_expect_eq(read_with(6, 255), PROTOCOL_WRONG_HEADER);
}

/* A version that is not ours may mean anything by the rest. */
Test(perf_protocol, version_is_looked_at_before_the_rest)
{
    uint8_t bytes[PROTOCOL_HEADER_BYTES] = {'V', 'S', 'L', 'L', 7, 0, 255};
    struct protocol_header ret;

    cr_expect_eq(protocol_header_read(bytes, &ret), PROTOCOL_WRONG_VERSION);
}

/* An empty request would never be whole, an empty answer never be sent. */
Test(perf_protocol, empty_requests_and_answers)
{
    for (unsigned mode = 0; mode < PROTOCOL_MODE_COUNT; mode++)
        for (unsigned which = 0; which < 2; which++) {
            struct protocol_header empty = header;
            uint8_t bytes[PROTOCOL_HEADER_BYTES];
            struct protocol_header ret;

            empty.mode = (uint8_t)mode;
            *(which ? &empty.request : &empty.response) = 0;
            protocol_header_write(&empty, bytes);
            cr_expect_eq(protocol_header_read(bytes, &ret),
                         mode == PROTOCOL_RR ? PROTOCOL_WRONG_HEADER : PROTOCOL_WELCOME);
        }
}

Test(perf_protocol, header_is_untouched_on_refusal)
{
    const uint8_t bytes[PROTOCOL_HEADER_BYTES] = "GET / HTTP/1.1\r\nHost: nowhere\r\n";
    struct protocol_header ret, before;

    memset(&ret, 0x5a, sizeof(ret));
    memcpy(&before, &ret, sizeof(ret));
    cr_expect_eq(protocol_header_read(bytes, &ret), PROTOCOL_WRONG_HEADER);
    cr_expect_eq(memcmp(&ret, &before, sizeof(ret)), 0);
}

Test(perf_protocol, answers)
{
    static const struct {
        enum protocol_status status;
        int error;
    } cases[] = {
        {PROTOCOL_WELCOME, 0},
        {PROTOCOL_WRONG_VERSION, -EPROTONOSUPPORT},
        {PROTOCOL_WRONG_HEADER, -EBADMSG},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t bytes[PROTOCOL_ANSWER_BYTES];
        const uint8_t wanted[] = {'V', 'S', 'L', 'L', PROTOCOL_VERSION, 0, (uint8_t)cases[i].status,
                                  0};
        unsigned version = 0;

        protocol_answer_write(cases[i].status, bytes);
        cr_expect_arr_eq(bytes, wanted, sizeof(wanted));
        cr_expect_eq(protocol_answer_read(bytes, &version), cases[i].error);
        cr_expect_eq(version, cases[i].error ? PROTOCOL_VERSION : 0);
    }
}

Test(perf_protocol, answers_of_others)
{
    const uint8_t newer[PROTOCOL_ANSWER_BYTES] = {'V', 'S', 'L', 'L', 0x02, 0x01, 1, 0};
    const uint8_t unknown[PROTOCOL_ANSWER_BYTES] = {'V', 'S', 'L', 'L', 1, 0, 0, 1};
    const uint8_t web[] = {'H', 'T', 'T', 'P', '/', '1', '.', '1'};
    unsigned version = 0;

    cr_expect_eq(protocol_answer_read(newer, &version), -EPROTONOSUPPORT);
    cr_expect_eq(version, 0x0102);
    cr_expect_eq(protocol_answer_read(unknown, &version), -EBADMSG);
    cr_expect_eq(protocol_answer_read(web, &version), -EPROTO);
}

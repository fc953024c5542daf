/* The first bytes of a load connection. */
#include "perf/protocol.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

static const char magic[4] = {'V', 'S', 'L', 'L'};

/* As it goes over the wire, little endian. */
struct header_wire {
    char magic[4];
    uint16_t version;
    uint8_t mode;
    uint8_t flags;
    uint64_t seed;
    uint64_t stream;
    uint32_t request;
    uint32_t response;
};

struct answer_wire {
    char magic[4];
    uint16_t version;
    uint16_t status;
};

_Static_assert(sizeof(struct header_wire) == PROTOCOL_HEADER_BYTES, "the header has no padding");
_Static_assert(sizeof(struct answer_wire) == PROTOCOL_ANSWER_BYTES, "the answer has no padding");

void protocol_header_write(const struct protocol_header *header,
                           uint8_t bytes[static PROTOCOL_HEADER_BYTES])
{
    struct header_wire wire = {
        .version = htole16(PROTOCOL_VERSION),
        .mode = header->mode,
        .flags = header->flags,
        .seed = htole64(header->seed),
        .stream = htole64(header->stream),
        .request = htole32(header->request),
        .response = htole32(header->response),
    };
    memcpy(wire.magic, magic, sizeof(magic));
    memcpy(bytes, &wire, sizeof(wire));
}

enum protocol_status protocol_header_read(const uint8_t bytes[static PROTOCOL_HEADER_BYTES],
                                          struct protocol_header *ret)
{
    struct header_wire wire;

    memcpy(&wire, bytes, sizeof(wire));
    if (memcmp(wire.magic, magic, sizeof(magic)) != 0)
        return PROTOCOL_WRONG_HEADER;
    if (le16toh(wire.version) != PROTOCOL_VERSION)
        return PROTOCOL_WRONG_VERSION;
    if (wire.mode >= PROTOCOL_MODE_COUNT ||
        (wire.mode == PROTOCOL_RR && (wire.request == 0 || wire.response == 0)))
        return PROTOCOL_WRONG_HEADER;
    *ret = (struct protocol_header){
        .mode = wire.mode,
        .flags = wire.flags,
        .seed = le64toh(wire.seed),
        .stream = le64toh(wire.stream),
        .request = le32toh(wire.request),
        .response = le32toh(wire.response),
    };
    return PROTOCOL_WELCOME;
}

void protocol_answer_write(enum protocol_status status, uint8_t bytes[static PROTOCOL_ANSWER_BYTES])
{
    struct answer_wire wire = {.version = htole16(PROTOCOL_VERSION),
                               .status = htole16((uint16_t)status)};
    memcpy(wire.magic, magic, sizeof(magic));
    memcpy(bytes, &wire, sizeof(wire));
}

int protocol_answer_read(const uint8_t bytes[static PROTOCOL_ANSWER_BYTES], unsigned *ret_version)
{
    struct answer_wire wire;

    memcpy(&wire, bytes, sizeof(wire));
    if (memcmp(wire.magic, magic, sizeof(magic)) != 0)
        return -EPROTO;
    if (le16toh(wire.status) == PROTOCOL_WELCOME)
        return 0;
    *ret_version = le16toh(wire.version);
    return le16toh(wire.status) == PROTOCOL_WRONG_VERSION ? -EPROTONOSUPPORT : -EBADMSG;
}

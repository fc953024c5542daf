/* What the initiator of a load connection says first, and how the server answers: one server serves
 * every mode.
 *
 *   initiator: "VSLL" version(2) mode(1) flags(1) seed(8) stream(8) request(4) response(4)
 *   server:    "VSLL" version(2) status(2)
 *
 * numbers little endian;
 *
 * then, by mode:
 *   UP    the initiator sends a stream until end-of-file
 *   DOWN  the server sends a stream until the initiator closes
 *   BOTH  both at once
 *   RR    requests of `request` bytes, each answered by `response` bytes; with PROTOCOL_ONCE the
 *         server closes after the first answer
 *
 * A server that was asked to verify, and found wrong bytes, ends its stream with a second answer,
 * PROTOCOL_WRONG_BYTES. An initiator needs not look for it: it is not what was to come.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PROTOCOL_VERSION      1
#define PROTOCOL_HEADER_BYTES 32
#define PROTOCOL_ANSWER_BYTES 8

enum protocol_mode {
    PROTOCOL_UP,
    PROTOCOL_DOWN,
    PROTOCOL_BOTH,
    PROTOCOL_RR,
    PROTOCOL_MODE_COUNT,
};

#define PROTOCOL_VERIFY 1U /* the server checks what it receives */
#define PROTOCOL_ONCE   2U

enum protocol_status {
    PROTOCOL_WELCOME,
    PROTOCOL_WRONG_VERSION,
    PROTOCOL_WRONG_HEADER,
    PROTOCOL_WRONG_BYTES,
};

struct protocol_header {
    uint8_t mode;
    uint8_t flags;
    uint64_t seed;
    uint64_t stream; /* tells the connections of a run apart */
    uint32_t request;
    uint32_t response;
};

void protocol_header_write(const struct protocol_header *header,
                           uint8_t bytes[static PROTOCOL_HEADER_BYTES]);

/* Returns the status to answer with; *ret is set for PROTOCOL_WELCOME only. */
enum protocol_status protocol_header_read(const uint8_t bytes[static PROTOCOL_HEADER_BYTES],
                                          struct protocol_header *ret);

void protocol_answer_write(enum protocol_status status,
                           uint8_t bytes[static PROTOCOL_ANSWER_BYTES]);

/* 0: welcome. -EPROTONOSUPPORT: the server speaks *ret_version. -EBADMSG: it refused the header.
 * -EPROTO: no load server answers there. */
int protocol_answer_read(const uint8_t bytes[static PROTOCOL_ANSWER_BYTES], unsigned *ret_version);

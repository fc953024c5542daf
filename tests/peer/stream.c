/* Seeded bytes and their XXH64 (the published algorithm: the hash can be checked with xxh64sum). */
#include "stream.h"

#include <string.h>

#define PRIME_1 UINT64_C(0x9E3779B185EBCA87)
#define PRIME_2 UINT64_C(0xC2B2AE3D27D4EB4F)
#define PRIME_3 UINT64_C(0x165667B19E3779F9)
#define PRIME_4 UINT64_C(0x85EBCA77C2B2AE63)
#define PRIME_5 UINT64_C(0x27D4EB2F165667C5)

static uint64_t rotate(uint64_t value, unsigned bits)
{
    return value << bits | value >> (64 - bits);
}

static uint64_t word_at(const uint8_t *bytes)
{
    uint64_t word;

    memcpy(&word, bytes, sizeof(word));
    return word;
}

uint64_t stream_random(uint64_t seed, uint64_t index)
{
    uint64_t value = seed + (index + 1) * UINT64_C(0x9E3779B97F4A7C15);

    value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    value = (value ^ value >> 27) * UINT64_C(0x94D049BB133111EB);
    return value ^ value >> 31;
}

void stream_init(struct stream *stream, uint64_t seed, uint64_t total)
{
    *stream = (struct stream){
        .seed = seed,
        .total = total,
        .lanes = {PRIME_1 + PRIME_2, PRIME_2, 0, -PRIME_1},
    };
}

/* Bytes of one chunk that were made: a blocked sender asks for them again and again. */
struct made {
    uint64_t seed;
    uint64_t chunk;
    uint64_t first, end; /* words of the chunk */
    uint64_t words[STREAM_CHUNK_BYTES / 8];
};

const uint8_t *stream_bytes(uint64_t seed, uint64_t offset, size_t *length)
{
    static struct made slots[2]; /* one sends, one verifies */
    static unsigned turn;
    uint64_t chunk = offset / STREAM_CHUNK_BYTES, at = offset % STREAM_CHUNK_BYTES;
    uint64_t first = at / 8, end;
    struct made *made = &slots[turn];

    if (*length > STREAM_CHUNK_BYTES - at)
        *length = STREAM_CHUNK_BYTES - at;
    end = (at + *length + 7) / 8;
    if (made->seed != seed || made->chunk != chunk || first < made->first || first > made->end) {
        turn = !turn;
        made = &slots[turn];
    }
    if (made->seed != seed || made->chunk != chunk || first < made->first || first > made->end) {
        made->seed = seed;
        made->chunk = chunk;
        made->first = made->end = first;
    }
    for (; made->end < end; made->end++)
        made->words[made->end] = stream_random(seed, chunk * (STREAM_CHUNK_BYTES / 8) + made->end);
    return (const uint8_t *)made->words + at;
}

bool stream_equal(const struct stream *stream, const uint8_t *bytes, size_t length, size_t *ret_at)
{
    size_t done = 0;

    while (done < length) {
        size_t part = length - done;
        const uint8_t *right = stream_bytes(stream->seed, stream->offset + done, &part);

        if (memcmp(bytes + done, right, part) != 0) {
            for (*ret_at = done; bytes[*ret_at] == right[*ret_at - done]; ++*ret_at)
                ;
            return false;
        }
        done += part;
    }
    return true;
}

static uint64_t round_of(uint64_t lane, uint64_t word)
{
    return rotate(lane + word * PRIME_2, 31) * PRIME_1;
}

static void hash_stripes(uint64_t lanes[static 4], const uint8_t *bytes, size_t count)
{
    uint64_t a = lanes[0], b = lanes[1], c = lanes[2], d = lanes[3];

    for (; count > 0; count--, bytes += 32) {
        a = round_of(a, word_at(bytes));
        b = round_of(b, word_at(bytes + 8));
        c = round_of(c, word_at(bytes + 16));
        d = round_of(d, word_at(bytes + 24));
    }
    lanes[0] = a;
    lanes[1] = b;
    lanes[2] = c;
    lanes[3] = d;
}

void stream_pass(struct stream *stream, const uint8_t *bytes, size_t length)
{
    size_t held = stream->offset % 32;

    stream->offset += length;
    if (held > 0) {
        size_t part = length < 32 - held ? length : 32 - held;

        memcpy(stream->tail + held, bytes, part);
        bytes += part;
        length -= part;
        if (held + part < 32)
            return;
        hash_stripes(stream->lanes, stream->tail, 1);
    }
    hash_stripes(stream->lanes, bytes, length / 32);
    memcpy(stream->tail, bytes + length / 32 * 32, length % 32);
}

static uint64_t hash_tail(uint64_t hash, const uint8_t *bytes, size_t length)
{
    for (; length >= 8; length -= 8, bytes += 8)
        hash = rotate(hash ^ round_of(0, word_at(bytes)), 27) * PRIME_1 + PRIME_4;
    if (length >= 4) {
        uint32_t word;

        memcpy(&word, bytes, sizeof(word));
        hash = rotate(hash ^ word * PRIME_1, 23) * PRIME_2 + PRIME_3;
        length -= 4;
        bytes += 4;
    }
    for (; length > 0; length--, bytes++)
        hash = rotate(hash ^ *bytes * PRIME_5, 11) * PRIME_1;
    return hash;
}

uint64_t stream_hash(const struct stream *stream)
{
    const uint64_t *lanes = stream->lanes;
    uint64_t hash = PRIME_5;

    if (stream->offset >= 32) {
        hash =
            rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
        for (unsigned i = 0; i < 4; i++)
            hash = (hash ^ round_of(0, lanes[i])) * PRIME_1 + PRIME_4;
    }
    hash = hash_tail(hash + stream->offset, stream->tail, stream->offset % 32);
    hash = (hash ^ hash >> 33) * PRIME_2;
    hash = (hash ^ hash >> 29) * PRIME_3;
    return hash ^ hash >> 32;
}

#include "tests/interop/stream.h"

#include <errno.h>
#include <pthread.h>

/* A prime: bytes that are lost, doubled or out of order show wherever they are. */
#define PATTERN_BYTES 1000003
#define CHUNK_BYTES   (64 * 1024)
#define FNV_BASIS     UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME     UINT64_C(0x100000001b3)

static unsigned char pattern[PATTERN_BYTES];

static void pattern_fill(void)
{
    uint64_t state = UINT64_C(0x9e3779b97f4a7c15);

    for (size_t i = 0; i < PATTERN_BYTES; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        pattern[i] = (unsigned char)(state >> 32);
    }
}

static void total_add(struct stream_total *total, const unsigned char *bytes, size_t length)
{
    uint64_t hash = total->hash;

    for (size_t i = 0; i < length; i++)
        hash = (hash ^ bytes[i]) * FNV_PRIME;
    total->hash = hash;
    total->count += length;
}

static size_t least(uint64_t a, uint64_t b)
{
    return (size_t)(a < b ? a : b);
}

void stream_begin(struct stream *stream, struct vsock_conn *conn)
{
    pattern_fill();
    stream_end(stream);
    *stream = (struct stream){
        .conn = conn,
        .sent.hash = FNV_BASIS,
        .received.hash = FNV_BASIS,
    };
}

void stream_end(struct stream *stream)
{
    vsock_conn_free(stream->conn);
    stream->conn = NULL;
}

int stream_send(struct stream *stream, uint64_t count)
{
    while (count > 0) {
        size_t at = stream->sent.count % PATTERN_BYTES;
        size_t length = least(count, PATTERN_BYTES - at);
        size_t written;
        int error = vsock_conn_write(stream->conn, pattern + at, length, &written);
        total_add(&stream->sent, pattern + at, written);
        count -= written;
        if (error != 0)
            return error;
    }
    return 0;
}

int stream_receive(struct stream *stream, uint64_t count)
{
    unsigned char bytes[CHUNK_BYTES];

    while (count > 0) {
        ssize_t length = vsock_conn_read(stream->conn, bytes, least(count, sizeof(bytes)));
        if (length == 0)
            return STREAM_EOF;
        if (length < 0)
            return (int)length;
        total_add(&stream->received, bytes, (size_t)length);
        count -= (uint64_t)length;
    }
    return 0;
}

struct sender {
    struct stream *stream;
    uint64_t count;
    int error;
};

static void *send_all(void *argument)
{
    struct sender *sender = argument;
    sender->error = stream_send(sender->stream, sender->count);
    return NULL;
}

int stream_exchange(struct stream *stream, uint64_t count)
{
    struct sender sender = {.stream = stream, .count = count};
    pthread_t thread;

    int error = -pthread_create(&thread, NULL, send_all, &sender);
    if (error != 0)
        return error;
    error = stream_receive(stream, count);
    pthread_join(thread, NULL);
    return sender.error != 0 ? sender.error : error;
}

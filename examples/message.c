/* JSON messages with a length before them. */
#include "message.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LENGTH_BYTES sizeof(uint32_t)

static int bytes_read(struct vsock_conn *conn, char *bytes, size_t length)
{
    for (size_t received = 0; received < length;) {
        ssize_t count = vsock_conn_read(conn, bytes + received, length - received);
        if (count < 0)
            return (int)count;
        if (count == 0)
            return received == 0 ? -ENODATA : -ECONNRESET;
        received += (size_t)count;
    }
    return 0;
}

static int body_read(struct vsock_conn *conn, size_t length, json_t **ret)
{
    char *body = malloc(length);
    json_t *message;
    int r;

    if (!body)
        return -ENOMEM;
    r = bytes_read(conn, body, length);
    if (r < 0) {
        free(body);
        return r == -ENODATA ? -ECONNRESET : r;
    }
    message = json_loadb(body, length, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    free(body);
    if (!message)
        return -EBADMSG;
    *ret = message;
    return 0;
}

int message_read(struct vsock_conn *conn, json_t **ret)
{
    uint32_t length;
    int r = bytes_read(conn, (char *)&length, sizeof(length));

    if (r < 0)
        return r;
    /* Before a byte of memory is taken for it. */
    length = ntohl(length);
    if (length == 0 || length > MESSAGE_BYTES_MAX)
        return -EMSGSIZE;
    return body_read(conn, length, ret);
}

int message_write(struct vsock_conn *conn, const json_t *message)
{
    size_t length = json_dumpb(message, NULL, 0, JSON_COMPACT);
    uint32_t prefix = htonl((uint32_t)length);
    char *bytes;
    int r;

    if (length == 0 || length > MESSAGE_BYTES_MAX)
        return -EMSGSIZE;
    bytes = malloc(LENGTH_BYTES + length);
    if (!bytes)
        return -ENOMEM;
    memcpy(bytes, &prefix, LENGTH_BYTES);
    json_dumpb(message, bytes + LENGTH_BYTES, length, JSON_COMPACT);
    r = vsock_conn_write(conn, bytes, LENGTH_BYTES + length, NULL);
    free(bytes);
    return r;
}

/* JSON messages on a stream: a length of four bytes, big-endian, and that many bytes of JSON. */
#pragma once

#include <jansson.h>
#include <vsock.h>

#define MESSAGE_BYTES_MAX ((size_t)64 * 1024)

/* The next message, which is the caller's. -ENODATA: end-of-file in the place of one. -ECONNRESET:
 * it ended in the middle. -EMSGSIZE: its length is 0 or too large. -EBADMSG: it is no JSON.
 * -ENOMEM. Others as of vsock_conn_read(). After an error there is no telling where a next one
 * would begin.
 */
int message_read(struct vsock_conn *conn, json_t **ret);

/* -EMSGSIZE, -ENOMEM, and as of vsock_conn_write(). */
int message_write(struct vsock_conn *conn, const json_t *message);

/* The VMM's half of the vsock-mux handshake, in all the ways that VMMs have of it (FACTS.md 4). */
#include "tests/fake/end.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PIECE_PAUSE_NS_MAX 300000

static const char *answer_of(enum fake_mux mux)
{
    switch (mux) {
    case FAKE_MUX_OK:
    case FAKE_MUX_OK_IN_PIECES:
    case FAKE_MUX_OK_WITH_DATA: return "OK 1073741824\n";
    case FAKE_MUX_BREAKS_OFF: return "OK 10";
    case FAKE_MUX_GARBAGE: return "HTTP/1.1 400 Bad Request\r\n\r\n";
    case FAKE_MUX_TOO_LONG: return "OK 10737418240\n";
    default: return "";
    }
}

/* The request must be the whole of what comes before the answer. */
static void check_request(struct fake_end *end)
{
    char expected[64];

    snprintf(expected, sizeof(expected), "CONNECT %u\n", end->script.mux_port);
    if (end->request_length > strlen(expected) ||
        memcmp(end->request, expected, end->request_length) != 0)
        fake_fail(end->fake, "the VMM was sent '%.*s' and not '%s'", (int)end->request_length,
                  end->request, expected);
}

static void end_seen(struct fake_end *end, long result)
{
    end->record.saw_end = result == 0;
    end->record.saw_reset = result < 0;
    end->record.finished_ns = end->fake->now_ns;
    end_leave(end, FAKE_CLOSE);
}

bool end_mux_read(struct fake_end *end)
{
    size_t room = sizeof(end->request) - end->request_length;
    long result = net_receive(end->socket, end->request + end->request_length, room, false);

    if (result == -EAGAIN)
        return false;
    if (result <= 0) {
        end_seen(end, result);
        return false;
    }
    if (end->answer)
        fake_fail(end->fake, "the VMM was sent %ld bytes before it said OK", result);
    end->request_length += (size_t)result;
    end->record.request_pieces++;
    check_request(end);
    if (end->request[end->request_length - 1] == '\n' && end->script.mux != FAKE_MUX_SILENT) {
        end->answer = answer_of(end->script.mux);
        end_write_after(end, end->script.mux_delay_ns);
    }
    return true;
}

/* The answer, and the guest's first bytes in the same piece. */
static size_t compose(struct fake_end *end, char *bytes, size_t room)
{
    size_t length = strlen(end->answer);

    memcpy(bytes, end->answer, length);
    if (end->script.mux == FAKE_MUX_OK_IN_PIECES)
        return random_size(&end->fake->random, length);
    while (end->script.mux == FAKE_MUX_OK_WITH_DATA && length < room &&
           end->record.written < end->script.bytes)
        bytes[length++] = (char)random_stream_byte(end->script.stream, end->record.written++);
    return length;
}

static void answered(struct fake_end *end)
{
    bool good = end->script.mux == FAKE_MUX_OK || end->script.mux == FAKE_MUX_OK_IN_PIECES ||
                end->script.mux == FAKE_MUX_OK_WITH_DATA;

    end->greeting = false;
    end->record.greeted = good;
    if (!good && end->script.mux != FAKE_MUX_GARBAGE && end->script.mux != FAKE_MUX_TOO_LONG)
        end_leave(end, FAKE_CLOSE);
    end->socket->wake(end->socket);
    if (good)
        end_write_soon(end, end->script.start_ns);
    else
        end->write_over = true;
}

void end_mux_write(struct fake_end *end)
{
    char bytes[64];
    size_t length = compose(end, bytes, sizeof(bytes));

    /* Whoever sends payload before it has read OK is seen here. */
    if (end->socket->arrived)
        fake_fail(end->fake, "the VMM was sent %zu bytes before it said OK", end->socket->arrived);
    if (length && net_send(end->socket, bytes, length) != (long)length) {
        end_seen(end, -EPIPE);
        return;
    }
    end->answer += length < strlen(end->answer) ? length : strlen(end->answer);
    if (*end->answer)
        end_write_soon(end, PIECE_PAUSE_NS_MAX);
    else
        answered(end);
}

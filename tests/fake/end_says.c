/* What a far end says before its stream and what it hears before the other one: of the initiators
 * of `mux:` listeners, CONNECT PORT and OK PORT. */
#include "tests/fake/end.h"

#include <errno.h>
#include <string.h>

/* What is left to say, and where it is to be so the first of the stream in the same piece. */
static size_t compose(const struct fake_end *end, char *bytes, size_t room)
{
    size_t length = strlen(end->says);

    memcpy(bytes, end->says, length);
    if (end->script.says_bytes_max && end->script.says_bytes_max < length)
        return random_size(&end->fake->random, end->script.says_bytes_max);
    if (!end->script.says_more)
        return length;
    uint64_t left = end->script.bytes - end->record.written;
    size_t more = left < room - length ? (size_t)left : room - length;
    end_fill(end, bytes + length, more);
    return length + more;
}

void end_says_write(struct fake_end *end)
{
    char bytes[128];
    size_t length = strlen(end->says);
    long result = net_send(end->socket, bytes, compose(end, bytes, sizeof(bytes)));

    if (result == -EAGAIN) {
        end->write_blocked = true;
        return;
    }
    if (result < 0) {
        end_write_failed(end, (int)result);
        return;
    }
    size_t said = (size_t)result < length ? (size_t)result : length;
    end->record.written += (size_t)result - said;
    end->says = said < length ? end->says + said : NULL;
    if (end->says)
        end_write_soon(end, end->script.says_pause_ns_max);
    else if (end->script.says_more || !end->hears)
        end_write_after(end, end->script.start_ns);
}

static void heard(struct fake_end *end)
{
    end->hears = NULL;
    end->record.heard_ns = end->fake->now_ns;
    if (!end->script.says_more)
        end_write_after(end, end->script.start_ns);
}

bool end_hears_read(struct fake_end *end)
{
    char bytes[128];
    size_t length = strlen(end->hears);
    long result = net_receive(end->socket, bytes, random_size(&end->fake->random, length), false);

    if (result == -EAGAIN)
        return false;
    if (result <= 0) {
        end->write_over |= !end->script.says_more;
        end_finished_reading(end, (int)result);
        return false;
    }
    if (memcmp(bytes, end->hears, (size_t)result) != 0)
        fake_fail(end->fake, "far end %u was told '%.*s' where '%s' is to come",
                  end->socket->number, (int)result, bytes, end->hears);
    end->hears += result;
    if (!*end->hears)
        heard(end);
    return true;
}

/* Lines out of a stream. */
#include "lines.h"

#include <errno.h>
#include <string.h>

int lines_next(struct lines *lines, char **ret)
{
    char *newline;

    lines->received -= lines->handed_out;
    memmove(lines->bytes, lines->bytes + lines->handed_out, lines->received);
    lines->handed_out = 0;

    while (!(newline = memchr(lines->bytes, '\n', lines->received))) {
        size_t room = sizeof(lines->bytes) - lines->received;
        if (room == 0)
            return -EMSGSIZE;
        ssize_t count = vsock_conn_read(lines->conn, lines->bytes + lines->received, room);
        if (count < 0)
            return (int)count;
        if (count == 0)
            return lines->received == 0 ? 0 : -ECONNRESET;
        lines->received += (size_t)count;
    }
    *newline = '\0';
    lines->handed_out = (size_t)(newline - lines->bytes) + 1;
    *ret = lines->bytes;
    return 1;
}

void line_clean(char *line)
{
    for (; *line; line++) {
        if (*line < ' ' || *line > '~')
            *line = '?';
    }
}

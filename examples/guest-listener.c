/* guest-listener ENDPOINT [SECONDS]
 *
 * In a guest: listens, prints each line that it is sent, and answers it with a line that begins
 * with "ok" and tells what runs here. A connection has SECONDS in all.
 *
 *     guest-listener vsock:any:1024
 */
#include "endpoint.h"
#include "lines.h"
#include "serve.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

static int status_write(struct vsock_conn *conn)
{
    struct utsname name;
    char text[sizeof(name) + 8];

    uname(&name);
    snprintf(text, sizeof(text), "ok %s %s %s\n", name.sysname, name.release, name.machine);
    return vsock_conn_write(conn, text, strlen(text), NULL);
}

static void handle(struct vsock_conn *conn, uint64_t patience_ns)
{
    struct vsock_address remote = vsock_conn_remote_address(conn);
    char from[VSOCK_ADDRESS_TEXT_BYTES];
    struct lines lines = {.conn = conn};
    char *line;
    int r;

    vsock_address_format(&remote, from);
    /* For reads and writes: nobody can keep this thread for longer. */
    vsock_conn_set_deadline(conn, vsock_deadline_in(patience_ns));
    while ((r = lines_next(&lines, &line)) > 0) {
        line_clean(line);
        printf("%s: %s\n", from, line);
        r = status_write(conn);
        if (r < 0) {
            conn_complain(conn, "write", r);
            return;
        }
    }
    if (r < 0)
        conn_complain(conn, "read", r);
}

int main(int argc, char *argv[])
{
    return serve(argc, argv, handle);
}

/* Listeners on files: where a vsock-mux delivers, and Unix sockets in the place of vsock. Whose
 * file is it, when is it replaced, when removed. */
#include "tests/vsock/harness.h"
#include "vsock/vsock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

TestSuite(vsock_mux_listen, .init = harness_begin, .fini = harness_end);

static struct vsock_listener *const untouched = (struct vsock_listener *)4711;

/* Both listen on the file `vm_80`. */
static int listen_mux(struct vsock_listener **ret)
{
    return vsock_listen_mux(harness_path("vm"), 80, NULL, ret);
}

static int listen_unix(struct vsock_listener **ret)
{
    const struct vsock_address address = {VSOCK_CID_HOST, 80};
    return vsock_listen_unix(harness_path("vm_80"), &address, NULL, ret);
}

static int (*const ways[])(struct vsock_listener **ret) = {listen_mux, listen_unix};

static bool file_exists(void)
{
    struct stat stat;
    return lstat(harness_path("vm_80"), &stat) == 0;
}

static int unix_socket(const char *path, int (*call)(int, const struct sockaddr *, socklen_t))
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(name.sun_path, path);
    cr_assert_eq(call(fd, (struct sockaddr *)&name, sizeof(name)), 0, "%s", strerror(errno));
    return fd;
}

static void check_accepts(struct vsock_listener *listener)
{
    struct vsock_conn *conn;
    char bytes[5];
    int fd = unix_socket(harness_path("vm_80"), connect);

    cr_assert_eq(vsock_listener_accept(listener, &conn), 0);
    cr_assert_eq(send(fd, "guest", 5, 0), 5);
    cr_expect_eq(vsock_conn_read(conn, bytes, 5), 5);
    cr_expect_arr_eq(bytes, "guest", 5);
    vsock_conn_free(conn);
    close(fd);
}

Test(vsock_mux_listen, takes_what_the_guest_dials_to_the_port)
{
    struct vsock_listener *listener;
    struct vsock_conn *conn;

    cr_assert_eq(listen_mux(&listener), 0);
    cr_expect_eq(vsock_listener_address(listener).cid, VSOCK_CID_HOST);
    cr_expect_eq(vsock_listener_address(listener).port, 80);
    check_accepts(listener);

    int fd = unix_socket(harness_path("vm_80"), connect);
    cr_assert_eq(vsock_listener_accept(listener, &conn), 0);
    cr_expect_eq(vsock_conn_local_address(conn).cid, VSOCK_CID_HOST);
    cr_expect_eq(vsock_conn_local_address(conn).port, 80);
    cr_expect_eq(vsock_conn_remote_address(conn).cid, VSOCK_CID_ANY);
    cr_expect_eq(vsock_conn_remote_address(conn).port, VSOCK_PORT_ANY);
    vsock_conn_free(conn);
    close(fd);
    vsock_listener_free(listener);
}

Test(vsock_mux_listen, its_file_goes_when_it_is_closed_or_freed)
{
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        struct vsock_listener *listener;
        cr_assert_eq(ways[i](&listener), 0);
        cr_expect(file_exists());
        cr_assert_eq(vsock_listener_close(listener), 0);
        cr_expect_not(file_exists());
        vsock_listener_free(listener);
        cr_assert_eq(ways[i](&listener), 0);
        vsock_listener_free(listener);
        cr_expect_not(file_exists());
    }
}

Test(vsock_mux_listen, another_ones_file_stays)
{
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        struct vsock_listener *first, *second;
        cr_assert_eq(ways[i](&first), 0);
        cr_assert_eq(unlink(harness_path("vm_80")), 0);
        cr_assert_eq(ways[i](&second), 0);
        vsock_listener_free(first);
        cr_expect(file_exists());
        check_accepts(second);
        vsock_listener_free(second);
    }
}

Test(vsock_mux_listen, a_socket_that_nobody_serves_is_replaced)
{
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        struct vsock_listener *listener = NULL;
        close(unix_socket(harness_path("vm_80"), bind));
        int r = ways[i](&listener);
        cr_assert_eq(r, 0, "%s", strerror(-r));
        check_accepts(listener);
        vsock_listener_free(listener);
    }
}

Test(vsock_mux_listen, a_socket_that_somebody_serves_is_left_to_him)
{
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        struct vsock_listener *second = untouched;
        int first = unix_socket(harness_path("vm_80"), bind);
        cr_assert_eq(listen(first, 5), 0);
        cr_expect_eq(ways[i](&second), -EADDRINUSE);
        cr_expect_eq(second, untouched);
        close(unix_socket(harness_path("vm_80"), connect));
        close(first);
        unlink(harness_path("vm_80"));
    }
}

Test(vsock_mux_listen, a_socket_whose_backlog_is_full_is_left_to_him)
{
    struct vsock_listener *second = untouched;
    int first = unix_socket(harness_path("vm_80"), bind);

    cr_assert_eq(listen(first, 0), 0);
    int waiting = unix_socket(harness_path("vm_80"), connect);
    cr_expect_eq(listen_mux(&second), -EADDRINUSE);
    cr_expect(file_exists());
    close(waiting);
    close(first);
}

Test(vsock_mux_listen, a_file_that_is_no_socket_is_left_alone)
{
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        struct vsock_listener *listener = untouched;
        char bytes[8] = "";
        int fd = open(harness_path("vm_80"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        cr_assert_eq(write(fd, "mine", 4), 4);
        cr_expect_eq(ways[i](&listener), -EADDRINUSE);
        cr_expect_eq(listener, untouched);
        cr_expect_eq(pread(fd, bytes, sizeof(bytes), 0), 4);
        cr_expect_str_eq(bytes, "mine");
        cr_expect(file_exists());
        close(fd);
    }
}

Test(vsock_mux_listen, a_path_that_cannot_be_is_refused)
{
    const struct vsock_address address = {VSOCK_CID_HOST, 80};
    struct vsock_listener *listener = untouched;
    char path[109];

    memset(path, 'x', sizeof(path));
    path[108] = '\0'; /* 108 bytes do not fit with their NUL */
    cr_expect_eq(vsock_listen_unix(path, &address, NULL, &listener), -ENAMETOOLONG);
    path[105] = '\0'; /* with _80 the same */
    cr_expect_eq(vsock_listen_mux(path, 80, NULL, &listener), -ENAMETOOLONG);
    cr_expect_eq(vsock_listen_unix(harness_path("none/vm"), &address, NULL, &listener), -ENOENT);
    cr_expect_eq(listener, untouched);
}

Test(vsock_mux_listen, refuses_options_that_are_none_and_leaves_no_file)
{
    static const struct vsock_listen_options wrong[] = {
        {.type = SOCK_DGRAM}, {.type = SOCK_SEQPACKET}, {.reserved = {0, 0, 1, 0}}};

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct vsock_listener *listener = untouched;
        cr_expect_eq(vsock_listen_mux(harness_path("vm"), 80, &wrong[i], &listener), -EINVAL);
        cr_expect_eq(listener, untouched);
        cr_expect_not(file_exists());
    }
}

Test(vsock_mux_listen, a_port_must_be_named)
{
    struct vsock_listener *listener = untouched;

    cr_expect_eq(vsock_listen_mux(harness_path("vm"), VSOCK_PORT_ANY, NULL, &listener), -EINVAL);
    cr_expect_eq(vsock_listen_mux(harness_path("vm"), 0, NULL, &listener), -EINVAL);
    cr_expect_eq(listener, untouched);
}

int main(int argc, char **argv)
{
    return harness_main(argc, argv);
}

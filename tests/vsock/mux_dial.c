/* The vsock-mux dial against a responder that answers as told: whole, in pieces, wrongly, never. */
#include "tests/vsock/harness.h"
#include "vsock/vsock.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

TestSuite(vsock_mux_dial, .init = harness_begin, .fini = harness_end);

#define PIECES_MAX 16

static struct vsock_conn *const untouched = (struct vsock_conn *)4711;

/* Accepts once, receives once, sends the pieces, echoes until end-of-file where it `stays`. */
static struct responder {
    int listener;
    const char *pieces[PIECES_MAX];
    bool stays;
    char request[64];
    struct waiter waiter;
} responder;

static ssize_t respond(void *argument)
{
    char bytes[256];
    ssize_t length;
    int fd = accept(responder.listener, NULL, NULL);

    recv(fd, responder.request, sizeof(responder.request) - 1, 0);
    for (unsigned i = 0; i < PIECES_MAX && responder.pieces[i]; i++) {
        usleep(i > 0 ? 3000 : 0);
        send(fd, responder.pieces[i], strlen(responder.pieces[i]), MSG_NOSIGNAL);
    }
    while (responder.stays && (length = recv(fd, bytes, sizeof(bytes), 0)) > 0)
        send(fd, bytes, (size_t)length, MSG_NOSIGNAL);
    close(fd);
    return 0;
}

static int unix_listener(const char *path, int backlog)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(name.sun_path, path);
    cr_assert_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    cr_assert_eq(listen(fd, backlog), 0);
    return fd;
}

static const char *mux_path(void)
{
    return harness_path("vm");
}

static void responder_start(bool stays)
{
    responder.stays = stays;
    responder.listener = unix_listener(mux_path(), 5);
    waiter_start(&responder.waiter, respond, NULL);
}

static void responder_end(void)
{
    waiter_join(&responder.waiter);
    close(responder.listener);
    unlink(mux_path());
    memset(&responder, 0, sizeof(responder));
}

static void check_echoes(struct vsock_conn *conn)
{
    char bytes[5];

    cr_assert_eq(vsock_conn_write(conn, "hello", 5, NULL), 0);
    for (ssize_t done = 0, r; done < 5; done += r) {
        r = vsock_conn_read(conn, bytes + done, (size_t)(5 - done));
        cr_assert_gt(r, 0);
    }
    cr_expect_arr_eq(bytes, "hello", 5);
}

static struct vsock_conn *dial(uint32_t port)
{
    struct vsock_conn *conn = NULL;
    int r = vsock_dial_mux(mux_path(), port, NULL, &conn);
    cr_assert_eq(r, 0, "%s", strerror(-r));
    return conn;
}

/* In one piece: the responder receives but once. */
Test(vsock_mux_dial, says_connect_and_the_port_in_one_piece)
{
    static const struct {
        uint32_t port;
        const char *request;
    } requests[] = {
        {0, "CONNECT 0\n"}, {1024, "CONNECT 1024\n"}, {UINT32_MAX - 1, "CONNECT 4294967294\n"}};

    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        responder.pieces[0] = "OK 1073741824\n";
        responder_start(true);
        struct vsock_conn *conn = dial(requests[i].port);
        check_echoes(conn);
        cr_expect_str_eq(responder.request, requests[i].request);
        vsock_conn_free(conn);
        responder_end();
    }
}

Test(vsock_mux_dial, takes_the_answer_whole_or_in_pieces)
{
    static const char *const answers[][PIECES_MAX] = {
        {"OK 0\n"},
        {"OK 9999999999\n"},
        {"OK ", "80\n"},
        {"OK 80", "\n"},
        {"O", "K", " ", "1", "0", "7", "3", "7", "4", "1", "8", "2", "4", "\n"},
    };

    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        memcpy(responder.pieces, answers[i], sizeof(answers[i]));
        responder_start(true);
        struct vsock_conn *conn = dial(80);
        check_echoes(conn);
        vsock_conn_free(conn);
        responder_end();
    }
}

Test(vsock_mux_dial, consumes_no_byte_behind_the_answer)
{
    static const char *const answers[][PIECES_MAX] = {
        {"OK 80\nSSH-2.0\nOK 1\n"},         {"OK 1073741824\nSSH-2.0\nOK 1\n"},
        {"OK 8", "0\nSSH-2.0\nOK 1\n"},     {"OK 80\nS", "SH-2.0\nOK 1\n"},
        {"OK 80", "\nSSH-2.0\n", "OK 1\n"},
    };
    static const char behind[] = "SSH-2.0\nOK 1\n";

    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        char bytes[64];
        size_t have = 0;
        ssize_t r;
        memcpy(responder.pieces, answers[i], sizeof(answers[i]));
        responder_start(false);
        struct vsock_conn *conn = dial(80);
        while ((r = vsock_conn_read(conn, bytes + have, sizeof(bytes) - have)) > 0)
            have += (size_t)r;
        cr_expect_eq(r, 0);
        cr_expect(have == strlen(behind) && memcmp(bytes, behind, have) == 0, "'%.*s'", (int)have,
                  bytes);
        vsock_conn_free(conn);
        responder_end();
    }
}

Test(vsock_mux_dial, knows_the_host_and_the_port)
{
    responder.pieces[0] = "OK 1073741824\n";
    responder_start(true);
    struct vsock_conn *conn = dial(80);
    cr_expect_eq(vsock_conn_local_address(conn).cid, VSOCK_CID_HOST);
    cr_expect_eq(vsock_conn_local_address(conn).port, VSOCK_PORT_ANY);
    cr_expect_eq(vsock_conn_remote_address(conn).cid, VSOCK_CID_ANY);
    cr_expect_eq(vsock_conn_remote_address(conn).port, 80);
    vsock_conn_free(conn);
    responder_end();
}

Test(vsock_mux_dial, an_answer_that_is_none_fails)
{
    static const struct {
        const char *pieces[PIECES_MAX];
        bool stays;
        int error;
    } answers[] = {
        {{NULL}, false, -ECONNREFUSED},
        {{"OK 8"}, false, -ECONNREFUSED},
        {{"ERROR\n"}, true, -EPROTO},
        {{"ERROR\n"}, false, -EPROTO},
        {{"OK", "AY\n"}, true, -EPROTO},
        {{"OK \n"}, true, -EPROTO},
        {{"OK 80\r\n"}, true, -EPROTO},
        {{"OK 12345678901\n"}, true, -EPROTO},
        {{"OK 12345", "67890", "1"}, true, -EPROTO},
        {{"HTTP/1.1 400 Bad Request\r\n\r\n"}, true, -EPROTO},
    };

    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct vsock_conn *conn = untouched;
        memcpy(responder.pieces, answers[i].pieces, sizeof(responder.pieces));
        responder_start(answers[i].stays);
        int r = vsock_dial_mux(mux_path(), 80, NULL, &conn);
        cr_expect_eq(r, answers[i].error, "answer %zu: %s", i, strerror(-r));
        cr_expect_eq(conn, untouched);
        responder_end();
    }
}

Test(vsock_mux_dial, ends_at_its_timeout_where_the_answer_does_not_come)
{
    static const char *const answers[][PIECES_MAX] = {{NULL}, {"O"}, {"OK 80"}};
    struct vsock_dial_options options = {.timeout_ns = 100 * MS};

    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct vsock_conn *conn = untouched;
        memcpy(responder.pieces, answers[i], sizeof(answers[i]));
        responder_start(true);
        uint64_t begin = harness_now();
        cr_expect_eq(vsock_dial_mux(mux_path(), 80, &options, &conn), -ETIMEDOUT);
        uint64_t took = harness_now() - begin;
        cr_expect(took >= 100 * MS && took < LATE_NS, "%ju ns", (uintmax_t)took);
        cr_expect_eq(conn, untouched);
        responder_end();
    }
}

/* The timeout is for all of it: each byte comes in time, the answer does not. */
Test(vsock_mux_dial, ends_at_its_timeout_where_the_answer_drips)
{
    struct vsock_dial_options options = {.timeout_ns = 15 * MS};
    struct vsock_conn *conn = untouched;

    for (unsigned i = 0; i < PIECES_MAX; i++)
        responder.pieces[i] = i == 0 ? "O" : i == 1 ? "K" : i == 2 ? " " : i < 13 ? "1" : "";
    responder_start(true);
    cr_expect_eq(vsock_dial_mux(mux_path(), 80, &options, &conn), -ETIMEDOUT);
    responder_end();
}

Test(vsock_mux_dial, ends_at_its_timeout_where_nobody_accepts)
{
    struct vsock_dial_options options = {.timeout_ns = 50 * MS};
    struct vsock_conn *conn = untouched;
    int listener = unix_listener(mux_path(), 0);

    for (unsigned i = 0; i < 3; i++)
        cr_expect_eq(vsock_dial_mux(mux_path(), 80, &options, &conn), -ETIMEDOUT);
    close(listener);
}

static ssize_t dial_with(void *options)
{
    struct vsock_conn *conn = untouched;
    return vsock_dial_mux(mux_path(), 80, options, &conn);
}

Test(vsock_mux_dial, can_be_cancelled_while_it_waits_for_the_answer)
{
    struct vsock_dial_options options = {0};
    struct waiter waiter;

    cr_assert_eq(vsock_cancel_new(&options.cancel), 0);
    responder_start(true);
    waiter_start(&waiter, dial_with, &options);
    waiter_await_sleep(&waiter);
    vsock_cancel_ask(options.cancel);
    cr_expect_eq(waiter_join(&waiter), -ECANCELED);
    responder_end();
    vsock_cancel_free(options.cancel);
}

Test(vsock_mux_dial, a_path_that_nobody_serves_is_refused)
{
    struct vsock_conn *conn = untouched;
    char path[256];

    cr_expect_eq(vsock_dial_mux(mux_path(), 80, NULL, &conn), -ENOENT);
    close(unix_listener(mux_path(), 1));
    cr_expect_eq(vsock_dial_mux(mux_path(), 80, NULL, &conn), -ECONNREFUSED);
    memset(path, 'x', sizeof(path));
    path[sizeof(path) - 1] = '\0';
    cr_expect_eq(vsock_dial_mux(path, 80, NULL, &conn), -ENAMETOOLONG);
    cr_expect_eq(conn, untouched);
}

Test(vsock_mux_dial, refuses_options_that_are_none)
{
    static const struct vsock_dial_options wrong[] = {
        {.type = SOCK_SEQPACKET}, {.type = SOCK_DGRAM}, {.reserved = {0, 1, 0, 0}}};
    int listener = unix_listener(mux_path(), 5);

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct vsock_conn *conn = untouched;
        cr_expect_eq(vsock_dial_mux(mux_path(), 80, &wrong[i], &conn), -EINVAL, "options %zu", i);
        cr_expect_eq(conn, untouched);
    }
    close(listener);
}

int main(int argc, char **argv)
{
    return harness_main(argc, argv);
}

/* One end, on libvsock, for commands from standard input; end.go is the same on mdlayher/vsock.
 *
 * A command is a line, and so is its answer: "ok WORD...", "eof", or "failed ERRNO TEXT". An end
 * has at most one listener and one connection; a new one takes the old one's place. Deadlines are
 * milliseconds from now on, 0 is none. Exit status 77: there is no AF_VSOCK loopback, so this may
 * be no place for tests. */
#include "tests/interop/stream.h"
#include "tests/interop/visits.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/vm_sockets.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WORDS_MAX 5
#define MS        UINT64_C(1000000)
#define BLOCKS_MS 200 /* a thread that was started stands in its call by then */

/* What a command does, and it prints the answer. */
typedef void command_run(char **words);

static struct vsock_listener *listener;
static struct stream stream;

static uint64_t number(const char *word)
{
    return strtoull(word, NULL, 10);
}

static uint64_t deadline(const char *ms)
{
    return number(ms) == 0 ? VSOCK_NO_DEADLINE : vsock_deadline_in(number(ms) * MS);
}

static const char *text_of(struct vsock_address address, char text[VSOCK_ADDRESS_TEXT_BYTES])
{
    vsock_address_format(&address, text);
    return text;
}

/* ---- Answers ---- */

static void failed(const char *operation, const struct vsock_address *local,
                   const struct vsock_address *remote, int error)
{
    char text[256];
    vsock_error_describe(operation, local, remote, error, text, sizeof(text));
    printf("failed %s %s\n", strerrorname_np(-error), text);
}

static void listener_answer(const char *operation, int error)
{
    char text[VSOCK_ADDRESS_TEXT_BYTES];
    struct vsock_address address = vsock_listener_address(listener);

    if (error != 0)
        failed(operation, &address, NULL, error);
    else
        printf("ok %s\n", text_of(address, text));
}

static void conn_answer(const char *operation, int error)
{
    struct vsock_address local = vsock_conn_local_address(stream.conn);
    struct vsock_address remote = vsock_conn_remote_address(stream.conn);
    char texts[2][VSOCK_ADDRESS_TEXT_BYTES];

    if (error == STREAM_EOF)
        puts("eof");
    else if (error != 0)
        failed(operation, &local, &remote, error);
    else
        printf("ok %s %s\n", text_of(local, texts[0]), text_of(remote, texts[1]));
}

/* ---- Listeners ---- */

/* listen CID|own PORT */
static void do_listen(char **words)
{
    bool own = strcmp(words[1], "own") == 0;
    struct vsock_address asked = {(uint32_t)number(words[1]), (uint32_t)number(words[2])};
    struct vsock_listener *made;

    if (own)
        vsock_context_id(&asked.cid);
    int error = own ? vsock_listen(asked.port, NULL, &made)
                    : vsock_listen_cid(asked.cid, asked.port, NULL, &made);
    if (error != 0) {
        failed("listen", &asked, NULL, error);
        return;
    }
    vsock_listener_free(listener);
    listener = made;
    listener_answer("listen", 0);
}

/* inherit FD: the descriptor stays open */
static void do_inherit(char **words)
{
    struct vsock_listener *made;

    int error = vsock_listener_from_fd((int)number(words[1]), &made);
    if (error != 0) {
        failed("listen", NULL, NULL, error);
        return;
    }
    vsock_listener_free(listener);
    listener = made;
    listener_answer("listen", 0);
}

static void do_accept(char **words)
{
    struct vsock_conn *conn;
    int error = vsock_listener_accept(listener, &conn);
    if (error != 0) {
        listener_answer("accept", error);
        return;
    }
    stream_begin(&stream, conn);
    conn_answer("accept", 0);
}

static void do_accept_deadline(char **words)
{
    listener_answer("set", vsock_listener_set_deadline(listener, deadline(words[1])));
}

static void do_close_listener(char **words)
{
    listener_answer("close", vsock_listener_close(listener));
}

/* ---- Connections ---- */

/* dial CID PORT */
static void do_dial(char **words)
{
    struct vsock_address asked = {(uint32_t)number(words[1]), (uint32_t)number(words[2])};
    struct vsock_conn *conn;

    int error = vsock_dial(asked.cid, asked.port, NULL, &conn);
    if (error != 0) {
        failed("dial", NULL, &asked, error);
        return;
    }
    stream_begin(&stream, conn);
    conn_answer("dial", 0);
}

static void do_send(char **words)
{
    conn_answer("write", stream_send(&stream, number(words[1])));
}

static void do_receive(char **words)
{
    conn_answer("read", stream_receive(&stream, number(words[1])));
}

/* exchange COUNT: sent and received at once */
static void do_exchange(char **words)
{
    conn_answer("exchange", stream_exchange(&stream, number(words[1])));
}

/* totals: sent and received, COUNT HASH each */
static void do_totals(char **words)
{
    printf("ok %" PRIu64 " %016" PRIx64 " %" PRIu64 " %016" PRIx64 "\n", stream.sent.count,
           stream.sent.hash, stream.received.count, stream.received.hash);
}

static void do_close_write(char **words)
{
    conn_answer("close", vsock_conn_close_write(stream.conn));
}

static void do_close_read(char **words)
{
    conn_answer("close", vsock_conn_close_read(stream.conn));
}

static void do_close(char **words)
{
    conn_answer("close", vsock_conn_close(stream.conn));
}

static void do_deadline(char **words)
{
    conn_answer("set", vsock_conn_set_deadline(stream.conn, deadline(words[1])));
}

static void do_read_deadline(char **words)
{
    conn_answer("set", vsock_conn_set_read_deadline(stream.conn, deadline(words[1])));
}

static void do_write_deadline(char **words)
{
    conn_answer("set", vsock_conn_set_write_deadline(stream.conn, deadline(words[1])));
}

/* ---- What ends a call that waits in another thread ---- */

static void *run_waiting(void *run)
{
    (*(command_run **)run)((char *[]){NULL, "1"});
    return NULL;
}

static void wake(command_run *waits, void (*wakes)(void))
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, run_waiting, &waits) != 0)
        abort();
    usleep(BLOCKS_MS * 1000);
    wakes();
    pthread_join(thread, NULL);
}

static void close_listener(void)
{
    vsock_listener_close(listener);
}

static void close_conn(void)
{
    vsock_conn_close(stream.conn);
}

static void pass_deadline(void)
{
    vsock_conn_set_read_deadline(stream.conn, vsock_deadline_in(0));
}

/* These answer as the call does that waited. */
static void do_accept_and_close(char **words)
{
    wake(do_accept, close_listener);
}

static void do_receive_and_close(char **words)
{
    wake(do_receive, close_conn);
}

static void do_receive_and_deadline(char **words)
{
    wake(do_receive, pass_deadline);
}

/* ---- Many connections ---- */

/* serve COUNT */
static void do_serve(char **words)
{
    listener_answer("serve", visits_serve(listener, number(words[1])));
}

/* visit CID PORT COUNT THREADS */
static void do_visit(char **words)
{
    struct vsock_address remote = {(uint32_t)number(words[1]), (uint32_t)number(words[2])};

    int error = visits_make(remote.cid, remote.port, number(words[3]), (unsigned)number(words[4]));
    if (error != 0)
        failed("visit", NULL, &remote, error);
    else
        puts("ok");
}

/* ---- Words ---- */

/* parse ADDRESS: as libvsock prints it */
static void do_parse(char **words)
{
    struct vsock_address address;
    char text[VSOCK_ADDRESS_TEXT_BYTES];

    int error = vsock_address_parse(words[1], &address, NULL);
    if (error != 0)
        printf("failed %s %s\n", strerrorname_np(-error), words[1]);
    else
        printf("ok %s\n", text_of(address, text));
}

static void do_context_id(char **words)
{
    uint32_t cid;

    int error = vsock_context_id(&cid);
    if (error != 0)
        failed("context-id", NULL, NULL, error);
    else
        printf("ok %" PRIu32 "\n", cid);
}

static const struct {
    const char *name;
    int words;
    command_run *run;
} commands[] = {
    {"listen", 3, do_listen},
    {"inherit", 2, do_inherit},
    {"accept", 1, do_accept},
    {"accept-deadline", 2, do_accept_deadline},
    {"close-listener", 1, do_close_listener},
    {"dial", 3, do_dial},
    {"send", 2, do_send},
    {"receive", 2, do_receive},
    {"exchange", 2, do_exchange},
    {"totals", 1, do_totals},
    {"close-write", 1, do_close_write},
    {"close-read", 1, do_close_read},
    {"close", 1, do_close},
    {"deadline", 2, do_deadline},
    {"read-deadline", 2, do_read_deadline},
    {"write-deadline", 2, do_write_deadline},
    {"accept-and-close", 1, do_accept_and_close},
    {"receive-and-close", 1, do_receive_and_close},
    {"receive-and-deadline", 1, do_receive_and_deadline},
    {"serve", 2, do_serve},
    {"visit", 5, do_visit},
    {"parse", 2, do_parse},
    {"context-id", 1, do_context_id},
};

static void run(char *line)
{
    char *words[WORDS_MAX];
    int n = 0;

    for (char *word = strtok(line, " \n"); word != NULL && n < WORDS_MAX;
         word = strtok(NULL, " \n"))
        words[n++] = word;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (n == commands[i].words && strcmp(words[0], commands[i].name) == 0) {
            commands[i].run(words);
            return;
        }
    }
    puts("failed EINVAL no such command");
}

static void prove_loopback(void)
{
    const struct sockaddr_vm local = {
        .svm_family = AF_VSOCK,
        .svm_cid = VMADDR_CID_LOCAL,
        .svm_port = VMADDR_PORT_ANY,
    };

    int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&local, sizeof(local)) < 0) {
        printf("SKIP: end: no AF_VSOCK loopback here: %s\n", strerror(errno));
        exit(77);
    }
    close(fd);
}

int main(void)
{
    char line[256];

    setvbuf(stdout, NULL, _IOLBF, 0);
    prove_loopback();
    while (fgets(line, sizeof(line), stdin) != NULL)
        run(line);
    stream_end(&stream);
    vsock_listener_free(listener);
    return 0;
}

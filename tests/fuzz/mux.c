/* The vsock-mux handshake against a VMM that says anything.
 *
 * vsock_mux_reply_scan() says of every beginning of the bytes what a plain reading of the grammar
 * says. vsock_dial_mux(), answered with the same bytes in pieces and then end-of-file, gives a
 * connection that reads exactly what stands behind the answer, or the error that they deserve, and
 * leaves no descriptor behind.
 *
 * An input is a struct plan and the bytes that the VMM says.
 */
#include "tests/fuzz/fuzz.h"

#include <vsock.h>

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define TIMEOUT_NS      UINT64_C(60000000000)
#define PIECES          4
#define DESCRIPTORS_MAX 256
#define YIELDS_MAX      100

enum {
    PLAN_TIMEOUT = 1, /* with a timeout that does not pass */
    PLAN_CANCEL = 2,  /* with a cancel that is not asked */
};

struct plan {
    uint8_t flags;
    uint8_t pieces[PIECES]; /* lengths, over and over; 0: the rest */
    uint8_t port[4];
};

/* The VMM: a thread that serves one connection after the other, as the plan of the time says. */
static struct {
    char folder[80];
    struct sockaddr_un address;
    int listening;
    pthread_t thread;
    sem_t served;
    struct plan plan;
    uint32_t port;
    const char *bytes;
    size_t length;
} vmm;

static struct vsock_cancel *cancel;

/* ---- The grammar: OK, a space, one to ten digits, a newline ---- */

static int reply_expected(const char *bytes, size_t length)
{
    static const char greeting[] = "OK ";
    const size_t number = strlen(greeting), number_max = 10;
    size_t digits = 0;

    if (memcmp(bytes, greeting, length < number ? length : number) != 0)
        return -EPROTO;
    if (length <= number)
        return -EAGAIN;
    while (number + digits < length && bytes[number + digits] >= '0' &&
           bytes[number + digits] <= '9')
        digits++;
    if (digits > number_max)
        return -EPROTO;
    if (number + digits == length)
        return -EAGAIN;
    return digits > 0 && bytes[number + digits] == '\n' ? (int)(number + digits) + 1 : -EPROTO;
}

/* Every beginning in memory of its exact size: a byte read behind it is seen. */
static void scans(const char *bytes, size_t length)
{
    size_t longest =
        length < VSOCK_MUX_REPLY_BYTES_MAX + 2 ? length : VSOCK_MUX_REPLY_BYTES_MAX + 2;

    for (size_t part = 0; part <= longest; part++) {
        char *begin = memory(part);
        memcpy(begin, bytes, part);
        must(vsock_mux_reply_scan(begin, part) == reply_expected(bytes, part));
        free(begin);
    }
    must(vsock_mux_reply_scan(bytes, length) == reply_expected(bytes, length));
}

/* ---- The VMM ---- */

/* The request comes in one piece. */
static void vmm_request_receive(int fd)
{
    char request[2 * VSOCK_MUX_REQUEST_BYTES], expected[VSOCK_MUX_REQUEST_BYTES + 1];

    ssize_t got = recv(fd, request, sizeof(request), 0);
    int length = snprintf(expected, sizeof(expected), "CONNECT %u\n", vmm.port);
    must(got == length);
    must(memcmp(request, expected, (size_t)length) == 0);
}

/* Gives the dialer the time to take a piece before the next: usually it does. How often it looks is
 * chance, and nothing for the fuzzer to learn from. */
__attribute__((no_sanitize("coverage"))) static void vmm_piece_let_pass(int fd)
{
    int unread = 0;

    for (int i = 0; i < YIELDS_MAX; i++) {
        if (ioctl(fd, SIOCOUTQ, &unread) < 0 || unread == 0)
            return;
        sched_yield();
    }
}

static void vmm_answer_send(int fd)
{
    size_t sent = 0;

    for (size_t i = 0; sent < vmm.length; i++) {
        size_t piece = vmm.plan.pieces[i % PIECES];
        if (piece == 0 || piece > vmm.length - sent)
            piece = vmm.length - sent;
        ssize_t r = send(fd, vmm.bytes + sent, piece, MSG_NOSIGNAL);
        if (r < 0)
            return; /* the dialer had enough */
        sent += (size_t)r;
        /* Behind the newline nobody reads before the dial is over. */
        if (reply_expected(vmm.bytes, sent) == -EAGAIN)
            vmm_piece_let_pass(fd);
    }
}

static void *vmm_main(void *nothing)
{
    (void)nothing;
    for (;;) {
        int fd = accept4(vmm.listening, NULL, NULL, SOCK_CLOEXEC);
        must(fd >= 0);
        vmm_request_receive(fd);
        vmm_answer_send(fd);
        must(close(fd) == 0);
        must(sem_post(&vmm.served) == 0);
    }
}

/* ---- The dial ---- */

static unsigned descriptors_open(void)
{
    struct pollfd all[DESCRIPTORS_MAX];
    unsigned open = 0;

    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
        all[fd] = (struct pollfd){.fd = fd};
    must(poll(all, DESCRIPTORS_MAX, 0) >= 0);
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
        open += !(all[fd].revents & POLLNVAL);
    return open;
}

static void reads_exactly(struct vsock_conn *conn, const char *bytes, size_t length)
{
    char *got = memory(length + 1);
    size_t have = 0;
    ssize_t r;

    while ((r = vsock_conn_read(conn, got + have, length + 1 - have)) > 0)
        have += (size_t)r;
    must(r == 0);
    must(have == length);
    must(memcmp(got, bytes, length) == 0);
    free(got);
}

static void dials(const char *bytes, size_t length)
{
    struct vsock_dial_options options = {
        .timeout_ns = vmm.plan.flags & PLAN_TIMEOUT ? TIMEOUT_NS : 0,
        .cancel = vmm.plan.flags & PLAN_CANCEL ? cancel : NULL,
    };
    struct vsock_conn *const untouched = (struct vsock_conn *)&vmm, *conn = untouched;
    unsigned open = descriptors_open();
    int expected = reply_expected(bytes, length);

    int r = vsock_dial_mux(vmm.address.sun_path, vmm.port, &options, &conn);
    if (expected > 0) {
        must(r == 0);
        must(conn != untouched);
        reads_exactly(conn, bytes + expected, length - (size_t)expected);
        vsock_conn_free(conn);
    } else {
        must(conn == untouched);
        /* Closed without a word it is a refusal; an answer that breaks off may be either. */
        must(r == -EPROTO || (r == -ECONNREFUSED && expected == -EAGAIN));
        must(r == -ECONNREFUSED || length > 0);
    }
    while (sem_wait(&vmm.served) < 0)
        must(errno == EINTR);
    must(descriptors_open() == open);
}

/* ---- What libFuzzer calls ---- */

static void clean_up(void)
{
    unlink(vmm.address.sun_path);
    rmdir(vmm.folder);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *parent = getenv("TMPDIR");

    (void)argc, (void)argv;
    int length =
        snprintf(vmm.folder, sizeof(vmm.folder), "%s/fuzz-mux-XXXXXX", parent ? parent : "/tmp");
    must(length < (int)sizeof(vmm.folder));
    must(mkdtemp(vmm.folder));
    must(atexit(clean_up) == 0);
    vmm.address.sun_family = AF_UNIX;
    snprintf(vmm.address.sun_path, sizeof(vmm.address.sun_path), "%s/vsock", vmm.folder);
    vmm.listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(vmm.listening >= 0);
    must(bind(vmm.listening, (struct sockaddr *)&vmm.address, sizeof(vmm.address)) == 0);
    must(listen(vmm.listening, 1) == 0);
    must(sem_init(&vmm.served, 0, 0) == 0);
    must(pthread_create(&vmm.thread, NULL, vmm_main, NULL) == 0);
    must(vsock_cancel_new(&cancel) == 0);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < sizeof(vmm.plan))
        return 0;
    memcpy(&vmm.plan, data, sizeof(vmm.plan));
    memcpy(&vmm.port, vmm.plan.port, sizeof(vmm.port));
    vmm.length = size - sizeof(vmm.plan);

    /* Of its exact size. */
    char *bytes = memory(vmm.length);
    memcpy(bytes, data + sizeof(vmm.plan), vmm.length);
    vmm.bytes = bytes;
    scans(bytes, vmm.length);
    dials(bytes, vmm.length);
    free(bytes);
    return 0;
}

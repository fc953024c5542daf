#include "tests/interop/visits.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

struct visits {
    struct vsock_listener *listener; /* NULL: dials */
    uint32_t cid, port;
    uint64_t count;
    atomic_uint_fast64_t begun;
    atomic_int error; /* the first */
};

static int read_number(struct vsock_conn *conn, uint64_t *ret)
{
    unsigned char bytes[sizeof(*ret)];
    size_t have = 0;

    while (have < sizeof(bytes)) {
        ssize_t length = vsock_conn_read(conn, bytes + have, sizeof(bytes) - have);
        if (length <= 0)
            return length == 0 ? -EBADMSG : (int)length;
        have += (size_t)length;
    }
    memcpy(ret, bytes, sizeof(*ret));
    return 0;
}

static int expect_end(struct vsock_conn *conn)
{
    char byte;
    ssize_t length = vsock_conn_read(conn, &byte, 1);
    return length > 0 ? -EBADMSG : (int)length;
}

static int answer(struct vsock_conn *conn)
{
    uint64_t number = 0;
    int error = read_number(conn, &number);
    if (error != 0)
        return error;
    number = ~number;
    error = vsock_conn_write(conn, &number, sizeof(number), NULL);
    if (error == 0)
        error = vsock_conn_close_write(conn);
    return error != 0 ? error : expect_end(conn);
}

static int visit(struct vsock_conn *conn, uint64_t number)
{
    uint64_t answer = 0;
    int error = vsock_conn_write(conn, &number, sizeof(number), NULL);
    if (error == 0)
        error = read_number(conn, &answer);
    if (error != 0)
        return error;
    return answer == ~number ? expect_end(conn) : -EBADMSG;
}

static int one(struct visits *visits, uint64_t number)
{
    struct vsock_conn *conn;
    int error = visits->listener != NULL ? vsock_listener_accept(visits->listener, &conn)
                                         : vsock_dial(visits->cid, visits->port, NULL, &conn);
    if (error != 0)
        return error;
    error = visits->listener != NULL ? answer(conn) : visit(conn, number);
    vsock_conn_free(conn);
    return error;
}

static void *some(void *argument)
{
    struct visits *visits = argument;

    for (;;) {
        uint64_t number = atomic_fetch_add(&visits->begun, 1);
        if (number >= visits->count)
            return NULL;
        int error = one(visits, number);
        int none = 0;
        if (error != 0)
            atomic_compare_exchange_strong(&visits->error, &none, error);
    }
}

static int all(struct visits *visits, unsigned threads)
{
    pthread_t started[VISITS_THREADS_MAX];
    unsigned n = 0;
    int error = 0;

    if (threads > VISITS_THREADS_MAX)
        return -EINVAL;
    while (n < threads && error == 0) {
        error = -pthread_create(&started[n], NULL, some, visits);
        if (error == 0)
            n++;
    }
    for (unsigned i = 0; i < n; i++)
        pthread_join(started[i], NULL);
    return error != 0 ? error : atomic_load(&visits->error);
}

int visits_serve(struct vsock_listener *listener, uint64_t count)
{
    return all(&(struct visits){.listener = listener, .count = count}, VISITS_THREADS_MAX);
}

int visits_make(uint32_t cid, uint32_t port, uint64_t count, unsigned threads)
{
    return all(&(struct visits){.cid = cid, .port = port, .count = count}, threads);
}

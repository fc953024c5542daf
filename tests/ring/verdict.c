/* What each errno means, for each kind of operation: the whole table, and nothing good outside of
 * it. */
#include "ring/verdict.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

struct row {
    int result;
    enum ring_verdict accept, receive, send;
};

static const struct row rows[] = {
    {0, RING_OK, RING_END, RING_WAIT}, /* a descriptor; end-of-file; nothing sent */
    {1, RING_OK, RING_OK, RING_OK},
    {65536, RING_OK, RING_OK, RING_OK},
    {-EINTR, RING_RETRY, RING_RETRY, RING_RETRY},
    {-EAGAIN, RING_WAIT, RING_WAIT, RING_WAIT},
    {-ECANCELED, RING_STOPPED, RING_STOPPED, RING_STOPPED},
    {-EMFILE, RING_EXHAUSTED, RING_EXHAUSTED, RING_EXHAUSTED},
    {-ENFILE, RING_EXHAUSTED, RING_EXHAUSTED, RING_EXHAUSTED},
    {-ENOMEM, RING_EXHAUSTED, RING_EXHAUSTED, RING_EXHAUSTED},
    /* Receiving: more buffers were added. */
    {-ENOBUFS, RING_EXHAUSTED, RING_RETRY, RING_EXHAUSTED},
    {-EBADF, RING_BUG, RING_BUG, RING_BUG},
    {-EFAULT, RING_BUG, RING_BUG, RING_BUG},
    {-EINVAL, RING_BUG, RING_BUG, RING_BUG},
    {-ENOTSOCK, RING_BUG, RING_BUG, RING_BUG},
    {-EPIPE, RING_GONE, RING_GONE, RING_CLOSED},
    /* Accepting: the connection is gone, the listener is well. */
    {-ECONNABORTED, RING_RETRY, RING_GONE, RING_GONE},
    {-ECONNRESET, RING_RETRY, RING_GONE, RING_GONE},
    {-ETIMEDOUT, RING_RETRY, RING_GONE, RING_GONE},
    {-EPERM, RING_RETRY, RING_GONE, RING_GONE},
    {-EPROTO, RING_RETRY, RING_GONE, RING_GONE},
    {-ENETDOWN, RING_RETRY, RING_GONE, RING_GONE},
    {-ENOPROTOOPT, RING_RETRY, RING_GONE, RING_GONE},
    {-EHOSTDOWN, RING_RETRY, RING_GONE, RING_GONE},
    {-ENONET, RING_RETRY, RING_GONE, RING_GONE},
    {-EHOSTUNREACH, RING_RETRY, RING_GONE, RING_GONE},
    {-EOPNOTSUPP, RING_RETRY, RING_GONE, RING_GONE},
    {-ENETUNREACH, RING_RETRY, RING_GONE, RING_GONE},
    {-ENOTCONN, RING_GONE, RING_GONE, RING_GONE},
    {-ECONNREFUSED, RING_GONE, RING_GONE, RING_GONE},
    {-EIO, RING_GONE, RING_GONE, RING_GONE},
};

Test(verdict, says_what_the_table_says)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct row *row = &rows[i];
        const char *name = row->result < 0 ? strerrorname_np(-row->result) : "no error";
        cr_expect_eq(ring_accept_verdict(row->result), row->accept, "accept, %s (%d)", name,
                     row->result);
        cr_expect_eq(ring_receive_verdict(row->result), row->receive, "receive, %s (%d)", name,
                     row->result);
        cr_expect_eq(ring_send_verdict(row->result), row->send, "send, %s (%d)", name, row->result);
    }
}

static bool in_table(int result)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].result == result)
            return true;
    return false;
}

/* What nobody thought of ends a connection, and never is a success or a reason to try again at
 * once. */
Test(verdict, every_other_error_is_the_end_of_a_connection)
{
    for (int error = 1; error < 4096; error++) {
        if (in_table(-error))
            continue;
        cr_expect_eq(ring_accept_verdict(-error), RING_GONE, "accept, errno %d", error);
        cr_expect_eq(ring_receive_verdict(-error), RING_GONE, "receive, errno %d", error);
        cr_expect_eq(ring_send_verdict(-error), RING_GONE, "send, errno %d", error);
    }
}

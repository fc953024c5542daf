/* The table of reasons, and what a failed connect is called. */
#include "proxy/reason.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>

Test(reason, every_row_is_complete)
{
    for (unsigned i = 0; i < REASON_COUNT; i++) {
        const char *token = reason_token((enum reason)i);
        const char *text = reason_text((enum reason)i);
        cr_assert(token && *token && text && *text, "reason %u", i);
        for (const char *at = token; *at; at++)
            cr_assert(islower((unsigned char)*at) || *at == '-', "'%s' is no token", token);
        for (unsigned other = 0; other < i; other++) {
            cr_assert_str_neq(token, reason_token((enum reason)other));
            cr_assert_str_neq(text, reason_text((enum reason)other));
        }
    }
}

/* All others close with a reset: a truncated stream must not look whole. */
Test(reason, only_a_session_that_ended_well_is_whole)
{
    for (unsigned i = 0; i < REASON_COUNT; i++)
        cr_assert_eq(reason_whole((enum reason)i), i == REASON_NONE || i == REASON_DONE, "%s",
                     reason_token((enum reason)i));
}

Test(reason, details_are_told_in_words)
{
    cr_assert_str_eq(reason_detail(REASON_TARGET_REFUSED, -ECONNREFUSED), strerror(ECONNREFUSED));
    cr_assert_str_eq(reason_detail(REASON_NAME_UNRESOLVED, EAI_NONAME), gai_strerror(EAI_NONAME));
    cr_assert_str_eq(reason_detail(REASON_PROXY_GARBAGE, -EBADMSG), "its CRC32c is wrong");
    cr_assert_str_eq(reason_detail(REASON_PROXY_GARBAGE, 0), "no system error");
}

struct row {
    int error;
    enum reason tcp;
    enum reason local; /* Unix */
    enum reason vsock;
};

static const struct row rows[] = {
    {-ECONNREFUSED, REASON_TARGET_REFUSED, REASON_TARGET_REFUSED, REASON_GUEST_NO_SERVICE},
    {-ECONNRESET, REASON_TARGET_REFUSED, REASON_TARGET_REFUSED, REASON_GUEST_NO_SERVICE},
    {-ETIMEDOUT, REASON_TARGET_TIMEOUT, REASON_TARGET_TIMEOUT, REASON_GUEST_BOOTING},
    {-ENODEV, REASON_TARGET_UNREACHABLE, REASON_TARGET_UNREACHABLE, REASON_GUEST_OFF},
    {-ENOENT, REASON_TARGET_MISSING, REASON_TARGET_MISSING, REASON_TARGET_UNREACHABLE},
    {-EAGAIN, REASON_TARGET_BUSY, REASON_TARGET_BUSY, REASON_TARGET_UNREACHABLE},
    {-EHOSTUNREACH, REASON_TARGET_UNREACHABLE, REASON_TARGET_UNREACHABLE,
     REASON_TARGET_UNREACHABLE},
    {-EACCES, REASON_TARGET_DENIED, REASON_TARGET_DENIED, REASON_TARGET_DENIED},
    {-EPERM, REASON_TARGET_DENIED, REASON_TARGET_DENIED, REASON_TARGET_DENIED},
    {-EMFILE, REASON_NO_DESCRIPTORS, REASON_NO_DESCRIPTORS, REASON_NO_DESCRIPTORS},
    {-ENFILE, REASON_NO_DESCRIPTORS, REASON_NO_DESCRIPTORS, REASON_NO_DESCRIPTORS},
    {-ENOMEM, REASON_NO_MEMORY, REASON_NO_MEMORY, REASON_NO_MEMORY},
    {-ENOBUFS, REASON_NO_MEMORY, REASON_NO_MEMORY, REASON_NO_MEMORY},
};

Test(reason, of_a_failed_connect)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        const char *name = strerrorname_np(-row->error);
        cr_expect_eq(reason_of_connect(TRANSPORT_TCP, row->error), row->tcp, "tcp, %s", name);
        cr_expect_eq(reason_of_connect(TRANSPORT_UNIX, row->error), row->local, "unix, %s", name);
        cr_expect_eq(reason_of_connect(TRANSPORT_VSOCK, row->error), row->vsock, "vsock, %s", name);
    }
}

/* Whatever the kernel says, it is a failure. */
Test(reason, no_error_goes_without_a_reason)
{
    for (int error = 1; error < 134; error++)
        for (unsigned transport = TRANSPORT_TCP; transport <= TRANSPORT_VSOCK; transport++) {
            enum reason reason = reason_of_connect((enum transport)transport, -error);
            cr_expect(reason != REASON_NONE && reason != REASON_DONE, "error %d", error);
        }
}

/* Asking the admin socket of a running vsluice, by libcurl, which is loaded at the first call. */
#pragma once

#include <stddef.h>

#define ADMIN_CALL_MS_MAX        30000
#define ADMIN_ANSWER_BYTES       (16 << 20) /* the longest that is taken */
#define ADMIN_CLIENT_ERROR_BYTES 512

struct admin_call {
    const char *socket_path;
    const char *method;
    const char *path; /* its segments and its query encoded: admin_uri_encode() */
    const char *body; /* NULL: none */
    unsigned ms_max;  /* from connecting to the end of the answer; 0: the above */
};

struct admin_answer {
    long status; /* HTTP's */
    char *body;  /* with a NUL behind it */
    size_t bytes;
};

/* The first call, which loads the library, is not for several threads at once.
 *
 * 0: an answer came, whatever it says; free it with admin_answer_deinit(). Or negative errno and a
 * sentence in `error`: -ENOENT and -ECONNREFUSED (nobody listens there), -EACCES, -EPERM,
 * -ETIMEDOUT, -EPIPE (it ended without an answer), -EPROTO (no HTTP), -EMSGSIZE (too long),
 * -ENAMETOOLONG, -ENOMEM, -ENOSYS (no libcurl). */
int admin_call(const struct admin_call *call, struct admin_answer *ret,
               char error[static ADMIN_CLIENT_ERROR_BYTES]);

void admin_answer_deinit(struct admin_answer *answer);

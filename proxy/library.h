/* Shared libraries that few commands need. Linked, they would be loaded at every start of the
 * program: libcurl and libmicrohttpd bring TLS libraries that take several times as long as all of
 * `vsluice connect` until it connects. So they are opened where they are needed.
 */
#pragma once

struct library_symbol {
    const char *name;
    void *function; /* the address of a pointer to a function, which is set */
};

#define LIBRARY_ERROR_BYTES 512

/* Opens the first of `names` that is there, for good, and finds every symbol; NULL ends both lists.
 * 0; or -ENOSYS, no pointer set, and a sentence in `error` that names the `package` to install. */
int library_open(const char *const *names, const struct library_symbol *symbols,
                 const char *package, char error[static LIBRARY_ERROR_BYTES]);

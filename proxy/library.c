/* Shared libraries that are opened late. */
#include "proxy/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int fail(const char *package, char *error)
{
    const char *why = dlerror();

    snprintf(error, LIBRARY_ERROR_BYTES, "%s is needed for this; install it (%s)", package,
             why ? why : "not found");
    return -ENOSYS;
}

int library_open(const char *const *names, const struct library_symbol *symbols,
                 const char *package, char error[static LIBRARY_ERROR_BYTES])
{
    void *library = NULL;

    for (size_t i = 0; !library && names[i]; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return fail(package, error);
    for (const struct library_symbol *symbol = symbols; symbol->name; symbol++)
        if (!dlsym(library, symbol->name))
            return fail(package, error);
    for (const struct library_symbol *symbol = symbols; symbol->name; symbol++) {
        void *function = dlsym(library, symbol->name);
        memcpy(symbol->function, &function, sizeof(function));
    }
    return 0;
}

/* Read, or made. */
#include "proxy/added_text.h"

#include "config/config.h"
#include "config/name.h"
#include "proxy/admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

/* What a stream has; NULL, and errno. */
static char *read_stream(FILE *stream, size_t *ret_bytes)
{
    char *text = malloc(ADMIN_BODY_BYTES + 2);

    if (!text)
        return NULL;
    *ret_bytes = fread(text, 1, ADMIN_BODY_BYTES + 1, stream);
    if (ferror(stream)) {
        free(text);
        return NULL;
    }
    text[*ret_bytes] = '\0';
    return text;
}

int added_text_read(const char *path, char **ret)
{
    FILE *stream = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    size_t bytes = 0;
    char *text = stream ? read_stream(stream, &bytes) : NULL;
    int error = errno;

    if (stream && stream != stdin)
        fclose(stream);
    if (!text) {
        fprintf(stderr, "vsluice route: %s: cannot be read: %s\n", path, strerror(error));
        return EX_NOINPUT;
    }
    if (bytes > ADMIN_BODY_BYTES || strlen(text) < bytes) {
        fprintf(stderr, "vsluice route: %s: %s\n", path,
                bytes > ADMIN_BODY_BYTES ? "longer than 64 KiB; add its routes in parts"
                                         : "holds a NUL byte; a configuration is plain text");
        free(text);
        return EX_DATAERR;
    }
    *ret = text;
    return 0;
}

/* What may not stand in a name becomes '-'. */
static void make_name(const char *listen, char ret[static NAME_BYTES_MAX + 1])
{
    snprintf(ret, NAME_BYTES_MAX + 1, "%s", listen);
    for (char *c = ret; *c; c++)
        if (!name_valid(c, 1))
            *c = '-';
}

int added_text_of_route(const char *route, const char *name, char **ret)
{
    char made[NAME_BYTES_MAX + 1];
    char *listen = strdup(route);
    char *target = listen ? config_split_route(listen) : NULL;

    if (!target || strpbrk(route, "\n\r") || (name && strpbrk(name, "\n\r]"))) {
        fprintf(stderr,
                "vsluice route: '%s': is no route; write LISTEN=TARGET, such as "
                "'tcp:127.0.0.1:8080=vsock:3:80', or put it into a file for -f\n",
                route);
        free(listen);
        return EX_USAGE;
    }
    make_name(listen, made);
    if (asprintf(ret, "[route %s]\nlisten = %s\ntarget = %s\n", name ? name : made, listen,
                 target) < 0)
        *ret = NULL;
    free(listen);
    return *ret ? 0 : EX_OSERR;
}

/* Percent-encoding (RFC 3986, 2.1) of what stands between two slashes of a path, or in a query. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* In place. False: a '%' without two hexadecimal digits, or one that makes a NUL byte; `text` is
 * then of no use. */
bool admin_uri_decode(char *text);

/* Three bytes for each of the text's, and the NUL. */
#define ADMIN_URI_ENCODED_BYTES(length) (3 * (length) + 1)

/* `ret` has room for ADMIN_URI_ENCODED_BYTES(strlen(text)). */
void admin_uri_encode(const char *text, char *ret);

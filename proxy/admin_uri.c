/* Percent-encoding. */
#include "proxy/admin_uri.h"

#include <string.h>

static int hex_digit(char digit)
{
    static const char digits[] = "0123456789abcdef0123456789ABCDEF";
    const char *found = digit ? strchr(digits, digit) : NULL;

    return found ? (int)((found - digits) % 16) : -1;
}

bool admin_uri_decode(char *text)
{
    char *to = text;

    for (const char *from = text; *from; from++) {
        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        int high = hex_digit(from[1]);
        int low = high < 0 ? -1 : hex_digit(from[2]);
        if (low < 0 || (high == 0 && low == 0))
            return false;
        *to++ = (char)(high * 16 + low);
        from += 2;
    }
    *to = '\0';
    return true;
}

void admin_uri_encode(const char *text, char *ret)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    static const char digits[] = "0123456789ABCDEF";

    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        if (strchr(plain, byte)) {
            *ret++ = *text;
            continue;
        }
        *ret++ = '%';
        *ret++ = digits[byte >> 4];
        *ret++ = digits[byte & 15];
    }
    *ret = '\0';
}

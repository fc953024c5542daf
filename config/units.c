/* Numbers with a unit. Exact: no floating point. */
#include "config/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS   UINT64_C(1000000)
#define NS_PER_S    (1000 * NS_PER_MS)
#define NS_PER_M    (60 * NS_PER_S)
#define NS_PER_H    (60 * NS_PER_M)
#define NS_MAX      (365 * 24 * NS_PER_H)
#define BYTES_MAX   (UINT64_C(1) << 53)
#define COUNT_BOUND (UINT64_C(1) << 60)

struct unit {
    const char *name;
    uint64_t scale;
};

/* The largest first. */
static const struct unit time_units[] = {
    {"h", NS_PER_H},
    {"m", NS_PER_M},
    {"s", NS_PER_S},
    {"ms", NS_PER_MS},
};

static const struct unit size_units[] = {
    {"", 1},
    {"K", UINT64_C(1) << 10},
    {"M", UINT64_C(1) << 20},
    {"G", UINT64_C(1) << 30},
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads the digits at *text and moves it past them; a number past COUNT_BOUND stays there. */
static uint64_t digits_take(const char **text)
{
    uint64_t number = 0;

    for (; is_digit(**text); (*text)++) {
        if (number < COUNT_BOUND)
            number = number * 10 + (uint64_t)(**text - '0');
    }
    return number < COUNT_BOUND ? number : COUNT_BOUND;
}

static const struct unit *unit_find(const struct unit *units, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(units[i].name, name) == 0)
            return &units[i];
    }
    return NULL;
}

int duration_parse(const char *text, uint64_t *ret_ns)
{
    const char *rest = text;
    const char *fraction = NULL;

    if (strcmp(text, "0") == 0) {
        *ret_ns = 0;
        return 0;
    }
    if (!is_digit(*rest))
        return -EINVAL;
    uint64_t whole = digits_take(&rest);
    if (*rest == '.') {
        fraction = ++rest;
        if (!is_digit(*rest))
            return -EINVAL;
        digits_take(&rest);
    }
    const struct unit *unit = unit_find(time_units, COUNT_OF(time_units), rest);
    if (!unit)
        return -EINVAL;
    if (whole > NS_MAX / unit->scale)
        return -ERANGE;

    uint64_t ns = whole * unit->scale;
    uint64_t scale = unit->scale / 10;
    for (; fraction && is_digit(*fraction); fraction++, scale /= 10)
        ns += (uint64_t)(*fraction - '0') * scale;
    if (ns > NS_MAX)
        return -ERANGE;
    *ret_ns = ns;
    return 0;
}

int size_parse(const char *text, uint64_t *ret_bytes)
{
    const char *rest = text;

    if (!is_digit(*rest))
        return -EINVAL;
    uint64_t whole = digits_take(&rest);
    const struct unit *unit = unit_find(size_units, COUNT_OF(size_units), rest);
    if (!unit)
        return -EINVAL;
    if (whole > BYTES_MAX / unit->scale)
        return -ERANGE;
    *ret_bytes = whole * unit->scale;
    return 0;
}

int size_format(uint64_t bytes, char text[static SIZE_TEXT_BYTES])
{
    size_t i = COUNT_OF(size_units) - 1;

    while (i > 0 && (bytes == 0 || bytes % size_units[i].scale != 0))
        i--;
    return snprintf(text, SIZE_TEXT_BYTES, "%" PRIu64 "%s", bytes / size_units[i].scale,
                    size_units[i].name);
}

int duration_format(uint64_t ns, char text[static DURATION_TEXT_BYTES])
{
    if (ns == 0)
        return snprintf(text, DURATION_TEXT_BYTES, "0");
    for (size_t i = 0; i < COUNT_OF(time_units); i++) {
        if (ns % time_units[i].scale == 0)
            return snprintf(text, DURATION_TEXT_BYTES, "%" PRIu64 "%s", ns / time_units[i].scale,
                            time_units[i].name);
    }

    /* finer than a millisecond: a fraction of one, without the zeros that end it */
    uint64_t fraction = ns % NS_PER_MS;
    int digits = 6;
    for (; fraction % 10 == 0; fraction /= 10)
        digits--;
    return snprintf(text, DURATION_TEXT_BYTES, "%" PRIu64 ".%0*" PRIu64 "ms", ns / NS_PER_MS,
                    digits, fraction);
}

/* Numbers as people read them. */
#include "perf/result_text.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* Digits behind the point that make three in all. */
static int decimals(double value)
{
    if (value >= 99.95 || value == 0)
        return 0;
    return value >= 9.995 ? 1 : 2;
}

static const char *scaled(double value, const char *const *units, size_t count,
                          char text[static TEXT_NUMBER_BYTES])
{
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < count) {
        value /= 1000;
        unit++;
    }
    /* Whole units are not cut. */
    int digits = unit == 0 && value == floor(value) ? 0 : decimals(value);
    snprintf(text, TEXT_NUMBER_BYTES, "%.*f%s", digits, value, units[unit]);
    return text;
}

const char *text_time(double ns, char text[static TEXT_NUMBER_BYTES])
{
    static const char *const units[] = {" ns", " us", " ms", " s"};
    return scaled(ns, units, COUNT_OF(units), text);
}

const char *text_bytes(double bytes, char text[static TEXT_NUMBER_BYTES])
{
    static const char *const units[] = {" B", " kB", " MB", " GB", " TB"};
    return scaled(bytes, units, COUNT_OF(units), text);
}

const char *text_amount(double count, char text[static TEXT_NUMBER_BYTES])
{
    static const char *const units[] = {"", " k", " M", " G"};
    return scaled(count, units, COUNT_OF(units), text);
}

/* Durations and sizes as written in the configuration and on the command line. */
#pragma once

#include <stdint.h>

/* "250ms", "3s", "2m", "1h", "1.5s"; a bare number is refused (no unit), "0" is zero. Nanoseconds.
 * -EINVAL: not of that form; -ERANGE: more than a year. */
int duration_parse(const char *text, uint64_t *ret_ns);

/* "4096", "64K", "16M", "1G" (powers of 1024). Bytes. -EINVAL, -ERANGE (beyond 2^53). */
int size_parse(const char *text, uint64_t *ret_bytes);

/* Prints a size in its largest whole unit: 64K, 1000. Returns the length. */
#define SIZE_TEXT_BYTES 32
int size_format(uint64_t bytes, char text[static SIZE_TEXT_BYTES]);

/* Prints a duration in its largest whole unit: 3s, 250ms. Returns the length. */
#define DURATION_TEXT_BYTES 32
int duration_format(uint64_t ns, char text[static DURATION_TEXT_BYTES]);

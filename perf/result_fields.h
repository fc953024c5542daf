/* The members of a result as data: what they are called in JSON, where they stand, how they are
 * written. One table serves writing, reading, and the report's table of options.
 */
#pragma once

#include "perf/result.h"

enum result_field_kind {
    FIELD_TEXT,         /* char[bytes] */
    FIELD_BOOLEAN,      /* bool */
    FIELD_UNSIGNED,     /* unsigned */
    FIELD_COUNT,        /* uint64_t */
    FIELD_REAL,         /* double, not negative */
    FIELD_SECONDS,      /* uint64_t nanoseconds, seconds in JSON */
    FIELD_MICROSECONDS, /* uint64_t nanoseconds, microseconds in JSON */
    FIELD_SEED,         /* uint64_t, decimal digits in a JSON string: its 64 bits matter */
};

struct result_field {
    const char *key;
    enum result_field_kind kind;
    size_t offset; /* in the struct that the table describes */
    size_t bytes;
};

struct result_field_table {
    const struct result_field *fields;
    size_t count;
};

extern const struct result_field_table result_option_fields;      /* of struct result_options */
extern const struct result_field_table result_environment_fields; /* of struct result_environment */
extern const struct result_field_table result_throughput_fields;  /* of struct result */
extern const struct result_field_table result_cpu_fields;         /* of struct result */
extern const struct result_field_table result_error_fields;       /* of struct result_errors */
extern const struct result_field_table result_interval_fields;    /* of struct result_interval */

/* The histograms of a result. */
struct result_histogram {
    const char *key;
    const char *words;
    size_t offset; /* in struct result */
};
#define RESULT_HISTOGRAMS 4
extern const struct result_histogram result_histograms[RESULT_HISTOGRAMS];
const struct histogram *result_histogram(const struct result *result, size_t index);

/* A member as text for people. */
void result_field_format(const struct result_field *field, const void *base,
                         char text[static RESULT_TEXT_BYTES]);

/* What the log tells of one event, as the bytes that are written: a line of text, a line of JSON,
 * or the fields of an entry of the journal.
 *
 * No name that others chose makes a line or a field: control characters, also those of C1, and
 * bytes that are no UTF-8 become '?', in text those of ASCII alone.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum log_encoding {
    LOG_TEXT,    /* the message */
    LOG_JSON,    /* one object: time, priority, message, and the fields, in small letters */
    LOG_JOURNAL, /* NAME=VALUE, each with a NUL behind it */
};

/* Text where there is one, else a number. */
struct log_field {
    const char *name; /* capital letters and '_' */
    const char *text;
    uint64_t number;
};

struct log_event {
    int priority;   /* LOG_ERR to LOG_INFO of syslog.h */
    const char *id; /* 128 bits in hexadecimal, the same for all events of this kind; NULL: none */
    const struct log_field *fields;
    size_t field_count;
};

/* A line of text has at most so many bytes, its end and all. */
#define LOG_LINE_BYTES   4096
#define LOG_RECORD_BYTES 12288

struct log_record {
    enum log_encoding encoding;
    size_t length;
    char bytes[LOG_RECORD_BYTES];
};

/* The message is cut to LOG_LINE_BYTES - 2; a field for which there is no room is left out.
 * `time_us` since 1970. */
void log_record_encode(struct log_record *record, enum log_encoding encoding,
                       const struct log_event *event, const char *message, uint64_t time_us);

/* Encoding events. */
#include "proxy/log_record.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define US_PER_S UINT64_C(1000000)

/* A record while it is written: behind `kept`, a field that may turn out not to fit. */
struct pen {
    struct log_record *record;
    size_t kept;
    bool full;
};

static void put(struct pen *pen, const char *bytes, size_t length)
{
    struct log_record *record = pen->record;

    /* The ends of the object and of the line have their room. */
    if (pen->full || length + 2 > sizeof(record->bytes) - record->length) {
        pen->full = true;
        return;
    }
    memcpy(record->bytes + record->length, bytes, length);
    record->length += length;
}

__attribute__((format(printf, 2, 3))) static void put_format(struct pen *pen, const char *format,
                                                             ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    put(pen, text, strlen(text));
}

/* What was put since the last time stays if all of it found room. */
static void keep(struct pen *pen)
{
    if (pen->full)
        pen->record->length = pen->kept;
    pen->kept = pen->record->length;
    pen->full = false;
}

/* How many bytes of `text` are one character that may be shown; 0: the first is part of none. */
static size_t character_bytes(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

    if (at[0] < 0x80)
        return iscntrl(at[0]) ? 0 : 1;
    size_t bytes = at[0] >= 0xf8 ? 0 : at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (bytes == 0 || at[0] < 0xc0)
        return 0;
    uint32_t code = at[0] & (0xffU >> (bytes + 1));
    for (size_t i = 1; i < bytes; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3f);
    }
    bool is_c1 = code >= 0x80 && code < 0xa0;
    bool is_surrogate = code >= 0xd800 && code < 0xe000;
    return code < least[bytes] || code > 0x10ffff || is_c1 || is_surrogate ? 0 : bytes;
}

static void put_clean(struct pen *pen, const char *text, bool escape)
{
    while (*text) {
        size_t bytes = character_bytes(text);
        if (escape && (*text == '"' || *text == '\\'))
            put(pen, "\\", 1);
        put(pen, bytes > 0 ? text : "?", bytes > 0 ? bytes : 1);
        text += bytes > 0 ? bytes : 1;
    }
}

static void encode_text(struct pen *pen, const char *message)
{
    for (; *message; message++)
        put(pen, iscntrl((unsigned char)*message) ? "?" : message, 1);
    put(pen, "\n", 1);
    keep(pen);
}

static void put_json_name(struct pen *pen, const char *name)
{
    put(pen, ",\"", 2);
    for (; *name; name++)
        put(pen, &(char){(char)tolower((unsigned char)*name)}, 1);
    put(pen, "\":", 2);
}

static void put_json_text(struct pen *pen, const char *name, const char *text)
{
    put_json_name(pen, name);
    put(pen, "\"", 1);
    put_clean(pen, text, true);
    put(pen, "\"", 1);
    keep(pen);
}

static void encode_json(struct pen *pen, const struct log_event *event, const char *message,
                        uint64_t time_us)
{
    time_t seconds = (time_t)(time_us / US_PER_S);
    char time[32];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(time, sizeof(time), "%Y-%m-%dT%H:%M:%S", &tm);
    put_format(pen, "{\"time\":\"%s.%06" PRIu64 "Z\",\"priority\":%d", time, time_us % US_PER_S,
               event->priority);
    keep(pen);
    put_json_text(pen, "message", message);
    if (event->id)
        put_json_text(pen, "message_id", event->id);
    for (size_t i = 0; i < event->field_count; i++) {
        const struct log_field *field = &event->fields[i];
        if (field->text) {
            put_json_text(pen, field->name, field->text);
            continue;
        }
        put_json_name(pen, field->name);
        put_format(pen, "%" PRIu64, field->number);
        keep(pen);
    }
    memcpy(pen->record->bytes + pen->record->length, "}\n", 2);
    pen->record->length += 2;
}

static void put_journal_text(struct pen *pen, const char *name, const char *text)
{
    put(pen, name, strlen(name));
    put(pen, "=", 1);
    put_clean(pen, text, false);
    put(pen, "", 1);
    keep(pen);
}

static void put_journal_number(struct pen *pen, const char *name, uint64_t number)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRIu64, number);
    put_journal_text(pen, name, text);
}

static void encode_journal(struct pen *pen, const struct log_event *event, const char *message)
{
    put_journal_text(pen, "MESSAGE", message);
    put_journal_number(pen, "PRIORITY", (uint64_t)event->priority);
    put_journal_text(pen, "SYSLOG_IDENTIFIER", "vsluice");
    if (event->id)
        put_journal_text(pen, "MESSAGE_ID", event->id);
    for (size_t i = 0; i < event->field_count; i++) {
        const struct log_field *field = &event->fields[i];
        if (field->text)
            put_journal_text(pen, field->name, field->text);
        else
            put_journal_number(pen, field->name, field->number);
    }
}

void log_record_encode(struct log_record *record, enum log_encoding encoding,
                       const struct log_event *event, const char *message, uint64_t time_us)
{
    struct pen pen = {.record = record};
    char cut[LOG_LINE_BYTES - 1];

    snprintf(cut, sizeof(cut), "%s", message);
    record->encoding = encoding;
    record->length = 0;
    switch (encoding) {
    case LOG_TEXT: encode_text(&pen, cut); break;
    case LOG_JSON: encode_json(&pen, event, cut, time_us); break;
    case LOG_JOURNAL: encode_journal(&pen, event, cut); break;
    }
}

/* From events to records; log_writer.c has them written. */
#include "proxy/log.h"

#include "proxy/log_flood.h"
#include "proxy/log_journal.h"
#include "proxy/log_writer.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static _Atomic(enum log_encoding) encoding = LOG_TEXT;

static uint64_t real_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

__attribute__((format(printf, 2, 0))) static void log_va(const struct log_event *event,
                                                         const char *format, va_list arguments)
{
    char message[LOG_LINE_BYTES];
    struct log_record record;

    if (vsnprintf(message, sizeof(message), format, arguments) < 0)
        return;
    log_record_encode(&record, atomic_load(&encoding), event, message, real_us());
    log_writer_put(&record);
}

void log_event(const struct log_event *event, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_va(event, format, arguments);
    va_end(arguments);
}

void log_line(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_va(&(struct log_event){.priority = LOG_INFO}, format, arguments);
    va_end(arguments);
}

void log_warning(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_va(&(struct log_event){.priority = LOG_WARNING}, format, arguments);
    va_end(arguments);
}

void log_error(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_va(&(struct log_event){.priority = LOG_ERR}, format, arguments);
    va_end(arguments);
}

void log_of(const char *field, const char *name, int priority, const char *format, ...)
{
    struct log_field fields[] = {{.name = field, .text = name}};
    va_list arguments;

    va_start(arguments, format);
    log_va(&(struct log_event){.priority = priority, .fields = fields, .field_count = 1}, format,
           arguments);
    va_end(arguments);
}

void log_of_target(const char *route, const char *target, bool up, const char *format, ...)
{
    const struct log_field fields[] = {
        {.name = "ROUTE", .text = route},
        {.name = "TARGET", .text = target},
    };
    const struct log_event event = {
        .priority = up ? LOG_NOTICE : LOG_WARNING,
        .id = up ? LOG_ID_UP : LOG_ID_DOWN,
        .fields = fields,
        .field_count = 2,
    };
    va_list arguments;

    va_start(arguments, format);
    log_va(&event, format, arguments);
    va_end(arguments);
}

static void tell_lost(struct log_record *record, uint64_t count)
{
    const struct log_field field = {.name = "COUNT", .number = count};
    const struct log_event event = {
        .priority = LOG_WARNING,
        .id = LOG_ID_LOST,
        .fields = &field,
        .field_count = 1,
    };
    char message[128];

    snprintf(message, sizeof(message),
             "vsluice: %" PRIu64 " line%s of the log are lost: nobody took them in time", count,
             count == 1 ? "" : "s");
    log_record_encode(record, atomic_load(&encoding), &event, message, real_us());
}

/* Whether entries can go there; else why not is told. */
static bool journal_opens(void)
{
    char error[LIBRARY_ERROR_BYTES];

    if (log_journal_open(error) == 0)
        return true;
    log_warning("vsluice: log-format: lines of text, for the journal cannot be had: %s", error);
    return false;
}

void log_configure(const struct config *config)
{
    bool wants_journal = config->log_format == CONFIG_LOG_JOURNAL ||
                         (config->log_format == CONFIG_LOG_AUTO && log_journal_is_standard_error());

    log_flood_limit(config->log_rate);
    if (config->log_format == CONFIG_LOG_JSON)
        atomic_store(&encoding, LOG_JSON);
    else
        atomic_store(&encoding, wants_journal && journal_opens() ? LOG_JOURNAL : LOG_TEXT);
}

void log_start(void)
{
    const struct log_writer_events events = {.attend = log_flood_tell, .tell_lost = tell_lost};
    int error = log_writer_start(&events);

    if (error < 0)
        log_warning("vsluice: whoever logs waits until it is read: no thread for it: %s",
                    strerror(-error));
}

void log_wake(void)
{
    log_writer_wake();
}

void log_stop(void)
{
    log_writer_stop();
    log_flood_tell(UINT64_MAX); /* where there was no thread to do it */
}

/* The log: each event once, as a line on standard error or an entry of the journal. Only proxy/
 * logs. Of any thread; none waits for who reads it while log_start() ... log_stop().
 */
#pragma once

#include "config/config.h"
#include "proxy/log_record.h"

#include <syslog.h>

/* Kinds of events that a journal is searched for (MESSAGE_ID); vsluice(1) lists them. */
#define LOG_ID_LISTENING "07472860b59b4cec95e38d5eede57ccc"
#define LOG_ID_READY     "c0a0d9009cc54664abf02b41720b8025"
#define LOG_ID_RELOADED  "3966853e513648cfb320bbe17ef0cf8c"
#define LOG_ID_REFUSED   "1e9c6d846c0d4ddaae1a71b80ef73392" /* a reload */
#define LOG_ID_SESSION   "a3c59257a3104ec488d4160242dda303" /* it ended well */
#define LOG_ID_FAILED    "1047cc6e08584993968c553f29d6eafb" /* a session */
#define LOG_ID_DOWN      "918cce8aa1994ce6b89f7c5a7fa38d6b" /* a target */
#define LOG_ID_UP        "77da12b3b52a4c61982ed01a6925ae17"
#define LOG_ID_LEFT_OUT  "531467191b314507b8d1c2173d8bb438" /* sessions without a line each */
#define LOG_ID_LOST      "adc19eb463c742a8b644d07bd50e627e" /* lines */

/* How, and how many lines: by `log-format` and `log-rate`. Also when they have changed. */
void log_configure(const struct config *config);

/* Lines are written by a thread from here on. */
void log_start(void);

/* What is left is written, and whoever logs writes it himself again. */
void log_stop(void);

/* With priority LOG_INFO. */
__attribute__((format(printf, 1, 2))) void log_line(const char *format, ...);

/* Something that is not as it should be, and something that fails. */
__attribute__((format(printf, 1, 2))) void log_warning(const char *format, ...);
__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...);

/* A target of a route is up again, or down. */
__attribute__((format(printf, 4, 5))) void log_of_target(const char *route, const char *target,
                                                         bool up, const char *format, ...);

/* With a field: of a ROUTE or GUEST. */
__attribute__((format(printf, 4, 5))) void log_of(const char *field, const char *name, int priority,
                                                  const char *format, ...);

__attribute__((format(printf, 2, 3))) void log_event(const struct log_event *event,
                                                     const char *format, ...);

/* What was left out is to be told in a while (log_flood.h). */
void log_wake(void);

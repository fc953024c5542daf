/* The log: one line an event on standard error, written whole. Only proxy/ logs. */
#pragma once

__attribute__((format(printf, 1, 2))) void log_line(const char *format, ...);

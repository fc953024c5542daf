/* The journal, by libsystemd's sd_journal_sendv(3): loaded when it is first asked for. */
#pragma once

#include "proxy/library.h"

#include <stdbool.h>
#include <stddef.h>

/* Is standard error a stream to the journal (JOURNAL_STREAM, systemd.exec(5))? */
bool log_journal_is_standard_error(void);

/* 0; or -ENOSYS, and a sentence in `error`: libsystemd is missing, or no journal is here. Not of
 * two threads at once. */
int log_journal_open(char error[static LIBRARY_ERROR_BYTES]);

/* Sends one entry: fields as log_record.h has them. May block. 0 or a negative errno. */
int log_journal_send(const char *fields, size_t length);

/* What the program forbids itself once it runs: a filter of system calls (libseccomp), which holds
 * for all threads and cannot be taken back.
 *
 * What is not on its list is answered as by a kernel without it, ENOSYS: from what a newer libc
 * tries first it falls back by itself, and what only an intruder asks for gets nothing. Logs
 * nothing.
 */
#pragma once

#include "proxy/library.h"

#define SANDBOX_ERROR_BYTES LIBRARY_ERROR_BYTES

/* Whether there can be a filter. 0; or negative errno, and a sentence in `error`. */
int sandbox_probe(char error[static SANDBOX_ERROR_BYTES]);

/* Begins, for all threads there are and will be. Every ring has been made by then. 0; or negative
 * errno, a sentence in `error`, and all is as before. */
int sandbox_begin(char error[static SANDBOX_ERROR_BYTES]);

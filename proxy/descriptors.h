/* File descriptors: how many there may be, and how many sessions that makes. */
#pragma once

#include <stddef.h>

/* Beside two for each session: for the name service, files under /proc, connections that are being
 * refused. */
#define DESCRIPTORS_RESERVE 16

/* Raises the soft limit to the hard one. */
void descriptors_raise_limit(void);

/* The sessions that the limit leaves room for, beside what is open already and two for each of the
 * listeners; at most `wanted`, where that is not 0. 0: for none. */
size_t descriptors_sessions_max(size_t listeners, size_t wanted);

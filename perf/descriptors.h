/* How many connections a process may hold. */
#pragma once

#include <stdint.h>

/* Raises the limit of open files to what may be had without privileges, and returns it. */
uint64_t descriptors_raise_limit(void);

/* The memory allocator of the program: mimalloc in place of libc's. */
#pragma once

void allocator_init(void);

/* For people: which, and its version. */
const char *allocator_name(void);

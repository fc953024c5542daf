/* CRC-32C (Castagnoli; RFC 9260, appendix A), which version 2 of the PROXY protocol has over its
 * headers. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Goes on behind `before`, what came of the bytes so far; 0: of none. */
uint32_t crc32c(uint32_t before, const void *bytes, size_t length);

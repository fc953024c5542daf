/* Numbers as people read them, with three digits that count: "12.3 us", "1.25 GB/s", "98.7 k". */
#pragma once

#define TEXT_NUMBER_BYTES 32

/* Each fills and returns `text`. */
const char *text_time(double ns, char text[static TEXT_NUMBER_BYTES]);      /* ns us ms s */
const char *text_bytes(double bytes, char text[static TEXT_NUMBER_BYTES]);  /* B kB MB GB TB */
const char *text_amount(double count, char text[static TEXT_NUMBER_BYTES]); /* k M G */

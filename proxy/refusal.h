/* Why this host refuses io_uring, and which setting allows it. */
#pragma once

#include <stdio.h>

/* error: what ring_new() returned. One or two lines. */
void refusal_explain(int error, FILE *stream);

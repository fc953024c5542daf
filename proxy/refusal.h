/* Why this host refuses io_uring, and which setting allows it. */
#pragma once

#include <stdio.h>

/* error: what ring_new() or ring_engine_refusal() returned. One line. */
void refusal_explain(int error, FILE *stream);

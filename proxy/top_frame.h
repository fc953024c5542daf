/* A frame of `vsluice top`: the whole, the routes, and the first of the sessions in some order. */
#pragma once

#include "proxy/top_sample.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum top_order {
    TOP_BUSIEST,
    TOP_OLDEST,
    TOP_LATEST,
};

struct top_form {
    enum top_order order;
    bool drawn;     /* on a terminal; else it is plain text, and nothing is cut */
    size_t columns; /* of the terminal */
    size_t rows;
    const char *trouble; /* the latest answer failed; NULL: it did not */
};

#define TOP_SESSIONS_PLAIN 20

/* Puts the routes and sessions of the sample into the order in which they are shown. false: out of
 * memory. */
bool top_frame_print(const struct top_sample *sample, const struct top_form *form, FILE *stream);

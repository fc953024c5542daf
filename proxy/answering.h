/* A worker's way of answering inquiries: one after the other, so many sessions in a turn of its
 * ring. */
#pragma once

#include "proxy/inquiry.h"

#define ANSWERING_PIECE 256 /* sessions: some tenths of a millisecond */

struct answering {
    struct sessions *sessions;
    struct inquiry_part *first;
    struct ring_timer timer; /* the next piece */
};

void answering_init(struct answering *answering, struct sessions *sessions);

/* Takes the reference of the part to its inquiry. */
void answering_take(struct answering *answering, struct inquiry_part *part);

/* The worker ends, and has no sessions: all are answered with what there is. */
void answering_end(struct answering *answering);

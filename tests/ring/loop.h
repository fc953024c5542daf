/* A real ring for one test, and probes: operations that note what they were told.
 *
 * Every probe asserts, at every completion, that the handler runs from ring_turn() and from nowhere
 * else, and that the operation is in flight exactly if RING_MORE says so. Everything that waits
 * fails the test after LOOP_PATIENCE_MS.
 */
#pragma once

#include "ring/ring.h"

#define LOOP_PATIENCE_MS 10000

struct loop {
    struct ring *ring;
    struct ring_timer timer;
    bool expired;
};

/* As struct ring_options. */
void loop_init(struct loop *loop, unsigned entries, unsigned buffers_max);
void loop_init_with(struct loop *loop, const struct ring_options *options);

/* Nothing may be in flight or held. */
void loop_deinit(struct loop *loop);

void loop_turn(struct loop *loop);

/* Turns until *count is at least so much; returns the turns that it took. */
unsigned loop_until(struct loop *loop, const unsigned *count, unsigned at_least);

/* Turns for so long; returns the turns: one where nothing happens but the end of the time. */
unsigned loop_for(struct loop *loop, unsigned ms);

#define PROBE_BYTES 32

struct probe {
    struct ring_op op;
    struct loop *loop;
    unsigned completions;
    unsigned terminals;
    int result;             /* the last one */
    int events;             /* all results that were no errors, or'ed: of polls */
    size_t bytes;           /* sum of all results that were no errors */
    char data[PROBE_BYTES]; /* the first of what was received last */
    bool hold;              /* keep the buffer, which is: */
    unsigned buffer;
};

/* The handler of every probe. */
void probe_told(struct ring_op *op, int result, unsigned flags);

/* Turns until the terminal completion, which has to be the only one since the call; returns its
 * result. */
int probe_end(struct probe *probe);

/* Cancels all on the probe's descriptor; turns until the probe has ended; returns its result. */
int probe_cancel(struct probe *probe);

/* The ring says how many are in flight, and this is how many; turns a little, and nothing more
 * completes. */
void probe_expect_quiet(struct probe *probe);

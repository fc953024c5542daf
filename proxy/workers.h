/* All workers of the program: their threads, which of them a connection goes to, and how they stop.
 *
 * Every worker accepts from every listening socket. A connection goes to the worker with the
 * fewest sessions, the one that accepted it where that is one of them: so they are spread evenly
 * however the kernel wakes the accepting ones, and an address is claimed once, by one socket.
 */
#pragma once

#include "proxy/descriptors.h"
#include "proxy/worker.h"

struct workers_options {
    unsigned count;
    struct descriptors_share descriptors;
};

/* 0: all are there, and turn once they are ordered to. Else negative errno, none is, and
 * *ret_refused tells whether it was a ring that could not be had. */
int workers_start(struct workers **ret, const struct workers_options *options, bool *ret_refused);

/* All accept from a socket, or will once they turn, each by a descriptor of its own: *bound stays
 * the caller's. 0, or a negative errno, and none does. */
int workers_open(struct workers *workers, struct opening *opening, const struct bound *bound);

/* What they accept from that socket is of another opening, some time soon. */
void workers_replace(struct workers *workers, struct opening *opening, struct opening *replacement);

/* They do no longer, some time soon. */
void workers_close(struct workers *workers, struct opening *opening);

/* Waits until nobody listens any more where workers_close() said so. */
void workers_await_closed(struct workers *workers);

/* The sessions of a guest end. */
void workers_end_guest(struct workers *workers, struct guest_use *guest);

/* Puts a question to all of them: inquiry_wait() waits for the answers. */
void workers_ask(struct workers *workers, struct inquiry *inquiry);

/* The same for as long as they come to it: in steps, of which one that does not turn has two. true:
 * they have answered; false: *ret_silent has not, and *ret_turns tells whether it turns. */
bool workers_await_answers(struct workers *workers, struct inquiry *inquiry, uint64_t step_ns,
                           unsigned steps_max, unsigned *ret_silent, bool *ret_turns);

/* Becomes readable whenever one has ended, and when all have answered workers_ping(). */
int workers_event(const struct workers *workers);

/* All are asked for a sign of life, which costs each a turn of its ring. */
void workers_ping(struct workers *workers);

/* Whether all that still run have given one since. */
bool workers_answered(struct workers *workers);

/* How many still run; *ret_error: of the first whose ring broke, else 0. */
unsigned workers_running(struct workers *workers, int *ret_error);

/* Sessions of all; and in words, with those of each where there are several: "7 sessions (3 + 4)".
 */
size_t workers_load(const struct workers *workers);
#define WORKERS_LOAD_BYTES 256
const char *workers_load_format(const struct workers *workers,
                                char text[static WORKERS_LOAD_BYTES]);

size_t workers_load_of(const struct workers *workers, unsigned index);

/* What all of them show, in sum. */
uint64_t workers_shown(const struct workers *workers, enum showing_item item);

void workers_command(struct workers *workers, enum mailbox_order order);

/* MAILBOX_DRAIN, and waits until nobody listens any more. */
void workers_drain(struct workers *workers);

/* What the rings run on: for the word at the start. */
const char *workers_engine_name(const struct workers *workers);
int workers_engine_refusal(const struct workers *workers);

/* None may run any more. *ret_totals: of all. */
void workers_free(struct workers *workers, struct sessions_totals *ret_totals);

/* Of a worker's thread: it turns. */
void workers_alive(struct worker *worker);

/* Of a worker's thread: its listeners are closed. */
void workers_deaf(struct worker *worker);

/* Of a worker's thread: those that were to be closed are. */
void workers_closed(struct worker *worker);

/* Of a worker's thread: whom a new connection is for. */
struct worker *workers_choose(struct workers *workers, struct worker *self);

/* Some, by their number modulo 64: there may be room where they wait for it. */
void workers_wake(struct workers *workers, uint64_t which);

/* How many there are to be. */
unsigned workers_count(const struct workers *workers);

/* Sessions of all workers are numbered together. */
atomic_uint_fast64_t *workers_numbers(struct workers *workers);

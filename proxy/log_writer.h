/* Who writes the log: a thread, so that whoever tells something never waits for whoever reads it. A
 * queue of LOG_QUEUE_BYTES lies between; where it is full, what comes is lost, counted, and told in
 * its place as soon as there is room. While it is empty, and standard error is a pipe or a socket
 * with room, a line is written at once by who puts it.
 *
 * Before log_writer_start() and after log_writer_stop(), records are written at once by who puts
 * them. An abort waits a moment for what is queued; all other signals that kill lose it.
 *
 * Lines go to standard error, each whole in one write(2). What the journal does not take goes there
 * as text.
 */
#pragma once

#include "proxy/log_record.h"

#define LOG_QUEUE_BYTES 2097152

struct log_writer_events {
    /* Called by the thread after each batch, and when it said; returns when next, in the time of
     * clock_ns(); 0: not before there is something to write. With UINT64_MAX when it stops. May
     * put records, for which there is room. */
    uint64_t (*attend)(uint64_t now_ns);
    /* Makes the record that tells how many were lost. */
    void (*tell_lost)(struct log_record *record, uint64_t count);
};

/* 0 or a negative errno: records are then written at once. */
int log_writer_start(const struct log_writer_events *events);

/* Of any thread, in the order of each. Never blocks while the thread runs. */
void log_writer_put(const struct log_record *record);

/* How many records were lost, since the start. */
uint64_t log_writer_lost(void);

/* Has attend() called soon. Of any thread. */
void log_writer_wake(void);

/* Writes what is queued, for as long as somebody takes it: where that stands still for a second,
 * the rest is lost, and so is all that comes later. */
void log_writer_stop(void);

/* A generator from inside: what its files share.
 *
 *   generator.c            phases: when what begins and ends
 *   generator_arrivals.c   which connection is opened or given a request, and when
 *   generator_events.c     what its connections tell it
 */
#pragma once

#include "perf/connection.h"
#include "perf/measurement.h"
#include "perf/schedule.h"

enum phase {
    PREPARING,
    READY,
    RUNNING,
    DRAINING,
    CLOSING,
};

struct run {
    struct generator *generator;
    struct load *load;
    struct tally *tally;
    struct ring *ring;
    struct connection *connections;
    char *buffer; /* of streams */
    unsigned count;
    unsigned next; /* to be opened, or to be given a request */
    unsigned opening;
    unsigned alive;  /* not closed */
    unsigned failed; /* crr, churn: connections, before any was opened */
    enum phase phase;
    uint64_t end_ns;
    uint64_t drain_end_ns;
    struct schedule schedule; /* open loop */
    struct queue pending;     /* crr, churn: planned, and no slot free */
    struct measurement measurement;
    struct ring_timer tick;
    struct ring_timer arrival;
    struct ring_timer interval;
    struct ring_op stop;
    struct ring_op stop_cancel;
};

/* Connections that are opened for each unit of work. */
static inline bool run_by_slots(const struct run *run)
{
    return run->load->mode == LOAD_CRR || run->load->mode == LOAD_CHURN;
}

static inline bool run_is_stream(const struct run *run)
{
    return load_is_stream(run->load);
}

static inline uint64_t run_now(const struct run *run)
{
    return ring_now_ns(run->ring);
}

/* PREPARING: opens connections, a few at a time; one of those is open, or has failed. */
void run_open_more(struct run *run);
void run_opening_over(struct run *run);

/* crr, churn: a free slot takes the oldest that is planned; in a closed loop, the next. */
void run_slot_free(struct run *run, struct connection *connection);

/* Open loop: hands out what is planned by now, and goes on by itself. */
void run_arrivals(struct run *run);

/* What a connection of the run tells. */
extern const struct connection_events run_events;

/* Looks at once whether the phase is over. */
void run_wake(struct run *run);

/* The load ends now. */
void run_end_early(struct run *run);

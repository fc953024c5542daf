/* The initiator's sessions: so many, so many at once, until all have ended or the time is over. */
#pragma once

#include "modes.h"

struct crowd {
    const struct place *place;
    const struct options *options;
    void (*plan)(const struct options *options, uint64_t number, struct plan *ret);
    void (*changed)(struct session *session); /* may be NULL */
    struct session *sessions;                 /* all of them, from first to last */
    uint64_t count, started, ended;
    uint64_t tally[SESSION_FAILED + 1];
    double deadline;
};

/* A plan of its own for each session; `count` of them. */
void crowd_init(struct crowd *crowd, const struct place *place, const struct options *options,
                uint64_t count,
                void (*plan)(const struct options *options, uint64_t number, struct plan *ret),
                void (*changed)(struct session *session));

/* Starts sessions as long as there is room among those at once. */
void crowd_start(struct crowd *crowd);

/* One round of the pump. false: the time is over, which has been printed and counted as a failure.
 */
bool crowd_round(struct crowd *crowd, double seconds);

/* Until all have ended. Returns the exit status. */
int crowd_run(struct crowd *crowd);

/* Prints the line of the whole; returns the exit status. */
int crowd_verdict(const struct crowd *crowd);

/* Waits for a line on standard input while the sessions go on. */
void crowd_hold(struct crowd *crowd);

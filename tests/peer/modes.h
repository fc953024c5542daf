/* What the program can be told to do. */
#pragma once

#include "place.h"
#include "session.h"

struct options {
    uint64_t bytes;       /* of a stream, a round; the largest one of `sessions` */
    uint64_t sessions;    /* how many; the target: end by itself after so many (0: never) */
    unsigned concurrency; /* at once */
    uint64_t seed;
    double seconds; /* echo: how long; flood: until nothing has moved for so long */
    double every;   /* echo: pause between rounds */
    double timeout; /* of the whole run */
    const char *how;
    const char *half_close;
    bool down;        /* flood: from the target to the initiator */
    bool hold;        /* idle, flood, sessions together: wait for a line on standard input */
    bool together;    /* sessions: none sends before all are established */
    bool headless_ok; /* serve: sessions may end before their plan is there */
    bool all_tcp;     /* churn: both ends are TCP, so a reset must arrive as one */
    bool verbose;     /* a line for each session, failed or not */
};

/* Each returns the exit status. */
int serve(const struct place *place, const struct options *options);
int mode_exchange(const struct place *place, const struct options *options);
int mode_sessions(const struct place *place, const struct options *options);
int mode_request_answer(const struct place *place, const struct options *options);
int mode_churn(const struct place *place, const struct options *options);
int mode_idle(const struct place *place, const struct options *options);
int mode_echo(const struct place *place, const struct options *options);
int mode_flood(const struct place *place, const struct options *options);

/* vsluice-load compare: is build B slower than build A? Repeated runs of both, a table for people,
 * an exit code for their CI.
 */
#pragma once

#include "perf/result.h"
#include "perf/stats.h"

#define COMPARE_METRICS 9

/* A difference is believed where its p-value is below this, and the interval of its ratio does not
 * hold 1. */
#define COMPARE_P_BELOW 0.05

enum compare_verdict {
    COMPARE_ABSENT, /* the mode does not have this metric, or not every run does */
    COMPARE_SAME,   /* no difference that the runs can show */
    COMPARE_BETTER,
    COMPARE_WORSE,     /* by no more than is allowed */
    COMPARE_REGRESSED, /* by more */
};

struct compare_row {
    const char *name;
    bool more_is_better;
    enum compare_verdict verdict; /* COMPARE_ABSENT: nothing below is set */
    double median_a;
    double median_b;
    double ratio; /* B to A */
    bool has_interval;
    struct stats_interval interval; /* of the ratio, 95 % */
    double p;                       /* corrected for the number of metrics */
};

struct compare {
    size_t a_count;
    size_t b_count;
    struct compare_row rows[COMPARE_METRICS];
};

/* Compares runs of one mode, at least one of each group, at most STATS_RUNS_MAX in all. A metric
 * that is worse by more than `regression_percent` has regressed (INFINITY: none ever has): so much
 * less throughput, or so much more latency or CPU time, relative to A. */
void compare_results(struct result *const *a, size_t a_count, struct result *const *b,
                     size_t b_count, double regression_percent, struct compare *ret);

bool compare_regressed(const struct compare *compare);

/* The table. */
void compare_print(const struct compare *compare, FILE *stream);

/* compare A.json... -- B.json... [--max-regression PCT] [--allow-invalid]; argv[0] is "compare".
 * Returns the exit code: 0; 1 where a metric regressed; 64 usage; 65 a file that is no result, an
 * invalid run, runs of different modes, too few runs for --max-regression; 66 a file that cannot be
 * read. */
int compare_command(int argc, char **argv);

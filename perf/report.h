/* vsluice-load report: runs drawn on one HTML page that needs nothing but itself: no network, no
 * script, pictures as SVG within it.
 *
 * Runs of one title (their label; see result_title()) are a group: repeats of one thing, of one
 * colour, with one bar, and their latencies merged.
 */
#pragma once

#include "perf/result.h"

#define REPORT_TITLE_BYTES (2 * RESULT_TEXT_BYTES)
#define REPORT_RUNS_MAX    200

struct report_run {
    const char *path;
    struct result *result; /* owned */
    size_t group;
};

struct report_group {
    char title[REPORT_TITLE_BYTES];
    size_t run_count;
    size_t invalid_count;
    struct histogram latency; /* of all its runs */
};

struct report {
    struct report_run *runs;
    size_t run_count;
    struct report_group *groups; /* in the order of their first runs */
    size_t group_count;
};

/* Adds a run, and takes it, whether it succeeds or fails. `path` must outlive the report. 0 or
 * negative errno. */
int report_add(struct report *report, const char *path, struct result *result);
/* Frees what was added; the report is empty then, as one of zeroes is. */
void report_clear(struct report *report);

/* The page. */
void report_write(const struct report *report, FILE *stream);

/* report RUN.json... -o report.html; argv[0] is "report". Returns the exit code: 0; 64 usage; 65 a
 * file that is no result; 66 one that cannot be read; 73 the page cannot be written. */
int report_command(int argc, char **argv);

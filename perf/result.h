/* What one run measured: the value that is printed, written as JSON (schema "vsluice-load/1",
 * described in docs/vsluice-load.json.md), compared and drawn.
 */
#pragma once

#include "perf/histogram.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define RESULT_SCHEMA      "vsluice-load/1"
#define RESULT_TEXT_BYTES  256
#define RESULT_REASONS_MAX 8

/* As asked for. Sizes in bytes, times in nanoseconds. */
struct result_options {
    char endpoint[RESULT_TEXT_BYTES];
    char mode[16];     /* stream, rr, crr, churn, idle */
    char direction[8]; /* stream: up, down, both */
    char arrival[16];  /* closed, constant, poisson */
    unsigned connections;
    unsigned threads;
    unsigned depth; /* rr: requests in flight on each connection */
    uint64_t duration_ns;
    uint64_t warmup_ns;
    uint64_t size;     /* stream: of each write */
    uint64_t request;  /* rr, crr */
    uint64_t response; /* rr, crr */
    double rate;       /* open loop, and churn: per second; 0: closed loop */
    uint64_t seed;
    bool verify;
};

struct result_environment {
    char kernel[RESULT_TEXT_BYTES]; /* uname: sysname release version machine */
    char cpu[RESULT_TEXT_BYTES];    /* model name */
    char host[RESULT_TEXT_BYTES];
    char version[64]; /* of vsluice-load */
    char engine[32];  /* of its rings: io_uring, or epoll where that is refused */
    unsigned cpus;
    char started[32]; /* ISO 8601, UTC */
};

struct result_errors {
    uint64_t connect; /* connections that could not be made */
    uint64_t reset;   /* connections that broke in the middle */
    uint64_t closed;  /* connections that the other end ended too early */
    uint64_t verify;  /* bytes that were not the ones sent */
    uint64_t timeout; /* not answered by the end of the run */
};

/* One interval of the run, a second as a rule. */
struct result_interval {
    double at_s; /* its end, from the start of the measurement; warm-up is not in it */
    double seconds;
    uint64_t completed; /* requests, connections or writes */
    uint64_t bytes;
    uint64_t p50_ns; /* of what completed in it; 0 where nothing did */
    uint64_t p99_ns;
    uint64_t errors;
};

struct result {
    char label[RESULT_TEXT_BYTES];
    struct result_options options;
    struct result_environment environment;

    bool valid;
    char reasons[RESULT_REASONS_MAX][RESULT_TEXT_BYTES]; /* why not, in words */
    size_t reason_count;

    double seconds; /* measured, without warm-up */
    uint64_t completed;
    uint64_t bytes_up;
    uint64_t bytes_down;
    double cpu_user_s; /* of the generator, while it measured */
    double cpu_system_s;

    struct histogram latency;    /* of what the mode counts: request, connection, write */
    struct histogram connect;    /* connecting */
    struct histogram first_byte; /* from connected to the first byte of the answer */
    struct histogram schedule;   /* open loop: actual minus planned send time */
    struct result_errors errors;

    struct result_interval *intervals; /* malloc()ed, and owned by the result */
    size_t interval_count;
};

/* Large (histograms): on the heap. */
struct result *result_new(void);
void result_free(struct result *result);

/* Adds a reason and makes the result invalid. Of more than RESULT_REASONS_MAX, the first are kept.
 */
__attribute__((format(printf, 2, 3))) void result_invalidate(struct result *result,
                                                             const char *format, ...);

uint64_t result_errors_total(const struct result_errors *errors);

/* Rates over the measured time; bytes of both directions. 0 where no time was measured. */
double result_per_second(const struct result *result);
double result_bytes_per_second(const struct result *result);

/* CPU seconds of the generator, user and system, for each unit of work: a gigabyte (10^9 bytes) of
 * a stream, else each of what is completed. 0 where nothing was. */
double result_cpu_per_work(const struct result *result);
/* The words for it: "request", "GB"; and for what is completed: "requests", "writes". */
const char *result_work(const struct result *result);
const char *result_completed(const struct result *result);

/* What a group of runs is called: the label, or mode and endpoint where there is none. */
void result_title(const struct result *result, char title[static 2 * RESULT_TEXT_BYTES]);

/* Writes a file by way of a temporary one beside it, so that what stands at PATH is always whole; a
 * failure leaves what was there, and no temporary file. A symbolic link stays one. What is no
 * regular file (a pipe, /dev/stdout) is written to directly. 0 or negative errno, ENOSPC at the
 * latest from fsync. */
int result_write_file(const char *path, const char *text, size_t bytes);

/* The result as JSON, by result_write_file(). Bytes of texts that are no UTF-8 become '?'. 0 or
 * negative errno; -EINVAL: a number of it is not finite. */
int result_write_json(const struct result *result, const char *path);

/* Reads what result_write_json() wrote; members that it does not know are passed over. 0, or
 * negative errno, -EPROTO: not of this schema; then `error` (RESULT_TEXT_BYTES) tells what is
 * wrong, in words. */
int result_read_json(const char *path, struct result **ret, char *error);

/* The summary for people at the end of a run. */
void result_print(const struct result *result, FILE *stream);

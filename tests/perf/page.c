/* Writes made-up runs and the report of them, for render.py to look at.
 * usage: page FOLDER    FOLDER/N.json, FOLDER/report.html (several labels, repeats, invalid runs, a
 * stream of its own kind) and FOLDER/one.html (a single run without a label)
 */
#include "perf/report.h"
#include "tests/perf/random.h"
#include "tests/perf/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES 256

static const struct {
    const char *label;
    double scale;
    bool invalid;
} runs[] = {
    {"direct", 1, false},
    {"direct", 1.03, false},
    {"direct", 0.98, false},
    {"vsluice", 1.25, false},
    {"vsluice", 1.21, false},
    {"<script>alert(\"1\")</script> & a label that goes on and on, as labels of scripts do", 1.6,
     false},
    {"socat, with a generator that could not keep up", 3.1, true},
    {"qemu user networking", 9, false},
};
#define RUNS (sizeof(runs) / sizeof(runs[0]))

/* The sample, with all its times stretched. */
static struct result *stretched(size_t number)
{
    struct result *result = sample_result(runs[number].label, number + 1);
    struct random random = {number};
    double scale = runs[number].scale;

    histogram_init(&result->latency);
    for (unsigned i = 0; i < 50000; i++) {
        double slow = random_uniform(&random) < 0.002 ? 10 + 10 * random_uniform(&random) : 1;
        double ns = 25000 * scale * slow * exp(0.25 * random_normal(&random));
        histogram_add(&result->latency, (uint64_t)ns);
    }
    result->seconds *= scale;
    result->cpu_system_s *= scale;
    for (size_t i = 0; i < result->interval_count; i++) {
        result->intervals[i].completed = (uint64_t)((double)result->intervals[i].completed / scale);
        result->intervals[i].bytes = 192 * result->intervals[i].completed;
    }
    if (runs[number].invalid) {
        result_invalidate(result, "the schedule error's p99.9 is 812 us, above 100 us");
        result_invalidate(result, "the generator's threads used 98 %% of their CPUs");
    }
    return result;
}

static int write_run(const struct result *result, const char *path)
{
    int error = result_write_json(result, path);
    if (error != 0)
        fprintf(stderr, "%s: %s\n", path, strerror(-error));
    return error;
}

int main(int argc, char **argv)
{
    static char paths[RUNS + 1][PATH_BYTES];
    char page[PATH_BYTES], one[PATH_BYTES];
    char *arguments[RUNS + 4] = {"report"};

    if (argc != 2)
        return 64;
    for (size_t i = 0; i < RUNS; i++) {
        struct result *result = stretched(i);
        snprintf(paths[i], PATH_BYTES, "%s/%zu.json", argv[1], i);
        arguments[1 + i] = paths[i];
        if (write_run(result, paths[i]) != 0)
            return 1;
        if (i == 0) {
            result->label[0] = '\0';
            snprintf(paths[RUNS], PATH_BYTES, "%s/one.json", argv[1]);
            if (write_run(result, paths[RUNS]) != 0)
                return 1;
        }
        result_free(result);
    }
    snprintf(page, sizeof(page), "%s/report.html", argv[1]);
    snprintf(one, sizeof(one), "%s/one.html", argv[1]);
    arguments[1 + RUNS] = "-o";
    arguments[2 + RUNS] = page;
    int status = report_command(RUNS + 3, arguments);
    char *single[] = {"report", "--output", one, paths[RUNS], NULL};
    return status != 0 ? status : report_command(4, single);
}

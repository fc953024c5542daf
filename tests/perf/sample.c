/* Results of runs that never ran. */
#include "tests/perf/sample.h"
#include "tests/perf/random.h"

#include <assert.h>
#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/vsluice-perf.XXXXXX";
static bool made;

static void fill_words(struct result *result, const char *label, uint64_t seed)
{
    snprintf(result->label, sizeof(result->label), "%s", label);
    result->options = (struct result_options){
        .endpoint = "unix:/run/echo",
        .mode = "rr",
        .direction = "both",
        .arrival = "poisson",
        .connections = 16,
        .threads = 2,
        .depth = 4,
        .duration_ns = 10000000000,
        .warmup_ns = 1500000000,
        .size = 65536,
        .request = 64,
        .response = 128,
        .rate = 12345.5,
        .seed = UINT64_MAX - seed,
        .verify = true,
    };
    result->environment = (struct result_environment){
        .kernel = "Linux 6.1.0-18-amd64 #1 SMP x86_64",
        .cpu = "AMD EPYC 7B13",
        .host = "lab1",
        .version = "0.1.0",
        .engine = "io_uring",
        .cpus = 8,
        .started = "2026-01-02T03:04:05Z",
    };
}

static void fill_numbers(struct result *result, uint64_t seed)
{
    struct random random = {seed};

    for (unsigned i = 0; i < 20000; i++) {
        double slow = random_uniform(&random) < 0.002 ? 20 : 1;
        double latency = 25000 * slow * exp(0.25 * random_normal(&random));
        histogram_add(&result->latency, (uint64_t)latency);
        histogram_add(&result->schedule, (uint64_t)(3000 * random_uniform(&random)));
    }
    for (unsigned i = 0; i < 16; i++) {
        histogram_add(&result->connect, (uint64_t)(50000 * (1 + random_uniform(&random))));
        histogram_add(&result->first_byte, (uint64_t)(70000 * (1 + random_uniform(&random))));
    }
    result->seconds = 10.25;
    result->completed = result->latency.count;
    result->bytes_up = 64 * result->completed;
    result->bytes_down = 128 * result->completed;
    result->cpu_user_s = 0.75;
    result->cpu_system_s = 1.5;
    result->errors = (struct result_errors){1, 2, 3, 4, 5};

    result->interval_count = 10;
    result->intervals = calloc(result->interval_count, sizeof(*result->intervals));
    assert(result->intervals);
    for (size_t i = 0; i < result->interval_count; i++) {
        uint64_t completed = (uint64_t)(2000 * (0.9 + 0.2 * random_uniform(&random)));
        result->intervals[i] = (struct result_interval){
            .at_s = 1.025 * (double)(i + 1),
            .seconds = 1.025,
            .completed = completed,
            .bytes = 192 * completed,
            .p50_ns = 25001,
            .p99_ns = 98765,
            .errors = i,
        };
    }
}

struct result *sample_result(const char *label, uint64_t seed)
{
    struct result *result = result_new();
    assert(result);
    fill_words(result, label, seed);
    fill_numbers(result, seed);
    return result;
}

const char *sample_path(const char *name)
{
    static char path[PATH_MAX];
    if (!made)
        made = mkdtemp(folder) != NULL;
    assert(made);
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

void sample_clean(void)
{
    char path[PATH_MAX];
    DIR *directory = made ? opendir(folder) : NULL;
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory));) {
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        unlink(path);
    }
    closedir(directory);
    rmdir(folder);
}

char *sample_text(const char *path)
{
    FILE *stream = fopen(path, "r");
    char *text = NULL;
    size_t bytes = 0;
    if (!stream || getdelim(&text, &bytes, '\0', stream) < 0)
        assert(!"the file can be read");
    fclose(stream);
    return text;
}

/* Results as JSON: there and back without loss, whole files or none, and a word for everything that
 * can be wrong in one. */
#include "perf/result_fields.h"
#include "tests/perf/sample.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

TestSuite(perf_result, .fini = sample_clean);

static struct result *read_back(const char *path)
{
    char error[RESULT_TEXT_BYTES] = "";
    struct result *result = NULL;
    cr_assert_eq(result_read_json(path, &result, error), 0, "%s", error);
    return result;
}

static void expect_same_histogram(const struct histogram *got, const struct histogram *wanted)
{
    cr_expect_eq(memcmp(got->counts, wanted->counts, sizeof(got->counts)), 0);
    cr_expect_eq(got->count, wanted->count);
    cr_expect_eq(got->saturated, wanted->saturated);
    cr_expect_eq(got->min_ns, wanted->min_ns);
    cr_expect_eq(got->max_ns, wanted->max_ns);
    cr_expect_float_eq(got->sum_ns, wanted->sum_ns, wanted->sum_ns * 1e-12);
}

static void expect_same_fields(const struct result_field_table *table, const void *got,
                               const void *wanted)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct result_field *field = &table->fields[i];
        const char *a = (const char *)got + field->offset,
                   *b = (const char *)wanted + field->offset;
        bool text = field->kind == FIELD_TEXT;
        cr_expect_eq(text ? strcmp(a, b) : memcmp(a, b, field->bytes), 0, "%s", field->key);
    }
}

Test(perf_result, there_and_back)
{
    struct result *written = sample_result("a \"label\" \xc3\xa9 <b>", 5);
    histogram_add(&written->latency, UINT64_MAX);
    result_invalidate(written, "schedule error %d us", 120);
    const char *path = sample_path("run.json");
    cr_assert_eq(result_write_json(written, path), 0);
    struct result *got = read_back(path);

    cr_expect_str_eq(got->label, written->label);
    cr_expect_not(got->valid);
    cr_expect_eq(got->reason_count, 1);
    cr_expect_str_eq(got->reasons[0], "schedule error 120 us");
    expect_same_fields(&result_option_fields, &got->options, &written->options);
    expect_same_fields(&result_environment_fields, &got->environment, &written->environment);
    expect_same_fields(&result_error_fields, &got->errors, &written->errors);
    cr_expect_eq(got->options.seed, UINT64_MAX - 5);
    cr_expect_eq(got->options.warmup_ns, 1500000000);
    cr_expect_eq(got->environment.cpus, 8);
    cr_expect_eq(got->errors.timeout, 5);
    cr_expect_eq(got->seconds, written->seconds);
    cr_expect_eq(got->completed, written->completed);
    cr_expect_eq(got->bytes_up, written->bytes_up);
    cr_expect_eq(got->bytes_down, written->bytes_down);
    cr_expect_eq(got->cpu_user_s, written->cpu_user_s);
    cr_expect_eq(got->cpu_system_s, written->cpu_system_s);
    expect_same_histogram(&got->latency, &written->latency);
    expect_same_histogram(&got->connect, &written->connect);
    expect_same_histogram(&got->first_byte, &written->first_byte);
    expect_same_histogram(&got->schedule, &written->schedule);
    cr_assert_eq(got->interval_count, written->interval_count);
    for (size_t i = 0; i < got->interval_count; i++) {
        const struct result_interval *a = &got->intervals[i], *b = &written->intervals[i];
        cr_expect_float_eq(a->at_s, b->at_s, 1e-9);
        cr_expect_eq(a->seconds, b->seconds);
        cr_expect_eq(a->completed, b->completed);
        cr_expect_eq(a->bytes, b->bytes);
        cr_expect_eq(a->p50_ns, b->p50_ns);
        cr_expect_eq(a->p99_ns, b->p99_ns);
        cr_expect_eq(a->errors, b->errors);
    }
    result_free(written);
    result_free(got);
}

/* What other programs are promised, read by another reader. */
Test(perf_result, schema_as_others_read_it)
{
    struct result *written = sample_result("x", 6);
    const char *path = sample_path("run.json");
    cr_assert_eq(result_write_json(written, path), 0);
    json_t *json = json_load_file(path, 0, NULL);
    cr_assert_not_null(json);

    const char *schema, *label;
    int valid;
    double bytes_rate, rate, p50, p90, p95, p99, p999, p9999;
    json_int_t count;
    json_error_t error;
    cr_assert_eq(json_unpack_ex(json, &error, 0,
                                "{s:s, s:s, s:b, s:[!], s:{s:F, s:F},"
                                " s:{s:I, s:{s:F, s:F, s:F, s:F, s:F, s:F}}}",
                                "schema", &schema, "label", &label, "valid", &valid,
                                "invalid_reasons", "throughput", "bytes_per_second", &bytes_rate,
                                "per_second", &rate, "latency", "count", &count, "percentiles",
                                "50", &p50, "90", &p90, "95", &p95, "99", &p99, "99.9", &p999,
                                "99.99", &p9999),
                 0, "%s", error.text);
    cr_expect_str_eq(schema, "vsluice-load/1");
    cr_expect_eq(valid, 1);
    cr_expect_eq(count, 20000);
    cr_expect_float_eq(rate, 20000 / 10.25, 1e-6);
    cr_expect_float_eq(bytes_rate, 192 * 20000 / 10.25, 1e-3);
    const struct histogram *latency = &written->latency;
    cr_expect_float_eq(p50 * 1000, (double)histogram_percentile(latency, 50), 0.5);
    cr_expect_float_eq(p90 * 1000, (double)histogram_percentile(latency, 90), 0.5);
    cr_expect_float_eq(p95 * 1000, (double)histogram_percentile(latency, 95), 0.5);
    cr_expect_float_eq(p99 * 1000, (double)histogram_percentile(latency, 99), 0.5);
    cr_expect_float_eq(p999 * 1000, (double)histogram_percentile(latency, 99.9), 0.5);
    cr_expect_float_eq(p9999 * 1000, (double)histogram_percentile(latency, 99.99), 0.5);
    cr_expect(p50 > 20 && p50 < 30, "in microseconds: %f", p50);
    json_decref(json);
    result_free(written);
}

Test(perf_result, empty_and_odd_values)
{
    struct result *written = result_new();
    const char *path = sample_path("run.json");
    strcpy(written->label, "\xff tru\xe2\x82 \x80\xc3");
    cr_assert_eq(result_write_json(written, path), 0);
    struct result *got = read_back(path);
    cr_expect_str_eq(got->label, "? tru?? ??");
    cr_expect_eq(got->latency.min_ns, UINT64_MAX);
    cr_expect_eq(got->latency.count, 0);
    cr_expect_eq(got->interval_count, 0);
    result_free(got);

    /* A result that cannot be written leaves the one that stands there. */
    written->options.rate = INFINITY;
    cr_expect_eq(result_write_json(written, path), -EINVAL);
    result_free(read_back(path));

    /* The longest label. */
    written->options.rate = 0;
    memset(written->label, 'x', sizeof(written->label) - 1);
    cr_assert_eq(result_write_json(written, path), 0);
    got = read_back(path);
    cr_expect_str_eq(got->label, written->label);
    result_free(got);
    result_free(written);
}

Test(perf_result, reasons_have_a_bound)
{
    struct result *result = result_new();
    for (unsigned i = 0; i < RESULT_REASONS_MAX + 1; i++) {
        cr_expect_eq(result->reason_count, i);
        result_invalidate(result, "reason %u", i);
    }
    cr_expect_eq(result->reason_count, RESULT_REASONS_MAX);
    cr_expect_str_eq(result->reasons[RESULT_REASONS_MAX - 1], "reason 7");
    result_free(result);
}

static unsigned entries(const char *folder)
{
    unsigned count = 0;
    DIR *directory = opendir(folder);
    cr_assert_not_null(directory);
    for (struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.' || strncmp(entry->d_name, ".vsluice", 8) == 0;
    closedir(directory);
    return count;
}

/* A disk that is full: on a file system of 64 KiB of our own where we may mount one, else by the
 * limit on the size of files. */
Test(perf_result, a_full_disk_is_told_and_leaves_the_old_file)
{
    char folder[PATH_MAX], path[PATH_MAX + 16];
    struct result *result = sample_result("x", 7);
    strcpy(folder, sample_path("small"));
    cr_assert_eq(mkdir(folder, 0700), 0);
    snprintf(path, sizeof(path), "%s/run.json", folder);

    int wanted = -ENOSPC;
    bool mounted = unshare(CLONE_NEWNS) == 0 &&
                   mount("", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                   mount("small", folder, "tmpfs", 0, "size=64k") == 0;
    if (!mounted) {
        wanted = -EFBIG;
        signal(SIGXFSZ, SIG_IGN);
        cr_assert_eq(setrlimit(RLIMIT_FSIZE, &(struct rlimit){65536, 65536}), 0);
    }
    cr_assert_eq(result_write_json(result, path), 0);
    for (unsigned i = 0; i < 3000; i++)
        histogram_add(&result->latency, histogram_highest(2048 + i * 8));
    cr_expect_eq(result_write_json(result, path), wanted);
    cr_expect_eq(entries(folder), 1);
    struct result *got = read_back(path);
    cr_expect_eq(got->latency.count, 20000);
    result_free(got);

    unlink(path);
    cr_expect_eq(result_write_json(result, path), wanted);
    cr_expect_eq(entries(folder), 0);
    if (mounted)
        umount(folder);
    rmdir(folder);
    result_free(result);
}

Test(perf_result, what_is_no_regular_file_is_written_to_directly)
{
    struct stat status;
    cr_expect_eq(result_write_file("/dev/full", "x", 1), -ENOSPC);
    cr_assert_eq(stat("/dev/full", &status), 0);
    cr_expect(S_ISCHR(status.st_mode));
    cr_expect_eq(result_write_file("/dev/null", "x", 1), 0);
    cr_expect_eq(result_write_file("/nowhere/run.json", "x", 1), -ENOENT);
    cr_expect_eq(result_write_file("/proc/version/run.json", "x", 1), -ENOTDIR);
    cr_expect_eq(result_write_file("/tmp", "x", 1), -EISDIR);
}

Test(perf_result, links_and_modes_stay)
{
    char target[PATH_MAX], link[PATH_MAX];
    struct stat status;
    strcpy(target, sample_path("target"));
    strcpy(link, sample_path("link"));
    cr_assert_eq(result_write_file(target, "old", 3), 0);
    cr_assert_eq(chmod(target, 0604), 0);
    cr_assert_eq(symlink(target, link), 0);
    cr_assert_eq(result_write_file(link, "new", 3), 0);
    cr_assert_eq(lstat(link, &status), 0);
    cr_expect(S_ISLNK(status.st_mode));
    cr_assert_eq(stat(target, &status), 0);
    cr_expect_eq(status.st_mode & 0777, 0604);
    char *text = sample_text(target);
    cr_expect_str_eq(text, "new");
    free(text);

    /* Not a name in the way, not a hundred. */
    cr_assert_eq(chdir(sample_path("")), 0);
    cr_assert_eq(result_write_file("bare", "x", 1), 0);
    cr_expect_eq(access(sample_path("bare"), F_OK), 0);
}

static json_t *sample_json(void)
{
    struct result *result = sample_result("x", 8);
    const char *path = sample_path("good.json");
    cr_assert_eq(result_write_json(result, path), 0);
    result_free(result);
    return json_load_file(path, 0, NULL);
}

static json_t *at(json_t *json, const char *object)
{
    return object ? json_object_get(json, object) : json;
}

static void expect_refused(const char *path, const char *words)
{
    char error[RESULT_TEXT_BYTES] = "";
    struct result *result = NULL;
    cr_expect_eq(result_read_json(path, &result, error), -EPROTO, "%s", words);
    cr_expect_str_eq(error, words);
    cr_expect_null(result);
}

Test(perf_result, every_member_is_required)
{
    static const char *const objects[] = {NULL,      "options",         "environment",
                                          "cpu",     "errors",          "throughput",
                                          "latency", "connect_latency", "schedule_error"};
    /* Written for others, and not read. */
    static const char *const derived = "per_second bytes_per_second stddev percentiles";
    const char *path = sample_path("bad.json");
    unsigned refused = 0;

    for (size_t i = 0; i < COUNT_OF(objects); i++) {
        json_t *json = sample_json();
        json_t *copy = json_deep_copy(at(json, objects[i]));
        const char *key;
        json_t *value;
        json_object_foreach(copy, key, value)
        {
            char words[128];
            if (strstr(derived, key))
                continue;
            snprintf(words, sizeof(words), "%s%s%s is missing", objects[i] ? objects[i] : "",
                     objects[i] ? "." : "", key);
            json_object_del(at(json, objects[i]), key);
            cr_assert_eq(json_dump_file(json, path, 0), 0);
            expect_refused(path, words);
            json_object_set(at(json, objects[i]), key, value);
            refused++;
        }
        json_decref(copy);
        json_decref(json);
    }
    cr_expect_eq(refused, 14 + 15 + 7 + 2 + 5 + 4 + 3 * 6);
}

Test(perf_result, wrong_values_are_named)
{
    static const struct {
        const char *object;
        const char *key;
        const char *value;
        const char *words;
    } cases[] = {
        {NULL, "schema", "\"vsluice-load/2\"",
         "schema is \"vsluice-load/2\", and this program reads \"vsluice-load/1\""},
        {NULL, "valid", "1", "valid is not true or false"},
        {NULL, "invalid_reasons", "[\"x\"]", "valid is true, but there are invalid_reasons"},
        {NULL, "options", "[]", "options is not an object"},
        {NULL, "intervals", "[1]", "intervals[0] is not an object"},
        {NULL, "intervals", "[{}]", "intervals[0].at_seconds is missing"},
        {"options", "seed", "\"-1\"", "options.seed is not a number of 64 bits"},
        {"options", "seed", "\"18446744073709551616\"", "options.seed is not a number of 64 bits"},
        {"options", "mode", "\"0123456789abcdef\"", "options.mode is longer than 15 bytes"},
        {"options", "threads", "1.5", "options.threads is not a whole number"},
        {"options", "threads", "4294967296", "options.threads is not between 0 and 4294967295"},
        {"throughput", "seconds", "-1", "throughput.seconds is not between 0 and 1e+18"},
        {"throughput", "seconds", "\"1\"", "throughput.seconds is not a number"},
        {"latency", "count", "19999", "latency.histogram holds 20000 values, but count is 19999"},
        {"latency", "saturated", "20001", "latency.saturated is larger than count"},
        {"latency", "min", "1", "latency.min is not in the first bucket"},
        {"latency", "max", "1e9", "latency.max is not in the last bucket"},
        {"latency", "histogram", "[[1, 2, 3]]", "latency.histogram[0] is not [nanoseconds, count]"},
        {"latency", "histogram", "[[1, 0]]", "latency.histogram[0] is out of range"},
        {"latency", "histogram", "[[-1, 1]]", "latency.histogram[0] is out of range"},
        {"latency", "histogram", "[[9000000000000, 1]]", "latency.histogram[0] is out of range"},
        {"latency", "histogram", "[[2, 9223372036854775807], [3, 1]]",
         "latency.histogram[1] is out of range"},
        {"latency", "histogram", "[[2048, 1]]",
         "latency.histogram[0] does not end where a bucket ends"},
        {"latency", "histogram", "[[2, 1], [2, 1]]", "latency.histogram[1] is out of order"},
    };
    const char *path = sample_path("bad.json");

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *json = sample_json();
        json_t *value = json_loads(cases[i].value, JSON_DECODE_ANY, NULL);
        cr_assert_eq(json_object_set_new(at(json, cases[i].object), cases[i].key, value), 0);
        cr_assert_eq(json_dump_file(json, path, 0), 0);
        expect_refused(path, cases[i].words);
        json_decref(json);
    }
}

Test(perf_result, what_is_no_json)
{
    static const struct {
        const char *text;
        const char *words;
    } cases[] = {
        {"", "not JSON: line 1: '[' or '{' expected near end of file"},
        {"{\"schema\":\n", "not JSON: line 2: unexpected token near end of file"},
        {"[]", "not a JSON object"},
        {"{}", "schema is missing"},
        {"{\"schema\": 1}", "schema is not a string"},
        {"{\"schema\": \"a\", \"schema\": \"a\"}",
         "not JSON: line 1: duplicate object key near '\"schema\"'"},
    };
    const char *path = sample_path("bad.json");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        cr_assert_eq(result_write_file(path, cases[i].text, strlen(cases[i].text)), 0);
        expect_refused(path, cases[i].words);
    }

    char error[RESULT_TEXT_BYTES] = "";
    struct result *result = NULL;
    cr_expect_eq(result_read_json("/nowhere", &result, error), -ENOENT);
    cr_expect_str_eq(error, "No such file or directory");
    cr_expect_eq(result_read_json("/tmp", &result, error), -EISDIR);
    cr_expect_str_eq(error, "Is a directory");
}

/* No cut of a good file is taken for one. */
Test(perf_result, no_half_file_is_read)
{
    json_decref(sample_json());
    char *text = sample_text(sample_path("good.json"));
    size_t bytes = strlen(text);
    const char *path = sample_path("half.json");
    char error[RESULT_TEXT_BYTES];
    struct result *result = NULL;

    for (size_t half = 0; half < bytes - 2; half += 997) {
        FILE *stream = fopen(path, "w");
        cr_assert_eq(fwrite(text, 1, half, stream), half);
        fclose(stream);
        cr_assert_eq(result_read_json(path, &result, error), -EPROTO, "%zu bytes", half);
    }
    free(text);
}

Test(perf_result, summary)
{
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);
    struct result *result = sample_result("a label", 9);
    result_invalidate(result, "the generator was the bottleneck");
    result_print(result, stream);
    fclose(stream);
    static const char *const parts[] = {
        "a label\n",
        "rr unix:/run/echo: 16 connections, 2 threads, request 64 B, response 128 B, depth 4, ",
        ", open loop (poisson) at 12.3 k/s, verified\n",
        "  measured        10.25 s, after 1.50 s of warm-up\n",
        "  requests        20000, 1.95 k/s\n",
        "  bytes           1.28 MB up, 2.56 MB down, 375 kB/s\n",
        "  generator's CPU user 0.75 s, system 1.50 s, 112 us for each request\n",
        "  errors          connect 1, reset 2, closed 3, verify 4, timeout 5\n",
        "       p50       p90       p99     p99.9    p99.99       max        count\n",
        "  latency            2",
        "  schedule error  ",
        "        20000\n",
        "INVALID: the generator was the bottleneck\n",
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        cr_expect_not_null(strstr(text, parts[i]), "%s\nnot in\n%s", parts[i], text);
    free(text);
    result_free(result);
}

/* compare: what is better and what is worse, the table, the command line, the exit codes. */
#include "perf/compare.h"
#include "tests/perf/sample.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define RUNS            4

TestSuite(perf_compare, .fini = sample_clean);

/* A run of few values, all its times and CPU `scale` times as long, but for a little that tells
 * runs apart. */
static struct result *run(double scale, unsigned number)
{
    struct result *result = result_new();
    double time = scale * (1 + 0.001 * number);

    strcpy(result->options.mode, "rr");
    strcpy(result->options.endpoint, "unix:@x");
    result->seconds = 10;
    result->completed = (uint64_t)(1e5 / time);
    result->bytes_up = result->bytes_down = 64 * result->completed;
    result->cpu_user_s = 1e-5 * (double)result->completed * time;
    histogram_add_many(&result->latency, (uint64_t)(20000 * time), 1000);
    histogram_add_many(&result->connect, (uint64_t)(90000 * time), 10);
    return result;
}

static struct compare compare(double scale, double regression_percent)
{
    struct result *a[RUNS], *b[RUNS];
    struct compare compared;
    for (unsigned i = 0; i < RUNS; i++) {
        a[i] = run(1, i);
        b[i] = run(scale, i);
    }
    compare_results(a, RUNS, b, RUNS, regression_percent, &compared);
    for (unsigned i = 0; i < RUNS; i++) {
        result_free(a[i]);
        result_free(b[i]);
    }
    return compared;
}

static void expect_verdicts(const struct compare *compared, enum compare_verdict verdict)
{
    unsigned present = 0;
    for (size_t i = 0; i < COMPARE_METRICS; i++) {
        const struct compare_row *row = &compared->rows[i];
        if (strcmp(row->name, "first byte p50") == 0) {
            cr_expect_eq(row->verdict, COMPARE_ABSENT);
            continue;
        }
        cr_expect_eq(row->verdict, verdict, "%s: %d", row->name, row->verdict);
        present++;
    }
    cr_expect_eq(present, COMPARE_METRICS - 1);
}

Test(perf_compare, direction_of_good)
{
    struct compare slower = compare(1.1, INFINITY), faster = compare(0.9, 0);
    struct compare same = compare(1, 0), regressed = compare(1.1, 5), allowed = compare(1.1, 15);

    expect_verdicts(&slower, COMPARE_WORSE);
    cr_expect_not(compare_regressed(&slower));
    expect_verdicts(&faster, COMPARE_BETTER);
    expect_verdicts(&same, COMPARE_SAME);
    expect_verdicts(&regressed, COMPARE_REGRESSED);
    cr_expect(compare_regressed(&regressed));
    expect_verdicts(&allowed, COMPARE_WORSE);
    cr_expect_float_eq(slower.rows[0].ratio, 1 / 1.1, 1e-3);
    cr_expect_float_eq(slower.rows[2].ratio, 1.1, 1e-3);
    cr_expect_float_eq(slower.rows[8].ratio, 1.1, 1e-3);
    cr_expect_float_eq(slower.rows[2].p, 2.0 / 70, 1e-9);
}

/* 9.09 % less throughput, 10 % more latency. */
Test(perf_compare, limit_of_regression)
{
    struct compare between = compare(1.1, 9.5);
    cr_expect_eq(between.rows[0].verdict, COMPARE_WORSE);
    cr_expect_eq(between.rows[2].verdict, COMPARE_REGRESSED);
    cr_expect(compare_regressed(&between));
}

Test(perf_compare, table)
{
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);
    struct compare compared = compare(1.1, 5);
    compare_print(&compared, stream);
    fclose(stream);
    static const char *const parts[] = {
        "  A (4 runs)   B (4 runs)     B/A  95 % interval          p  verdict\n",
        "completed per second        9.98 k       9.08 k   0.909  0.90",
        "latency p50                20.0 us      22.0 us   1.10",
        "  0.0286  REGRESSED\n",
        "corrected for the number of metrics",
    };
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        cr_expect_not_null(strstr(text, parts[i]), "%s\nnot in\n%s", parts[i], text);
    cr_expect_null(strstr(text, "first byte"));
    free(text);
}

/* The files a0 to a4 and b0 to b4 (10 % slower), and ones that are wrong. */
static void write_files(void)
{
    struct result *result;
    char name[16];
    for (unsigned i = 0; i < 5; i++) {
        for (unsigned j = 0; j < 2; j++) {
            snprintf(name, sizeof(name), "%c%u", "ab"[j], i);
            result = run(j == 0 ? 1 : 1.1, i);
            cr_assert_eq(result_write_json(result, sample_path(name)), 0);
            result_free(result);
        }
    }
    result = run(1.1, 1);
    result_invalidate(result, "too slow a generator");
    cr_assert_eq(result_write_json(result, sample_path("invalid")), 0);
    result->valid = true;
    result->reason_count = 0;
    result->options.depth = 7;
    cr_assert_eq(result_write_json(result, sample_path("deep")), 0);
    strcpy(result->options.mode, "crr");
    cr_assert_eq(result_write_json(result, sample_path("crr")), 0);
    result_free(result);
    cr_assert_eq(result_write_file(sample_path("broken"), "{}", 2), 0);
    cr_assert_eq(chdir(sample_path("")), 0);
}

/* Splits the line at blanks and runs the command; what it says on standard error lands in
 * `said`. */
static int command(const char *line, char **said)
{
    char copy[512], *arguments[32], *state;
    int count = 0;
    snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = strtok_r(copy, " ", &state); word; word = strtok_r(NULL, " ", &state))
        arguments[count++] = word;
    arguments[count] = NULL;
    cr_assert_not_null(freopen("said", "w", stderr));
    cr_assert_not_null(freopen("table", "w", stdout));
    fputs(" ", stderr);
    int status = compare_command(count, arguments);
    fflush(stderr);
    fflush(stdout);
    *said = sample_text("said");
    return status;
}

Test(perf_compare, exit_codes)
{
    static const struct {
        const char *line;
        int status;
        const char *words;
    } cases[] = {
        {"compare a0 a1 a2 a3 a4 -- b0 b1 b2 b3 b4", 0, ""},
        {"compare a0 a1 a2 a3 a4 -- b0 b1 b2 b3 b4 --max-regression 5", 1, ""},
        {"compare a0 a1 a2 a3 a4 -- b0 b1 b2 b3 b4 --max-regression=5", 1, ""},
        {"compare --max-regression 5 a0 a1 a2 a3 a4 -- b0 b1 b2 b3 b4", 1, ""},
        {"compare a0 a1 a2 a3 a4 -- b0 b1 b2 b3 b4 --max-regression 20", 0, ""},
        {"compare b0 b1 b2 b3 b4 -- a0 a1 a2 a3 a4 --max-regression 0", 0, ""},
        {"compare a0 a1 a2 -- b0 b1 b2", 0, "3 and 3 runs are too few"},
        {"compare a0 a1 a2 -- b0 b1 b2 --max-regression 5", 65, "3 and 3 runs are too few"},
        {"compare a0 a1 a2 a3 -- b0 b1 b2 b3 --max-regression 5", 1, ""},
        {"compare a0 a1 a2 a3 -- b0 b1 b2 invalid --max-regression 5", 65,
         "invalid: an invalid run: too slow a generator (--allow-invalid"},
        {"compare a0 a1 a2 a3 -- b0 b1 b2 invalid --max-regression 5 --allow-invalid", 1,
         "an invalid run: too slow a generator\n"},
        {"compare a0 a1 a2 a3 -- b0 b1 b2 deep", 0, "deep: warning: depth is 7, and 0 in a0"},
        {"compare a0 -- crr", 65, "crr: a run of mode crr, and a0 is of mode rr"},
        {"compare a0 -- broken", 65, "broken: schema is missing"},
        {"compare a0 -- nowhere", 66, "nowhere: No such file"},
        {"compare a0 b0", 64, "both groups"},
        {"compare -- b0", 64, "both groups"},
        {"compare a0 --", 64, "both groups"},
        {"compare a0 -- a0 -- a0", 64, "second --"},
        {"compare a0 -- b0 --max-regression", 64, "wants per cent"},
        {"compare a0 -- b0 --max-regression x", 64, "not \"x\""},
        {"compare a0 -- b0 --max-regression -1", 64, "not \"-1\""},
        {"compare a0 -- b0 --max-regression nan", 64, "not \"nan\""},
        {"compare a0 -- b0 --what", 64, "unknown option --what"},
        {"compare --help", 0, ""},
    };
    write_files();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char *said;
        int status = command(cases[i].line, &said);
        cr_expect_eq(status, cases[i].status, "%s: %d", cases[i].line, status);
        cr_expect_not_null(strstr(said, cases[i].words), "%s: %s", cases[i].line, said);
        cr_expect(cases[i].words[0] != '\0' || strcmp(said, " ") == 0, "%s: %s", cases[i].line,
                  said);
        free(said);
    }
}

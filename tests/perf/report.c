/* The report's page as text: groups, escapes, marks of invalid runs, odd runs, exit codes. What it
 * looks like is render.py's. */
#include "perf/report.h"
#include "tests/perf/sample.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(perf_report, .fini = sample_clean);

static char *page(const struct report *report)
{
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);
    report_write(report, stream);
    fclose(stream);
    return text;
}

static unsigned occurrences(const char *text, const char *part)
{
    unsigned count = 0;
    while ((text = strstr(text, part))) {
        count++;
        text += strlen(part);
    }
    return count;
}

Test(perf_report, groups_and_pictures)
{
    struct report report = {};
    cr_assert_eq(report_add(&report, "a.json", sample_result("first", 1)), 0);
    cr_assert_eq(report_add(&report, "b.json", sample_result("second", 2)), 0);
    cr_assert_eq(report_add(&report, "c.json", sample_result("first", 3)), 0);
    cr_expect_eq(report.group_count, 2);
    cr_expect_eq(report.groups[0].run_count, 2);
    cr_expect_eq(report.groups[0].latency.count, 40000);

    char *text = page(&report);
    cr_expect_eq(occurrences(text, "<svg class=\"bars\""), 6);
    cr_expect_eq(occurrences(text, "<svg class=\"chart\""), 2);
    cr_expect_eq(occurrences(text, "<rect class=\"bar\""), 12);
    cr_expect_eq(occurrences(text, "<path class=\"range\""), 6);
    cr_expect_eq(occurrences(text, "<polyline"), 2 + 3);
    cr_expect_eq(occurrences(text, "<article"), 3);
    cr_expect_eq(occurrences(text, "class=\"banner\""), 0);
    cr_expect_eq(occurrences(text, "nan"), 0);
    cr_expect_eq(occurrences(text, "inf\""), 0);
    cr_expect_eq(occurrences(text, "<th scope=\"row\">seed</th>"), 3);
    cr_expect_eq(occurrences(text, "<th scope=\"row\">kernel</th>"), 1);
    cr_expect_eq(occurrences(text, "http://") + occurrences(text, "https://"), 0);
    cr_expect_eq(occurrences(text, "<script") + occurrences(text, "<img"), 0);
    free(text);
    report_clear(&report);
    cr_expect_eq(report.run_count, 0);
}

Test(perf_report, texts_are_escaped)
{
    struct report report = {};
    struct result *result = sample_result("<i>&\"'", 1);
    strcpy(result->options.endpoint, "unix:/<b>");
    strcpy(result->environment.cpu, "</table>\n");
    result_invalidate(result, "<u>");
    cr_assert_eq(report_add(&report, "<s>.json", result), 0);
    char *text = page(&report);
    static const char *const raw[] = {"<i>", "unix:/<b>", "cpu</th><td></table>", "<u>", "<s>"};
    for (size_t i = 0; i < sizeof(raw) / sizeof(raw[0]); i++)
        cr_expect_eq(occurrences(text, raw[i]), 0, "%s", raw[i]);
    cr_expect_geq(occurrences(text, "&lt;i&gt;&amp;&quot;&#39;"), 8);
    cr_expect_eq(occurrences(text, "&lt;u&gt;"), 1);
    cr_expect_eq(occurrences(text, "&lt;s&gt;.json"), 1);
    free(text);
    report_clear(&report);
}

Test(perf_report, invalid_runs_are_marked)
{
    struct report report = {};
    struct result *result = sample_result("bad", 1);
    result_invalidate(result, "the reason");
    cr_assert_eq(report_add(&report, "a.json", sample_result("good", 2)), 0);
    cr_assert_eq(report_add(&report, "b.json", result), 0);
    char *text = page(&report);
    cr_expect_eq(occurrences(text, "Invalid: 1 of 2 runs."), 1);
    cr_expect_eq(occurrences(text, "<b>Invalid run.</b> the reason"), 1);
    cr_expect_eq(occurrences(text, "<rect class=\"bar hollow\""), 6);
    cr_expect_eq(occurrences(text, "<tspan class=\"bad\"> invalid</tspan>"), 6);
    free(text);
    report_clear(&report);
}

/* Runs without latencies, intervals, time; of one value; of the shortest and the longest. */
Test(perf_report, odd_runs)
{
    static const uint64_t extremes[] = {0, 1, HISTOGRAM_NS_MAX};
    struct report report = {};
    struct result *result = result_new();
    cr_assert_eq(report_add(&report, "empty.json", result), 0);
    char *text = page(&report);
    cr_expect_not_null(strstr(text, "No run has latencies to draw."));
    cr_expect_not_null(strstr(text, "No run has intervals to draw."));
    cr_expect_null(strstr(text, "nan"));
    free(text);

    for (size_t i = 0; i < 3; i++) {
        result = result_new();
        snprintf(result->label, sizeof(result->label), "%zu", i);
        histogram_add(&result->latency, extremes[i]);
        result->intervals = calloc(1, sizeof(*result->intervals));
        result->interval_count = 1;
        result->intervals[0].at_s = result->intervals[0].seconds = i == 0 ? 1e-9 : 1e6;
        cr_assert_eq(report_add(&report, "one.json", result), 0);
        text = page(&report);
        cr_expect_null(strstr(text, "nan"));
        cr_expect_null(strstr(text, "inf,"));
        cr_expect_null(strstr(text, ",inf"));
        cr_expect_eq(occurrences(text, "<polyline"), 2 * (i + 1));
        free(text);
    }
    report_clear(&report);
}

Test(perf_report, a_bound_of_runs)
{
    struct report report = {};
    for (unsigned i = 0; i < REPORT_RUNS_MAX; i++)
        cr_assert_eq(report_add(&report, "x.json", result_new()), 0);
    cr_expect_eq(report_add(&report, "x.json", result_new()), -ENOMEM);
    cr_expect_eq(report.run_count, REPORT_RUNS_MAX);
    report_clear(&report);
}

static int command(const char *first, const char *second, const char *third)
{
    char *arguments[] = {"report", (char *)first, (char *)second, (char *)third, NULL};
    int count = 1;
    while (arguments[count])
        count++;
    return report_command(count, arguments);
}

Test(perf_report, exit_codes)
{
    struct result *result = sample_result("x", 1);
    cr_assert_eq(result_write_json(result, sample_path("a")), 0);
    result_free(result);
    cr_assert_eq(result_write_file(sample_path("broken"), "[]", 2), 0);
    cr_assert_eq(chdir(sample_path("")), 0);

    cr_expect_eq(command(NULL, NULL, NULL), 64);
    cr_expect_eq(command("a", NULL, NULL), 64);
    cr_expect_eq(command("-o", "page", NULL), 64);
    cr_expect_eq(command("a", "--what", NULL), 64);
    cr_expect_eq(command("broken", "-opage", NULL), 65);
    cr_expect_eq(command("nowhere", "-opage", NULL), 66);
    cr_expect_neq(access("page", F_OK), 0);
    cr_expect_eq(command("a", "-o", "/dev/full"), 73);
    cr_expect_eq(command("a", "--output=nowhere/page", NULL), 73);
    cr_expect_eq(command("--help", NULL, NULL), 0);
    cr_expect_eq(command("a", "-o", "page"), 0);
    char *text = sample_text("page");
    cr_expect_eq(strncmp(text, "<!DOCTYPE html>", 15), 0);
    cr_expect_not_null(strstr(text, "</html>\n"));
    free(text);
}

/* How metrics are told: the format that is asked for, labels, and histograms. */
#include "proxy/exposition.h"

#include <criterion/criterion.h>
#include <stdlib.h>

Test(exposition, the_format_that_is_asked_for)
{
    static const struct {
        const char *accept;
        enum exposition_format format;
    } cases[] = {
        {NULL, EXPOSITION_PLAIN},
        {"", EXPOSITION_PLAIN},
        {"*/*", EXPOSITION_PLAIN},
        {"text/plain", EXPOSITION_PLAIN},
        {"text/html, application/xhtml+xml, */*;q=0.8", EXPOSITION_PLAIN},
        {"application/openmetrics-text", EXPOSITION_OPEN_METRICS},
        {"APPLICATION/OpenMetrics-Text ; version=1.0.0", EXPOSITION_OPEN_METRICS},
        {"application/openmetrics-text;q=0", EXPOSITION_PLAIN},
        {"application/openmetrics-text; q=0.000, text/plain", EXPOSITION_PLAIN},
        {"application/openmetrics-texts", EXPOSITION_PLAIN},
        {"xapplication/openmetrics-text", EXPOSITION_PLAIN},
        {"text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.3", EXPOSITION_PLAIN},
        {"text/plain;q=0.3,,application/openmetrics-text;q=0.3", EXPOSITION_OPEN_METRICS},
        {"application/openmetrics-text;;;", EXPOSITION_OPEN_METRICS},
        /* of Prometheus 2.42 and 3 */
        {"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
         "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
         EXPOSITION_OPEN_METRICS},
        {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
         "encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;"
         "q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
         EXPOSITION_OPEN_METRICS},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        cr_expect_eq((int)exposition_choose(cases[i].accept), (int)cases[i].format, "'%s'",
                     cases[i].accept);
}

/* What is told of a counter with one label, and of an info. */
static char *told(enum exposition_format format, const char *value)
{
    char *text = NULL;
    size_t bytes;
    struct exposition exposition = {.stream = open_memstream(&text, &bytes), .format = format};

    exposition_begin(&exposition, EXPOSITION_COUNTER, "a_bytes", "Bytes.");
    exposition_add(&exposition, (struct exposition_label[]){{"l", value}, {0}},
                   18446744073709551615U);
    exposition_begin(&exposition, EXPOSITION_INFO, "b", "What it is.");
    exposition_add(&exposition, NULL, 1);
    exposition_end(&exposition);
    fclose(exposition.stream);
    return text;
}

Test(exposition, counters_and_infos_in_both_formats)
{
    char *plain = told(EXPOSITION_PLAIN, "v");
    char *open_metrics = told(EXPOSITION_OPEN_METRICS, "v");

    cr_assert_str_eq(plain, "# HELP a_bytes_total Bytes.\n# TYPE a_bytes_total counter\n"
                            "a_bytes_total{l=\"v\"} 18446744073709551615\n"
                            "# HELP b_info What it is.\n# TYPE b_info gauge\nb_info 1\n");
    cr_assert_str_eq(open_metrics, "# HELP a_bytes Bytes.\n# TYPE a_bytes counter\n"
                                   "a_bytes_total{l=\"v\"} 18446744073709551615\n"
                                   "# HELP b What it is.\n# TYPE b info\nb_info 1\n# EOF\n");
    free(plain);
    free(open_metrics);
}

Test(exposition, values_of_labels_are_escaped)
{
    static const struct {
        const char *value;
        const char *shown;
    } cases[] = {
        {"a\"b\\c\nd", "{l=\"a\\\"b\\\\c\\nd\"}"},
        {"gr\303\274n", "{l=\"gr\303\274n\"}"},
        {"gr\374n \303\274", "{l=\"gr?n ??\"}"},
        {"", "{l=\"\"}"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = told(EXPOSITION_PLAIN, cases[i].value);
        cr_expect(strstr(text, cases[i].shown), "%s", text);
        free(text);
    }
}

Test(exposition, a_histogram_is_cumulative)
{
    char *text = NULL;
    size_t bytes;
    struct exposition exposition = {.stream = open_memstream(&text, &bytes)};
    struct times times;

    times_init(&times, &times_of_waits);
    times_add(&times, 100000);
    times_add(&times, 1000000000);
    times_add(&times, 31000000000);
    exposition_begin(&exposition, EXPOSITION_HISTOGRAM, "w_seconds", "Waits.");
    exposition_add_times(&exposition, (struct exposition_label[]){{"l", "v"}, {0}}, &times);
    fclose(exposition.stream);
    cr_expect(strstr(text, "w_seconds_bucket{l=\"v\",le=\"0.0001\"} 1\n"), "%s", text);
    cr_expect(strstr(text, "w_seconds_bucket{l=\"v\",le=\"0.5\"} 1\n"), "%s", text);
    cr_expect(strstr(text, "w_seconds_bucket{l=\"v\",le=\"1.0\"} 2\n"), "%s", text);
    cr_expect(strstr(text, "w_seconds_bucket{l=\"v\",le=\"30.0\"} 2\n"), "%s", text);
    cr_expect(strstr(text, "w_seconds_bucket{l=\"v\",le=\"+Inf\"} 3\n"), "%s", text);
    cr_expect(strstr(text, "w_seconds_count{l=\"v\"} 3\n"), "%s", text);
    cr_expect(strstr(text, "w_seconds_sum{l=\"v\"} 32.000100\n"), "%s", text);
    free(text);
}

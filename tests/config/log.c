/* The keys of the log: what they say, where they hold, and what is wrong with others. */
#include "tests/config/scratch.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define AT(line)        SCRATCH_FILE ":" #line ": "
#define A               "[route a]\nlisten = tcp:*:1\ntarget = tcp:b:1\n"
#define B               "[route b]\nlisten = tcp:*:2\ntarget = tcp:b:1\n"
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

static struct scratch_result read_right(const char *text, const char *const *routes, size_t count)
{
    struct scratch_result result = scratch_read_text(text, routes, count);
    char *problems = scratch_problems(&result);

    cr_assert_str_eq(problems, "", "%s\n%s", text, problems);
    free(problems);
    return result;
}

static void expect_log(const char *text, enum config_log_format format, unsigned rate)
{
    struct scratch_result result = read_right(text, NULL, 0);

    cr_expect_eq(result.config->log_format, format, "%s", text);
    cr_expect_eq(result.config->log_rate, rate, "%s", text);
    scratch_free(&result);
}

Test(log, of_all)
{
    expect_log(A, CONFIG_LOG_AUTO, 1000);
    expect_log(A "[global]\nlog-format = auto\nlog-rate = 0\n", CONFIG_LOG_AUTO, 0);
    expect_log(A "[global]\nlog-format = journal\nlog-rate = 1\n", CONFIG_LOG_JOURNAL, 1);
    expect_log(A "[global]\nlog-format = text\nlog-rate = 1000000\n", CONFIG_LOG_TEXT, 1000000);
    expect_log(A "[global]\nlog-format = json\n", CONFIG_LOG_JSON, 1000);
}

static void expect_access_log(const char *text, const char *expected)
{
    static const char *const routes[] = {"tcp:*:3=tcp:b:1"};
    struct scratch_result result = read_right(text, routes, 1);

    for (size_t i = 0; expected[i]; i++)
        cr_expect_eq(result.config->routes[i].access_log, expected[i] == 'y', "%s: route %zu", text,
                     i);
    scratch_free(&result);
}

/* Of two routes of a file, and one of the command line. */
Test(log, of_sessions)
{
    expect_access_log(A B, "nnn");
    expect_access_log(A "access-log = yes\n" B "access-log = no\n", "ynn");
    expect_access_log(A B "[global]\naccess-log = yes\n", "yyy");
    expect_access_log("[global]\naccess-log = yes\n" A "access-log = no\n" B, "nyy");
    expect_access_log("[global]\naccess-log = no\n" A "access-log = yes\n" B, "ynn");
}

/* Also of a guest that appears later. */
Test(log, of_templates)
{
    struct scratch_result result =
        read_right("[global]\naccess-log = yes\n"
                   "[guest *]\naddress = vsock-mux:/run/{name}.sock\n"
                   "[route a]\nlisten = unix:/run/{name}.a\ntarget = guest:{name}:1\n"
                   "[route b]\nlisten = unix:/run/{name}.b\ntarget = guest:{name}:1\n"
                   "access-log = no\n",
                   NULL, 0);
    struct config *config = config_of_guest(result.config, "web1", &result.problems);

    cr_assert(config);
    cr_expect(config->routes[0].access_log);
    cr_expect_not(config->routes[1].access_log);
    config_free(config);
    scratch_free(&result);
    scratch_leaks_check();
}

Test(log, shown)
{
    struct scratch_result result = read_right(A "access-log = yes\n" B, NULL, 0);
    char *table = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&table, &bytes);

    cr_assert_eq(config_print(result.config, stream), 0);
    fclose(stream);
    cr_expect_str_eq(table, "ROUTE  LISTEN   TARGET   OPTIONS\n"
                            "a      tcp:*:1  tcp:b:1  access-log=yes\n"
                            "b      tcp:*:2  tcp:b:1\n");
    free(table);
    scratch_free(&result);
}

Test(log, mistakes)
{
    static const struct scratch_mistake cases[] = {
        {"[global]\nlog-format = jason\n",
         AT(2) "'jason' is no value of 'log-format'; did you mean 'json'?\n"},
        {"[global]\nlog-format = syslog\n",
         AT(2) "'syslog' is no value of 'log-format'; give it auto, journal, text or json\n"},
        {"[global]\nlog-rate = -1\n",
         AT(2) "'-1' is no value of 'log-rate'; give it a number of lines in a minute from 0 to "
               "1000000\n"},
        {"[global]\nlog-rate = 1000001\n",
         AT(2) "'1000001' is no value of 'log-rate'; give it a number of lines in a minute from 0 "
               "to 1000000\n"},
        {"[global]\naccess-log = errors\n",
         AT(2) "'errors' is no value of 'access-log'; give it no or yes\n"},
        {A "access-log =\n", AT(4) "'access-log' is empty; give it no or yes\n"},
        {A "access-log = yse\n", AT(4) "'yse' is no value of 'access-log'; did you mean 'yes'?\n"},
        {A "log-format = text\n",
         AT(4) "'log-format' is no key of [route NAME]; it belongs in [global]\n"},
        {"[guest a]\naddress = vsock:3\naccess-log = yes\n",
         AT(3) "'access-log' is no key of [guest NAME]; it belongs in [route NAME]\n"},
    };

    scratch_expect_mistakes(cases, COUNT_OF(cases));
}

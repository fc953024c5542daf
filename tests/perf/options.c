/* What the words of `vsluice-load run` come to. */
#include "perf/options.h"

#include "perf/command.h"

#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <string.h>
#include <sysexits.h>

#define WORDS_MAX          16
#define READ(options, ...) read_words(options, (char *[]){"run", __VA_ARGS__, NULL})

/* The program's own, in main.c. */
int command_usage(const char *command)
{
    return EX_USAGE;
}

TestSuite(perf_options, .init = cr_redirect_stderr);

static int read_words(struct run_options *options, char **words)
{
    char *argv[WORDS_MAX + 1] = {0};
    int argc = 0;

    /* getopt changes the order. */
    while (words[argc]) {
        cr_assert_lt(argc, WORDS_MAX);
        argv[argc] = words[argc];
        argc++;
    }
    return run_options_read(argc, argv, options);
}

Test(perf_options, defaults)
{
    struct run_options options;

    cr_assert_eq(READ(&options, "unix:/x", "--mode", "rr"), 0);
    cr_expect_eq(options.endpoint.kind, ENDPOINT_UNIX);
    cr_expect_str_eq(options.load.endpoint, "unix:/x");
    cr_expect_eq(options.mode, LOAD_RR);
    cr_expect_eq(options.load.connections, 1);
    cr_expect_eq(options.load.threads, 1);
    cr_expect_eq(options.load.depth, 1);
    cr_expect_eq(options.load.duration_ns, UINT64_C(10000000000));
    cr_expect_eq(options.load.warmup_ns, UINT64_C(1000000000));
    cr_expect_eq(options.load.request, 64);
    cr_expect_eq(options.load.response, 64);
    cr_expect_eq(options.load.size, 131072);
    cr_expect_eq(options.load.seed, 1);
    cr_expect_eq(options.load.rate, 0);
    cr_expect_str_eq(options.load.arrival, "closed");
    cr_expect_str_eq(options.load.direction, "");
    cr_expect_str_eq(options.label, "");
    cr_expect_not(options.load.verify);
    cr_expect_not(options.progress);
    cr_expect_null(options.json);
    cr_expect_null(options.hgrm);
}

Test(perf_options, all)
{
    struct run_options options;

    cr_assert_eq(READ(&options, "--connections=9", "--threads=3", "--duration=1.5s", "--warmup=0s",
                      "--request=4K", "--response=2M", "--depth=7", "--rate=2.5e3", "--mode=rr",
                      "--arrival=poisson", "--seed=18446744073709551615", "--verify",
                      "tcp:[::1]:80"),
                 0);
    cr_expect_eq(options.load.connections, 9);
    cr_expect_eq(options.load.threads, 3);
    cr_expect_eq(options.load.duration_ns, UINT64_C(1500000000));
    cr_expect_eq(options.load.warmup_ns, 0);
    cr_expect_eq(options.load.request, 4096);
    cr_expect_eq(options.load.response, 2 << 20);
    cr_expect_eq(options.load.depth, 7);
    cr_expect_eq(options.load.rate, 2500);
    cr_expect_str_eq(options.load.arrival, "poisson");
    cr_expect_eq(options.load.seed, UINT64_MAX);
    cr_expect(options.load.verify);

    cr_assert_eq(READ(&options, "--mode", "stream", "--json", "a", "--hgrm", "b", "--label", "c",
                      "--progress", "--size", "1", "unix:@x"),
                 0);
    cr_expect_str_eq(options.json, "a");
    cr_expect_str_eq(options.hgrm, "b");
    cr_expect_str_eq(options.label, "c");
    cr_expect_eq(options.load.size, 1);
    cr_expect(options.progress);
}

Test(perf_options, modes)
{
    static const struct {
        char *mode;
        char *direction;
        enum load_mode expected;
    } cases[] = {
        {"stream", "up", LOAD_STREAM_UP},
        {"stream", "down", LOAD_STREAM_DOWN},
        {"stream", "both", LOAD_STREAM_BOTH},
        {"rr", "up", LOAD_RR},
        {"crr", "up", LOAD_CRR},
        {"churn", "up", LOAD_CHURN},
        {"idle", "up", LOAD_IDLE},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct run_options options;
        cr_assert_eq(
            READ(&options, "unix:/x", "--mode", cases[i].mode, "--direction", cases[i].direction),
            0);
        cr_expect_eq(options.mode, cases[i].expected);
        cr_expect_str_eq(options.load.mode, cases[i].mode);
        cr_expect_str_eq(options.load.direction, i < 3 ? cases[i].direction : "");
    }
}

/* Without --direction a stream goes up. */
Test(perf_options, default_direction)
{
    struct run_options options;

    cr_assert_eq(READ(&options, "unix:/x", "--mode", "stream"), 0);
    cr_expect_eq(options.mode, LOAD_STREAM_UP);
    cr_expect_str_eq(options.load.direction, "up");
}

/* An open loop is constant, and may have many requests in flight, where nothing else is said. */
Test(perf_options, open_loop)
{
    struct run_options options;

    cr_assert_eq(READ(&options, "unix:/x", "--mode", "rr", "--rate", "5"), 0);
    cr_expect_str_eq(options.load.arrival, "constant");
    cr_expect_eq(options.load.depth, 64);
    cr_assert_eq(READ(&options, "unix:/x", "--mode", "rr", "--rate", "5", "--depth", "2"), 0);
    cr_expect_eq(options.load.depth, 2);
    cr_assert_eq(READ(&options, "unix:/x", "--mode", "rr", "--rate", "0"), 0);
    cr_expect_str_eq(options.load.arrival, "closed");
    cr_expect_eq(options.load.depth, 1);
}

/* The bound itself is taken, one beyond is not. */
Test(perf_options, bounds)
{
    static const struct {
        char *option;
        char *value;
        int status;
    } cases[] = {
        {"--connections", "1", 0},
        {"--connections", "0", EX_USAGE},
        {"--connections", "1000000", 0},
        {"--connections", "1000001", EX_USAGE},
        {"--connections", "18446744073709551617", EX_USAGE},
        {"--threads", "1", 0},
        {"--threads", "2", EX_USAGE}, /* more than connections */
        {"--depth", "65536", 0},
        {"--depth", "65537", EX_USAGE},
        {"--depth", "0", EX_USAGE},
        {"--request", "2G", 0},
        {"--request", "2147483649", EX_USAGE},
        {"--request", "1", 0},
        {"--request", "0", EX_USAGE},
        {"--duration", "1ms", 0},
        {"--duration", "0", EX_USAGE},
        {"--warmup", "0", 0},
        {"--rate", "1e9", 0},
        {"--rate", "1.1e9", EX_USAGE},
        {"--rate", "nan", EX_USAGE},
        {"--rate", "", EX_USAGE},
        {"--seed", "0", 0},
        {"--seed", "-1", EX_USAGE},
        {"--seed", " -1", EX_USAGE},
        {"--connections", " 5", EX_USAGE},
        {"--connections", "+5", EX_USAGE},
        {"--connections", "5 ", EX_USAGE},
        {"--rate", "0x10", EX_USAGE},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct run_options options;
        cr_expect_eq(READ(&options, "unix:/x", "--mode", "rr", cases[i].option, cases[i].value),
                     cases[i].status, "%s '%s'", cases[i].option, cases[i].value);
    }
}

Test(perf_options, untouched_on_mistakes)
{
    struct run_options options, before;

    memset(&options, 0x5a, sizeof(options));
    memcpy(&before, &options, sizeof(options));
    cr_expect_eq(READ(&options, "unix:/x", "--mode", "rr", "--depth", "x"), EX_USAGE);
    cr_expect_eq(READ(&options, "unix:/x"), EX_USAGE);
    cr_expect_eq(READ(&options, "unix:/x", "unix:/y", "--mode", "rr"), EX_USAGE);
    cr_expect_eq(READ(&options, "nonsense", "--mode", "rr"), EX_USAGE);
    cr_expect_eq(READ(&options, "--mode", "rr"), EX_USAGE);
    cr_expect_eq(memcmp(&options, &before, sizeof(options)), 0);
}

/* A rate is for what is planned one by one. */
Test(perf_options, rate_and_mode)
{
    struct run_options options;

    cr_expect_eq(READ(&options, "unix:/x", "--mode", "stream", "--rate", "5"), EX_USAGE);
    cr_expect_eq(READ(&options, "unix:/x", "--mode", "idle", "--rate", "5"), EX_USAGE);
    cr_expect_eq(READ(&options, "unix:/x", "--mode", "crr", "--rate", "5"), 0);
    cr_expect_eq(READ(&options, "unix:/x", "--mode", "churn", "--rate", "5"), 0);
}

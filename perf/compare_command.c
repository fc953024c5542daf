/* vsluice-load compare: the command line, the files, and what may be compared with what. */
#include "perf/compare.h"
#include "perf/result_fields.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define EXIT_REGRESSED 1

static const char usage[] =
    "usage: vsluice-load compare A.json... -- B.json... [--max-regression PCT] [--allow-invalid]\n"
    "\n"
    "Compares repeated runs of two builds or routes, A the one to measure by: for each metric the\n"
    "medians, their ratio with its 95 % confidence interval, and the p-value of a permutation "
    "test.\n"
    "Ten runs of each, taken in turns, tell 5 per cent from noise; 4 are the least.\n"
    "\n"
    "  --max-regression PCT  exit with 1 where a metric is worse by more than PCT per cent\n"
    "                        (less throughput; more latency or CPU time), p is below 0.05,\n"
    "                        and the interval does not hold 1\n"
    "  --allow-invalid       take runs, too, whose generator was the bottleneck\n"
    "\n"
    "Exit status: 0; 1 regressed; 64 usage; 65 a file that is no result, an invalid run, runs of\n"
    "different modes, or too few for --max-regression; 66 a file that cannot be read.\n";

struct request {
    char **paths; /* of group A, then of group B */
    size_t a_count;
    size_t b_count;
    double regression_percent; /* INFINITY: not asked */
    bool allow_invalid;
    bool help;
};

__attribute__((format(printf, 1, 2))) static int usage_error(const char *format, ...)
{
    va_list arguments;
    fputs("vsluice-load compare: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputs("\nTry 'vsluice-load compare --help'.\n", stderr);
    return EX_USAGE;
}

static bool parse_percent(const char *text, double *ret)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= 0 && isfinite(value)))
        return false;
    *ret = value;
    return true;
}

/* By hand: getopt would drop the "--" that parts the groups. Moves the paths to the front of
 * argv. */
static int parse(int argc, char **argv, struct request *request)
{
    static const char option[] = "--max-regression";
    bool parted = false;

    *request = (struct request){.paths = argv, .regression_percent = INFINITY};
    for (int i = 1; i < argc; i++) {
        const char *argument = argv[i];
        size_t length = strlen(option);
        if (strcmp(argument, "--") == 0) {
            if (parted)
                return usage_error("there is a second --");
            parted = true;
        } else if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            request->help = true;
        } else if (strcmp(argument, "--allow-invalid") == 0) {
            request->allow_invalid = true;
        } else if (strncmp(argument, option, length) == 0 &&
                   (argument[length] == '\0' || argument[length] == '=')) {
            const char *value = argument[length] == '=' ? argument + length + 1 : argv[++i];
            if (!value || !parse_percent(value, &request->regression_percent))
                return usage_error("--max-regression wants per cent, such as 5, and not \"%s\"",
                                   value ? value : "");
        } else if (argument[0] == '-') {
            return usage_error("unknown option %s", argument);
        } else {
            request->paths[request->a_count + request->b_count] = argv[i];
            request->a_count += !parted;
            request->b_count += parted;
        }
    }
    if (!request->help && (request->a_count == 0 || request->b_count == 0))
        return usage_error("wants files of both groups: A.json... -- B.json...");
    return 0;
}

static int read_run(const char *path, bool allow_invalid, struct result **ret)
{
    char error[RESULT_TEXT_BYTES];
    int failed = result_read_json(path, ret, error);
    if (failed != 0) {
        fprintf(stderr, "%s: %s\n", path, error);
        return failed == -EPROTO ? EX_DATAERR : EX_NOINPUT;
    }
    if ((*ret)->valid)
        return 0;
    const char *reason = (*ret)->reason_count > 0 ? (*ret)->reasons[0] : "no reason given";
    fprintf(stderr, "%s: an invalid run: %s%s\n", path, reason,
            allow_invalid ? "" : " (--allow-invalid takes it all the same)");
    return allow_invalid ? 0 : EX_DATAERR;
}

/* What must be the same, and what had better be. The endpoint may differ: that is often the
 * question. */
static int check_alike(const struct request *request, struct result *const *runs)
{
    for (size_t i = 1; i < request->a_count + request->b_count; i++) {
        const struct result_options *first = &runs[0]->options, *other = &runs[i]->options;
        if (strcmp(first->mode, other->mode) != 0) {
            fprintf(stderr, "%s: a run of mode %s, and %s is of mode %s\n", request->paths[i],
                    other->mode, request->paths[0], first->mode);
            return EX_DATAERR;
        }
        for (size_t j = 0; j < result_option_fields.count; j++) {
            const struct result_field *field = &result_option_fields.fields[j];
            char wanted[RESULT_TEXT_BYTES], got[RESULT_TEXT_BYTES];
            if (strcmp(field->key, "endpoint") == 0 || strcmp(field->key, "seed") == 0)
                continue;
            result_field_format(field, first, wanted);
            result_field_format(field, other, got);
            if (strcmp(wanted, got) != 0)
                fprintf(stderr, "%s: warning: %s is %s, and %s in %s\n", request->paths[i],
                        field->key, got, wanted, request->paths[0]);
        }
    }
    return 0;
}

/* A CI that could never fail would be worse than none. */
static int check_enough(const struct request *request)
{
    if (stats_p_least(request->a_count, request->b_count) < COMPARE_P_BELOW)
        return 0;
    fprintf(stderr,
            "vsluice-load compare: %zu and %zu runs are too few to show any difference "
            "with p below %g; 4 and 4 are the least\n",
            request->a_count, request->b_count, COMPARE_P_BELOW);
    return isfinite(request->regression_percent) ? EX_DATAERR : 0;
}

static int compare_runs(const struct request *request, struct result **runs)
{
    size_t count = request->a_count + request->b_count;
    struct compare compare;
    int status = 0;

    for (size_t i = 0; i < count && status == 0; i++)
        status = read_run(request->paths[i], request->allow_invalid, &runs[i]);
    if (status == 0)
        status = check_alike(request, runs);
    if (status == 0)
        status = check_enough(request);
    if (status != 0)
        return status;

    compare_results(runs, request->a_count, runs + request->a_count, request->b_count,
                    request->regression_percent, &compare);
    compare_print(&compare, stdout);
    return compare_regressed(&compare) ? EXIT_REGRESSED : 0;
}

int compare_command(int argc, char **argv)
{
    struct request request;
    int status = parse(argc, argv, &request);
    if (status != 0)
        return status;
    if (request.help) {
        fputs(usage, stdout);
        return 0;
    }
    size_t count = request.a_count + request.b_count;
    if (count > STATS_RUNS_MAX) {
        fprintf(stderr, "vsluice-load compare: more than %d runs\n", STATS_RUNS_MAX);
        return EX_USAGE;
    }
    struct result **runs = calloc(count, sizeof(*runs));
    if (!runs) {
        fprintf(stderr, "vsluice-load compare: %s\n", strerror(ENOMEM));
        return EX_OSERR;
    }
    status = compare_runs(&request, runs);
    for (size_t i = 0; i < count; i++)
        result_free(runs[i]);
    free(runs);
    return status;
}

/* Reading the options of a run. */
#include "perf/options.h"

#include "config/units.h"
#include "perf/command.h"
#include "perf/endpoint_socket.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define CONNECTIONS_MAX 1000000
#define THREADS_MAX     64
#define BYTES_MAX       (UINT64_C(1) << 31)
#define OPEN_LOOP_DEPTH 64

static int fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int fail(const char *format, ...)
{
    va_list arguments;

    fputs("vsluice-load run: ", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputs("\n", stderr);
    return EX_USAGE;
}

static int read_number(const char *option, const char *text, uint64_t min, uint64_t max,
                       uint64_t *ret)
{
    char *end;

    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno || *end || !isdigit((unsigned char)*text) || number < min || number > max)
        return fail("--%s %s: give a number from %llu to %llu", option, text,
                    (unsigned long long)min, (unsigned long long)max);
    *ret = number;
    return 0;
}

static int read_count(const char *option, const char *text, unsigned max, unsigned *ret)
{
    uint64_t number = 0;
    int status = read_number(option, text, 1, max, &number);

    if (status == 0)
        *ret = (unsigned)number;
    return status;
}

static int read_bytes(const char *option, const char *text, uint64_t *ret)
{
    uint64_t bytes;

    if (size_parse(text, &bytes) < 0 || bytes == 0 || bytes > BYTES_MAX)
        return fail("--%s %s: give a size such as 64, 4K or 1M, up to 2G", option, text);
    *ret = bytes;
    return 0;
}

static int read_duration(const char *option, const char *text, uint64_t *ret)
{
    if (duration_parse(text, ret) < 0)
        return fail("--%s %s: give a duration such as 500ms, 10s or 1m", option, text);
    return 0;
}

static int read_rate(const char *text, double *ret)
{
    char *end;
    double rate = strtod(text, &end);
    bool decimal = strspn(text, "0123456789.e") == strlen(text);

    if (*end || end == text || !decimal || !(rate >= 0) || rate > 1e9)
        return fail("--rate %s: give a number a second, 0 for a closed loop", text);
    *ret = rate;
    return 0;
}

static int read_word(const char *option, const char *text, const char *const *words, char *ret,
                     size_t size)
{
    for (size_t i = 0; words[i]; i++)
        if (strcmp(words[i], text) == 0) {
            snprintf(ret, size, "%s", text);
            return 0;
        }
    fprintf(stderr, "vsluice-load run: --%s %s: give one of", option, text);
    for (size_t i = 0; words[i]; i++)
        fprintf(stderr, " %s", words[i]);
    fputs("\n", stderr);
    return EX_USAGE;
}

enum option_id {
    OPTION_MODE,
    OPTION_CONNECTIONS,
    OPTION_THREADS,
    OPTION_DURATION,
    OPTION_WARMUP,
    OPTION_DIRECTION,
    OPTION_SIZE,
    OPTION_REQUEST,
    OPTION_RESPONSE,
    OPTION_DEPTH,
    OPTION_RATE,
    OPTION_ARRIVAL,
    OPTION_SEED,
    OPTION_VERIFY,
    OPTION_JSON,
    OPTION_HGRM,
    OPTION_LABEL,
    OPTION_PROGRESS,
    OPTION_COUNT,
};

static const struct option names[] = {
    {"mode", required_argument, NULL, OPTION_MODE},
    {"connections", required_argument, NULL, OPTION_CONNECTIONS},
    {"threads", required_argument, NULL, OPTION_THREADS},
    {"duration", required_argument, NULL, OPTION_DURATION},
    {"warmup", required_argument, NULL, OPTION_WARMUP},
    {"direction", required_argument, NULL, OPTION_DIRECTION},
    {"size", required_argument, NULL, OPTION_SIZE},
    {"request", required_argument, NULL, OPTION_REQUEST},
    {"response", required_argument, NULL, OPTION_RESPONSE},
    {"depth", required_argument, NULL, OPTION_DEPTH},
    {"rate", required_argument, NULL, OPTION_RATE},
    {"arrival", required_argument, NULL, OPTION_ARRIVAL},
    {"seed", required_argument, NULL, OPTION_SEED},
    {"verify", no_argument, NULL, OPTION_VERIFY},
    {"json", required_argument, NULL, OPTION_JSON},
    {"hgrm", required_argument, NULL, OPTION_HGRM},
    {"label", required_argument, NULL, OPTION_LABEL},
    {"progress", no_argument, NULL, OPTION_PROGRESS},
    {0},
};

static int read_option(enum option_id id, const char *text, struct run_options *options)
{
    static const char *const modes[] = {"stream", "rr", "crr", "churn", "idle", NULL};
    static const char *const directions[] = {"up", "down", "both", NULL};
    static const char *const arrivals[] = {"constant", "poisson", NULL};
    struct result_options *load = &options->load;
    const char *name = names[id].name;

    switch (id) {
    case OPTION_MODE: return read_word(name, text, modes, load->mode, sizeof(load->mode));
    case OPTION_CONNECTIONS: return read_count(name, text, CONNECTIONS_MAX, &load->connections);
    case OPTION_THREADS: return read_count(name, text, THREADS_MAX, &load->threads);
    case OPTION_DURATION: return read_duration(name, text, &load->duration_ns);
    case OPTION_WARMUP: return read_duration(name, text, &load->warmup_ns);
    case OPTION_DIRECTION:
        return read_word(name, text, directions, load->direction, sizeof(load->direction));
    case OPTION_SIZE: return read_bytes(name, text, &load->size);
    case OPTION_REQUEST: return read_bytes(name, text, &load->request);
    case OPTION_RESPONSE: return read_bytes(name, text, &load->response);
    case OPTION_DEPTH: return read_count(name, text, 65536, &load->depth);
    case OPTION_RATE: return read_rate(text, &load->rate);
    case OPTION_ARRIVAL:
        return read_word(name, text, arrivals, load->arrival, sizeof(load->arrival));
    case OPTION_SEED: return read_number(name, text, 0, UINT64_MAX, &load->seed);
    case OPTION_VERIFY: load->verify = true; break;
    case OPTION_JSON: options->json = text; break;
    case OPTION_HGRM: options->hgrm = text; break;
    case OPTION_LABEL: options->label = text; break;
    case OPTION_PROGRESS: options->progress = true; break;
    case OPTION_COUNT: break;
    }
    return 0;
}

static enum load_mode mode_of(const struct result_options *load)
{
    static const char *const words[] = {
        [LOAD_RR] = "rr", [LOAD_CRR] = "crr", [LOAD_CHURN] = "churn", [LOAD_IDLE] = "idle"};

    for (enum load_mode mode = LOAD_RR; mode <= LOAD_IDLE; mode++)
        if (strcmp(words[mode], load->mode) == 0)
            return mode;
    if (strcmp(load->direction, "down") == 0)
        return LOAD_STREAM_DOWN;
    return strcmp(load->direction, "both") == 0 ? LOAD_STREAM_BOTH : LOAD_STREAM_UP;
}

/* What only the whole can tell. */
static int complete(struct run_options *options)
{
    struct result_options *load = &options->load;
    bool paced = load->rate > 0;

    if (!load->mode[0])
        return fail("--mode is missing: stream, rr, crr, churn or idle");
    options->mode = mode_of(load);
    if (paced && (options->mode <= LOAD_STREAM_BOTH || options->mode == LOAD_IDLE))
        return fail("--rate goes with rr, crr and churn");
    if (!paced && load->arrival[0])
        return fail("--arrival goes with --rate");
    if (load->duration_ns == 0)
        return fail("--duration must be longer than 0");
    if (load->threads > load->connections)
        return fail("--threads %u: more than --connections %u", load->threads, load->connections);
    if (!paced)
        snprintf(load->arrival, sizeof(load->arrival), "closed");
    else if (!load->arrival[0])
        snprintf(load->arrival, sizeof(load->arrival), "constant");
    if (load->depth && options->mode != LOAD_RR)
        return fail("--depth goes with rr");
    if (load->depth == 0)
        load->depth = paced && options->mode == LOAD_RR ? OPEN_LOOP_DEPTH : 1;
    if (options->mode > LOAD_STREAM_BOTH)
        load->direction[0] = '\0';
    return 0;
}

int run_options_read(int argc, char **argv, struct run_options *ret)
{
    char error[ENDPOINT_ERROR_BYTES];
    struct run_options options = {
        .label = "",
        .load = {.direction = "up",
                 .connections = 1,
                 .threads = 1,
                 .duration_ns = UINT64_C(10000000000),
                 .warmup_ns = UINT64_C(1000000000),
                 .size = 128 * 1024,
                 .request = 64,
                 .response = 64,
                 .seed = 1},
    };
    int id;

    optind = 1;
    while ((id = getopt_long(argc, argv, "", names, NULL)) != -1) {
        int status =
            id == '?' ? command_usage(argv[0]) : read_option((enum option_id)id, optarg, &options);
        if (status)
            return status;
    }
    if (argc - optind != 1)
        return fail("give one ENDPOINT");
    if (endpoint_parse(argv[optind], ENDPOINT_TARGET, &options.endpoint, error) < 0) {
        fprintf(stderr, "vsluice-load: %s\n", error);
        return EX_USAGE;
    }
    if (!endpoint_socket_serves(&options.endpoint))
        return fail("%s: " ENDPOINT_SOCKET_KINDS, argv[optind]);
    snprintf(options.load.endpoint, sizeof(options.load.endpoint), "%.*s",
             (int)sizeof(options.load.endpoint) - 1, argv[optind]);
    int status = complete(&options);
    if (status == 0)
        *ret = options;
    return status;
}

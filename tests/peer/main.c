/* peer: plays the ends of sessions, and verifies every byte. */
#include "modes.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const char usage[] =
    "usage: peer serve ENDPOINT [--sessions N] [--headless-ok]\n"
    "       peer exchange ENDPOINT [--bytes B] [--sessions N]  both send B bytes at once\n"
    "       peer sessions ENDPOINT [--sessions N] [--bytes MAX]  random sizes and half-closes\n"
    "            --together [--hold]  none sends before all are established; no half-closes\n"
    "       peer request-answer ENDPOINT [--bytes B]  a request, end-of-file, its answer\n"
    "       peer churn ENDPOINT [--sessions N] [--how clean|reset|abort|mixed] [--all-tcp]\n"
    "       peer idle ENDPOINT [--sessions N] [--hold]  all open, then all active at once\n"
    "       peer echo ENDPOINT [--seconds T] [--every S] [--bytes B]  round trips and their "
    "latency\n"
    "            ends in good order at SIGTERM\n"
    "       peer flood ENDPOINT [--bytes B] [--seconds T] [--down] [--hold]  to who never reads\n"
    "       peer hash  XXH64 of standard input\n"
    "ENDPOINT: tcp:HOST:PORT unix:/PATH unix:@NAME vsock:CID:PORT vsock-mux:/PATH:PORT fd:IN,OUT\n"
    "every mode: --concurrency N --seed S --timeout SECONDS --verbose\n"
    "            --half-close random|both|initiator|target|none\n"
    "sizes take K M G; exit status 0 only if every byte was right\n";

static const struct {
    const char *name;
    int (*run)(const struct place *place, const struct options *options);
    enum place_role role;
    uint64_t bytes, sessions;
    double timeout;
} modes[] = {
    {"serve", serve, PLACE_LISTEN, 0, 0, 0},
    {"exchange", mode_exchange, PLACE_CONNECT, 1 << 20, 1, 60},
    {"sessions", mode_sessions, PLACE_CONNECT, 1 << 20, 200, 60},
    {"request-answer", mode_request_answer, PLACE_CONNECT, 100 << 20, 1, 60},
    {"churn", mode_churn, PLACE_CONNECT, 16 << 10, 10000, 120},
    {"idle", mode_idle, PLACE_CONNECT, 16 << 10, 4000, 60},
    {"echo", mode_echo, PLACE_CONNECT, 64, 1, 60},
    {"flood", mode_flood, PLACE_CONNECT, UINT64_C(10) << 30, 1, 120},
};

static uint64_t size_of(const char *text)
{
    char *end;
    double value = strtod(text, &end);
    static const char units[] = "KMG";
    const char *unit = *end == '\0' ? NULL : strchr(units, *end);

    if (end == text || (*end != '\0' && (unit == NULL || end[1] != '\0'))) {
        fprintf(stderr, "peer: %s: no size\n", text);
        exit(64);
    }
    return unit == NULL ? value : value * (UINT64_C(1) << 10 * (unit - units + 1));
}

enum { OPTION_FIRST = 256, BYTES, SESSIONS, CONCURRENCY, SEED, SECONDS, EVERY, TIMEOUT, HOW, HALF };

static void read_options(int argc, char **argv, struct options *options)
{
    int down = 0, hold = 0, headless_ok = 0, verbose = 0, all_tcp = 0, together = 0, option;
    const struct option names[] = {
        {"bytes", required_argument, NULL, BYTES},
        {"sessions", required_argument, NULL, SESSIONS},
        {"concurrency", required_argument, NULL, CONCURRENCY},
        {"seed", required_argument, NULL, SEED},
        {"seconds", required_argument, NULL, SECONDS},
        {"every", required_argument, NULL, EVERY},
        {"timeout", required_argument, NULL, TIMEOUT},
        {"how", required_argument, NULL, HOW},
        {"half-close", required_argument, NULL, HALF},
        {"down", no_argument, &down, 1},
        {"hold", no_argument, &hold, 1},
        {"headless-ok", no_argument, &headless_ok, 1},
        {"all-tcp", no_argument, &all_tcp, 1},
        {"together", no_argument, &together, 1},
        {"verbose", no_argument, &verbose, 1},
        {0},
    };

    while ((option = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (option) {
        case 0: break;
        case BYTES: options->bytes = size_of(optarg); break;
        case SESSIONS: options->sessions = size_of(optarg); break;
        case CONCURRENCY: options->concurrency = size_of(optarg); break;
        case SEED: options->seed = strtoull(optarg, NULL, 10); break;
        case SECONDS: options->seconds = atof(optarg); break;
        case EVERY: options->every = atof(optarg); break;
        case TIMEOUT: options->timeout = atof(optarg); break;
        case HOW: options->how = optarg; break;
        case HALF: options->half_close = optarg; break;
        default: fputs(usage, stderr); exit(64);
        }
    }
    options->down = down;
    options->hold = hold;
    options->headless_ok = headless_ok;
    options->all_tcp = all_tcp;
    options->together = together;
    options->verbose = verbose;
}

static int print_hash(void)
{
    static uint8_t bytes[STREAM_CHUNK_BYTES];
    struct stream stream;
    size_t length;

    stream_init(&stream, 0, 0);
    while ((length = fread(bytes, 1, sizeof(bytes), stdin)) > 0)
        stream_pass(&stream, bytes, length);
    printf("%016llx\n", (unsigned long long)stream_hash(&stream));
    return ferror(stdin) != 0;
}

int main(int argc, char **argv)
{
    struct rlimit files;
    struct place place;

    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (argc == 2 && strcmp(argv[1], "hash") == 0)
        return print_hash();
    for (size_t i = 0; argc > 2 && i < sizeof(modes) / sizeof(*modes); i++) {
        struct options options = {
            .bytes = modes[i].bytes,
            .sessions = modes[i].sessions,
            .concurrency = 16,
            .seed = 1,
            .seconds = 1,
            .timeout = modes[i].timeout,
            .how = "mixed",
            .half_close = "random",
        };

        if (strcmp(argv[1], modes[i].name) != 0)
            continue;
        read_options(argc - 2, argv + 2, &options);
        if (!place_parse(argv[2], modes[i].role, &place))
            return 64;
        pump_init();
        return modes[i].run(&place, &options);
    }
    fputs(usage, stderr);
    return 64;
}

/* vsluice-load run: generators, the progress line, the result and its validity. */
#include "perf/command.h"
#include "perf/descriptors.h"
#include "perf/endpoint_socket.h"
#include "perf/options.h"
#include "perf/pattern.h"
#include "ring/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

/* A run is the generator's, not the other end's, where the generator's threads had no time left, or
 * where they were late themselves. */
#define BUSY_SHARE_MAX        0.97
#define SCHEDULE_ERROR_NS_MAX UINT64_C(100000)

#define START_DELAY_NS UINT64_C(5000000)
#define POLL_NS        10000000

static int enough_descriptors(unsigned connections)
{
    uint64_t limit = descriptors_raise_limit();

    if (limit >= connections + UINT64_C(32))
        return 0;
    fprintf(stderr,
            "vsluice-load run: --connections %u: the limit of open files is %" PRIu64
            ": raise it ('ulimit -Hn')\n",
            connections, limit);
    return EX_OSERR;
}

static void read_cpu(char text[static RESULT_TEXT_BYTES])
{
    FILE *file = fopen("/proc/cpuinfo", "re");
    char line[RESULT_TEXT_BYTES];

    while (file && fgets(line, sizeof(line), file)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon)
            continue;
        snprintf(text, RESULT_TEXT_BYTES, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        break;
    }
    if (file)
        fclose(file);
}

static void read_environment(struct result_environment *environment)
{
    struct utsname name;
    time_t now = time(NULL);
    struct tm utc;

    uname(&name);
    snprintf(environment->kernel, sizeof(environment->kernel), "%.20s %.60s %.100s %.30s",
             name.sysname, name.release, name.version, name.machine);
    snprintf(environment->host, sizeof(environment->host), "%s", name.nodename);
    snprintf(environment->version, sizeof(environment->version), "%s", VSLUICE_VERSION);
    environment->cpus = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
    strftime(environment->started, sizeof(environment->started), "%Y-%m-%dT%H:%M:%SZ",
             gmtime_r(&now, &utc));
    read_cpu(environment->cpu);
}

struct threads {
    struct generator *generators;
    unsigned count;
};

static int threads_start(struct threads *threads, struct load *load)
{
    unsigned count = load->options.threads;

    *threads = (struct threads){.generators = calloc(count, sizeof(struct generator))};
    if (!threads->generators)
        return -ENOMEM;
    for (unsigned i = 0; i < count; i++) {
        struct generator *generator = &threads->generators[i];
        *generator = (struct generator){
            .load = load,
            .index = i,
            .connections =
                load->options.connections / count + (i < load->options.connections % count ? 1 : 0),
            .tally = calloc(1, sizeof(struct tally)),
        };
        if (!generator->tally)
            return -ENOMEM;
        histogram_init(&generator->tally->latency);
        histogram_init(&generator->tally->connect);
        histogram_init(&generator->tally->first_byte);
        histogram_init(&generator->tally->schedule);
        int error = pthread_create(&generator->thread, NULL, generator_thread, generator);
        if (error)
            return -error;
        threads->count++;
    }
    return 0;
}

static bool threads_over(struct threads *threads, unsigned *joined)
{
    while (*joined < threads->count &&
           pthread_tryjoin_np(threads->generators[*joined].thread, NULL) == 0)
        ++*joined;
    return *joined == threads->count;
}

static void rate_text(double per_second, char text[static 32])
{
    static const char *const units[] = {"", "k", "M", "G"};
    size_t unit = 0;

    while (per_second >= 10000 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        per_second /= 1000;
        unit++;
    }
    snprintf(text, 32, "%.1f%s", per_second, units[unit]);
}

/* One line a second; on a terminal it replaces the one before. */
static void show_interval(const struct load *load, const struct result_interval *interval,
                          bool terminal)
{
    double left_s = (double)load->options.duration_ns / 1e9 - interval->at_s;
    char rate[32];
    char bytes[32];

    rate_text((double)interval->completed / interval->seconds, rate);
    rate_text((double)interval->bytes / interval->seconds, bytes);
    fprintf(stderr,
            "%s%6.1f s  %9s/s  %9sB/s  p50 %8.1f us  p99 %8.1f us  errors %" PRIu64
            "  left %.0f s%s",
            terminal ? "\r\033[K" : "", interval->at_s, rate, bytes, (double)interval->p50_ns / 1e3,
            (double)interval->p99_ns / 1e3, interval->errors, left_s > 0 ? left_s : 0,
            terminal ? "" : "\n");
    fflush(stderr);
}

/* Lets the generators start together, and shows how they get on until all have ended. */
static void conduct(struct load *load, struct threads *threads, bool progress)
{
    bool terminal = isatty(STDERR_FILENO);
    struct result_interval interval;
    unsigned joined = 0;
    size_t shown = 0;
    bool over;

    do {
        over = threads_over(threads, &joined);
        if (atomic_load(&load->start_ns) == 0 && atomic_load(&load->ready) == threads->count)
            atomic_store(&load->start_ns, clock_ns() + START_DELAY_NS);
        while ((progress || terminal) && timeline_read(&load->timeline, shown, &interval)) {
            show_interval(load, &interval, terminal);
            shown++;
        }
        nanosleep(&(struct timespec){.tv_nsec = POLL_NS}, NULL);
    } while (!over);
    if (terminal && shown > 0)
        fputs("\n", stderr);
}

static void add_errors(struct result_errors *into, const struct result_errors *from)
{
    into->connect += from->connect;
    into->reset += from->reset;
    into->closed += from->closed;
    into->verify += from->verify;
    into->timeout += from->timeout;
}

static void add_tally(struct result *result, const struct tally *tally)
{
    if (tally->engine)
        snprintf(result->environment.engine, sizeof(result->environment.engine), "%s",
                 tally->engine);
    result->completed += tally->completed;
    result->bytes_up += tally->bytes_up;
    result->bytes_down += tally->bytes_down;
    result->cpu_user_s += tally->cpu_user_s;
    result->cpu_system_s += tally->cpu_system_s;
    if (tally->measured_s > result->seconds)
        result->seconds = tally->measured_s;
    histogram_merge(&result->latency, &tally->latency);
    histogram_merge(&result->connect, &tally->connect);
    histogram_merge(&result->first_byte, &tally->first_byte);
    histogram_merge(&result->schedule, &tally->schedule);
    add_errors(&result->errors, &tally->errors);
}

/* Was it the generator that was measured? */
static void judge(struct result *result, const struct threads *threads)
{
    uint64_t late_ns = histogram_percentile(&result->schedule, 99.9);
    uint64_t dropped = 0;

    for (unsigned i = 0; i < threads->count; i++) {
        const struct tally *tally = threads->generators[i].tally;
        double share = tally->measured_s > 0
                           ? (tally->cpu_user_s + tally->cpu_system_s) / tally->measured_s
                           : 0;
        if (result->options.rate == 0 && share > BUSY_SHARE_MAX)
            result_invalidate(result,
                              "generator %u was busy %.0f %% of the time: it was the bottleneck; "
                              "give it --threads, or the machine another CPU",
                              i, share * 100);
        dropped += tally->dropped;
    }
    if (result->seconds == 0)
        result_invalidate(result, "nothing was measured: the run ended before its warm-up did");
    if (late_ns > SCHEDULE_ERROR_NS_MAX)
        result_invalidate(result,
                          "the schedule was missed: p99.9 of actual minus planned send time is "
                          "%.0f us, more than %.0f",
                          (double)late_ns / 1e3, (double)SCHEDULE_ERROR_NS_MAX / 1e3);
    if (dropped)
        result_invalidate(result,
                          "%" PRIu64 " planned requests were dropped: no connection was "
                          "open, or the queue was full",
                          dropped);
}

static int generator_error(const struct threads *threads)
{
    int error = 0;

    for (unsigned i = 0; i < threads->count && error == 0; i++)
        error = threads->generators[i].tally->error;
    return error;
}

static int status_of(const struct result *result, const struct threads *threads)
{
    const struct result_errors *errors = &result->errors;

    if (errors->verify)
        return EX_DATAERR;
    if (generator_error(threads))
        return EX_OSERR;
    if (errors->connect)
        return EX_UNAVAILABLE;
    return result_errors_total(errors) ? EX_IOERR : EX_OK;
}

/* One line: what went wrong first. */
static void tell_problem(const struct result *result, const struct threads *threads)
{
    const char *endpoint = result->options.endpoint;
    int error = generator_error(threads);

    if (error) {
        command_ring_error("no load can be made", error);
        return;
    }
    for (unsigned i = 0; i < threads->count; i++)
        if (threads->generators[i].tally->problem[0]) {
            fprintf(stderr, "vsluice-load: %s: %s\n", endpoint,
                    threads->generators[i].tally->problem);
            return;
        }
    if (result->errors.timeout)
        fprintf(stderr,
                "vsluice-load: %s: requests without an answer within %g s of the end: %" PRIu64
                "\n",
                endpoint, (double)GENERATOR_DRAIN_NS / 1e9, result->errors.timeout);
}

static int write_hgrm(const struct histogram *latency, const char *path)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *file = open_memstream(&text, &bytes);
    int error = file ? histogram_write_hgrm(latency, file) : -errno;

    if (file && fclose(file) != 0 && error == 0)
        error = -errno;
    if (error == 0)
        error = result_write_file(path, text, bytes);
    free(text);
    return error;
}

static int tell_unwritten(const char *path, int error)
{
    if (error == 0)
        return EX_OK;
    fprintf(stderr, "vsluice-load: %s cannot be written: %s\n", path, strerror(-error));
    return EX_CANTCREAT;
}

static int print_summary(const struct result *result)
{
    result_print(result, stdout);
    return tell_unwritten("standard output", fflush(stdout) == 0 ? 0 : -errno);
}

static int write_files(const struct run_options *options, const struct result *result)
{
    int summary = print_summary(result);
    int json = options->json
                   ? tell_unwritten(options->json, result_write_json(result, options->json))
                   : EX_OK;
    int hgrm = options->hgrm
                   ? tell_unwritten(options->hgrm, write_hgrm(&result->latency, options->hgrm))
                   : EX_OK;
    return summary ? summary : json ? json : hgrm;
}

static int conclude(const struct run_options *options, struct load *load, struct threads *threads,
                    struct result *result)
{
    snprintf(result->label, sizeof(result->label), "%s", options->label);
    result->options = options->load;
    result->valid = true;
    for (unsigned i = 0; i < threads->count; i++)
        add_tally(result, threads->generators[i].tally);
    result->intervals = timeline_intervals(&load->timeline, &result->interval_count);
    if (!result->intervals)
        return EX_OSERR;
    judge(result, threads);
    tell_problem(result, threads);
    int status = status_of(result, threads);
    int files = write_files(options, result);
    if (status)
        return status;
    if (files)
        return files;
    return result->valid ? EX_OK : EX_TEMPFAIL;
}

/* SIGINT and SIGTERM end a run early; what was measured so far is told. */
static int take_signals(void)
{
    sigset_t stop;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    return signalfd(-1, &stop, SFD_CLOEXEC);
}

static int load_init(struct load *load, const struct run_options *options)
{
    char error[ENDPOINT_SOCKET_ERROR_BYTES];

    *load = (struct load){
        .options = options->load,
        .mode = options->mode,
        .open_loop = options->load.rate > 0,
        .poisson = strcmp(options->load.arrival, "poisson") == 0,
        .mux = options->endpoint.kind == ENDPOINT_VSOCK_MUX,
        .mux_port = options->endpoint.port,
    };
    if (endpoint_socket_address(&options->endpoint, &load->address, error) < 0) {
        fprintf(stderr, "vsluice-load: %s\n", error);
        return EX_UNAVAILABLE;
    }
    if (timeline_init(&load->timeline, options->load.threads, options->load.duration_ns) < 0)
        return EX_OSERR;
    load->stop = take_signals();
    return load->stop < 0 ? EX_OSERR : 0;
}

static void load_deinit(struct load *load, struct threads *threads)
{
    for (unsigned i = 0; i < threads->count; i++)
        free(threads->generators[i].tally);
    free(threads->generators);
    timeline_deinit(&load->timeline);
    close(load->stop);
}

int run_command(int argc, char **argv)
{
    struct run_options options;
    struct threads threads;
    struct load load;

    int status = run_options_read(argc, argv, &options);
    if (status == 0)
        status = enough_descriptors(options.load.connections);
    if (status == 0)
        status = load_init(&load, &options);
    if (status)
        return status;
    struct result *result = result_new();
    if (!result)
        return EX_OSERR;
    pattern_init();
    read_environment(&result->environment);
    int error = threads_start(&threads, &load);
    if (error < 0) {
        fprintf(stderr, "vsluice-load: cannot start: %s\n", strerror(-error));
        return EX_OSERR;
    }
    conduct(&load, &threads, options.progress);
    status = conclude(&options, &load, &threads, result);
    result_free(result);
    load_deinit(&load, &threads);
    return status;
}

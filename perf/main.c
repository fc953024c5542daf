/* vsluice-load: which subcommand. */
#include "perf/command.h"
#include "perf/compare.h"
#include "perf/report.h"
#include "ring/ring.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static const char help[] =
    "Usage: vsluice-load serve ENDPOINT [--threads N] [--stall-after T --stall T]\n"
    "       vsluice-load run ENDPOINT --mode MODE [OPTIONS]\n"
    "       vsluice-load compare A.json ... -- B.json ... [--max-regression PCT] "
    "[--allow-invalid]\n"
    "       vsluice-load report RUN.json ... -o REPORT.html\n"
    "       vsluice-load --help | --version\n"
    "\n"
    "ENDPOINT: tcp:HOST:PORT, unix:/PATH, unix:@NAME, vsock:CID:PORT, vsock-mux:/PATH:PORT\n"
    "\n"
    "Modes of run:\n"
    "  stream   bytes as fast as they go (--direction up, down, both)\n"
    "  rr       requests and responses on open connections\n"
    "  crr      connect, one request, one response, close\n"
    "  churn    open and close\n"
    "  idle     hold connections, and prove each alive at the end\n"
    "\n"
    "Options of run:\n"
    "  --connections N    at once (1)                 --threads N      generators (1)\n"
    "  --duration T       measured time (10s)         --warmup T       before it, not counted "
    "(1s)\n"
    "  --direction D      stream: up, down, both      --size BYTES     stream: of a write (128K)\n"
    "  --request BYTES    rr, crr, idle (64)          --response BYTES the same (64)\n"
    "  --depth N          rr: requests in flight on a connection (closed loop 1, open loop 64)\n"
    "  --rate R           open loop: R a second, latency from the planned time; 0: closed loop\n"
    "  --arrival KIND     open loop: constant, poisson (constant)\n"
    "  --verify           check every byte, at both ends\n"
    "  --seed N           of the bytes and of poisson arrivals (1)\n"
    "  --json FILE        the result, whole               --hgrm FILE   latency by percentile\n"
    "  --label TEXT       names the run in reports\n"
    "  --progress         a line a second also where standard error is no terminal\n"
    "\n"
    "Exit status: 0; 1 compare found a regression; 64 usage; 65 wrong bytes, or a file that is no "
    "result;\n"
    "66 a file cannot be read; 69 cannot connect; 71 system error; 73 a file cannot be written;\n"
    "74 connections broke; 75 the run is invalid: the generator was the bottleneck.\n"
    "See vsluice-load(1).\n";

int command_usage(const char *command)
{
    fprintf(stderr, "%s: 'vsluice-load --help' shows the usage\n", command);
    return EX_USAGE;
}

void command_ring_error(const char *what, int error)
{
    bool refused = error == -EPERM || error == -EACCES || error == -ENOSYS;
    const char *reason = error == -EBADRQC ? ring_wish_mistake() : strerror(-error);

    fprintf(stderr, "vsluice-load: %s: %s%s\n", what, reason,
            refused ? ": io_uring is refused here: 'vsluice doctor' tells why" : "");
}

static int print_help(int argc, char **argv)
{
    fputs(help, stdout);
    return EX_OK;
}

static int print_version(int argc, char **argv)
{
    puts("vsluice-load " VSLUICE_VERSION);
    return EX_OK;
}

static const struct {
    const char *name;
    int (*command)(int argc, char **argv);
} commands[] = {
    {"serve", serve_command},   {"run", run_command},         {"compare", compare_command},
    {"report", report_command}, {"--help", print_help},       {"-h", print_help},
    {"help", print_help},       {"--version", print_version},
};

int main(int argc, char **argv)
{
    char full_name[64];

    if (argc < 2) {
        fputs("vsluice-load: no command given\n", stderr);
        return command_usage("vsluice-load");
    }
    bool wants_help = argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0);
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        snprintf(full_name, sizeof(full_name), "vsluice-load %s", commands[i].name);
        argv[1] = full_name; /* getopt(3) begins its lines with it */
        return wants_help ? print_help(0, NULL) : commands[i].command(argc - 1, argv + 1);
    }
    fprintf(stderr,
            "vsluice-load: no such command: '%s'; serve, run, compare and report are there\n",
            argv[1]);
    return command_usage("vsluice-load");
}

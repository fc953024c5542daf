/* vsluice: which subcommand. */
#include "proxy/allocator.h"
#include "proxy/command.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const char help[] =
    "Usage: vsluice run [-c FILE] [LISTEN=TARGET ...]   relay until told to stop\n"
    "       vsluice check [-c FILE] [LISTEN=TARGET ...] read the configuration, print the routing "
    "table\n"
    "       vsluice connect [-c FILE] [--timeout T] TARGET\n"
    "                                                   standard input and output to a target\n"
    "       vsluice guest [-c FILE | --admin PATH] list | freeze [--end] NAME | thaw NAME\n"
    "                                                   the guests of a running vsluice\n"
    "       vsluice status [-c FILE | --admin PATH]     what the routes of a running vsluice do\n"
    "       vsluice top [-c FILE | --admin PATH] [--interval T] [--once | --batch]\n"
    "                                                   the same, live, with the busiest sessions\n"
    "       vsluice sessions [-c FILE | --admin PATH] [--route R] [--guest G] [--limit N] "
    "[--json]\n"
    "                                                   the sessions of a running vsluice\n"
    "       vsluice end [-c FILE | --admin PATH] NUMBER... | [--route R] [--guest G]\n"
    "                                                   sessions end\n"
    "       vsluice drain [-c FILE | --admin PATH] [--timeout T] [--wait] | [--undo] ROUTE\n"
    "                                                   a route stops listening, its sessions go "
    "on\n"
    "       vsluice route [-c FILE | --admin PATH] list | add -f FILE | add [--name NAME] "
    "LISTEN=TARGET |\n"
    "                     remove NAME                   routes of a running vsluice\n"
    "       vsluice reload [-c FILE | --admin PATH]     a running vsluice reads its configuration "
    "anew\n"
    "       vsluice doctor                              what this host offers, and what to do\n"
    "       vsluice --help | --version\n"
    "\n"
    "Endpoints (LISTEN, TARGET):\n"
    "  tcp:HOST:PORT         HOST an IPv4 address, an [IPv6] address, a name, or * (listen: all "
    "addresses)\n"
    "  unix:/PATH            a Unix socket; unix:@NAME: an abstract one\n"
    "  vsock:CID:PORT        CID a number, local, host, hypervisor, or any (listen)\n"
    "  vsock-mux:/PATH:PORT  the Unix socket of a VMM that multiplexes vsock (Firecracker and "
    "others)\n"
    "  mux:/PATH             a Unix socket spoken to as such a VMM's; TARGET's port is * (listen)\n"
    "  guest:NAME:PORT       a guest of the configuration, by its name\n"
    "  machine:NAME:PORT     a guest that systemd-machined knows (target)\n"
    "  fd:N, fd:NAME         an inherited listening socket (listen)\n"
    "  PORT may be a range, FIRST-LAST; {name} in a path or of a guest stands for each guest\n"
    "\n"
    "Options:\n"
    "  -c, --config FILE     read FILE, then *.conf of FILE.d (default /etc/vsluice/vsluice.conf "
    "where no\n"
    "                        route is given)\n"
    "  --timeout T           how long connecting may take: 500ms, 5s, 1m (default 5s)\n"
    "  --admin PATH          the admin socket of the running vsluice (default: as FILE says)\n"
    "  --end                 freeze: end the guest's sessions too\n"
    "  --route R, --guest G  of this route, to or from this guest\n"
    "  --limit N             sessions to show at most (default 1000), the latest\n"
    "  --json                as the admin socket tells it\n"
    "  --timeout T           drain: then end what is left\n"
    "  --wait                drain: until nothing is left\n"
    "  --undo                drain: listen again\n"
    "  -f, --file FILE       route: [route NAME] sections to add; - for standard input\n"
    "  --name NAME           route: what the added route is called\n"
    "  --interval T          top: between two looks (default 1s)\n"
    "  --once, --batch       top: one frame, or frames, as plain text\n"
    "\n"
    "Exit status: 0, 64 usage, 69 unavailable, 71 system error, 74 broken connection or output,\n"
    "77 no permission, 78 configuration. See vsluice(1) and vsluice.conf(5).\n";

int command_usage(const char *command)
{
    fprintf(stderr, "vsluice%s%s: 'vsluice --help' shows the usage\n", *command ? " " : "",
            command);
    return EX_USAGE;
}

static int print_help(int argc, char **argv)
{
    fputs(help, stdout);
    return EX_OK;
}

static int print_version(int argc, char **argv)
{
    printf("vsluice %s (allocator: %s)\n", VSLUICE_VERSION, allocator_name());
    return EX_OK;
}

static const struct {
    const char *name;
    int (*command)(int argc, char **argv);
} commands[] = {
    {"drain", command_drain},       {"end", command_end},         {"route", command_route},
    {"sessions", command_sessions}, {"top", command_top},         {"run", command_run},
    {"check", command_check},       {"connect", command_connect}, {"doctor", command_doctor},
    {"guest", command_guest},       {"reload", command_reload},   {"status", command_status},
    {"help", print_help},           {"--help", print_help},       {"-h", print_help},
    {"version", print_version},     {"--version", print_version},
};

/* A descriptor opened later must not pass for a standard stream that was closed. */
static void fill_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", O_RDWR);
}

/* What a command says is read by programs, too: without all of it, it did not go well. */
static int output_end(int status)
{
    bool failed = fflush(stdout) != 0;

    failed |= ferror(stdout) != 0;
    if (!failed)
        return status;
    fputs("vsluice: standard output cannot be written\n", stderr);
    return status == EX_OK ? EX_IOERR : status;
}

int main(int argc, char **argv)
{
    allocator_init();
    fill_standard_streams();
    if (argc < 2) {
        fputs("vsluice: no command given\n", stderr);
        return command_usage("");
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return output_end(commands[i].command(argc - 1, argv + 1));
    fprintf(stderr,
            "vsluice: no such command: '%s'; run, check, connect, guest, status, top, sessions, "
            "end, drain, route, reload and doctor are there\n",
            argv[1]);
    return command_usage("");
}

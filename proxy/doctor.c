/* vsluice doctor: what this host offers, and what to do where something lacks. */
#include "config/config.h"
#include "proxy/command.h"
#include "proxy/descriptors.h"
#include "proxy/refusal.h"
#include "proxy/sandbox.h"
#include "proxy/system_file.h"
#include "ring/feature.h"
#include "ring/ring.h"
#include "vsock/vsock.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sysexits.h>
#include <unistd.h>

#define ROW "%-22s "

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static void tell_kernel(void)
{
    struct utsname name;

    uname(&name);
    printf(ROW "Linux %s, %s\n", "kernel", name.release, name.machine);
}

static void tell_feature(const char *name, int state)
{
    printf("  %-20s ", name);
    switch (-state) {
    case 0: puts("used"); break;
    case ECANCELED: puts("not used: switched off by VSLUICE_RING"); break;
    case EINVAL:
    case EOPNOTSUPP: puts("not used: this kernel lacks it"); break;
    case EBADMSG: puts("not used: this kernel does it wrongly"); break;
    case ETIME: puts("not used: this kernel does not answer"); break;
    default: printf("not used: %s\n", strerror(-state)); break;
    }
}

static void tell_features(void)
{
    for (enum ring_feature feature = 0; feature < RING_FEATURES; feature++)
        tell_feature(ring_feature_name(feature), ring_feature_state(feature));
    int sqarray = ring_feature_sqarray();
    if (sqarray == -ENOSYS)
        puts("  no-sqarray           not used: the liburing of this build lacks it");
    else
        tell_feature("no-sqarray", sqarray);
    /* docs/performance.md has the figures. */
    puts("  bundles              not used: a small message is one buffer, more is spliced");
    puts("  incremental-buffers  not used: the buffers in circulation are in the cache already");
    puts("  fixed-files          not used: they would save less than 2 % of a request");
}

static bool tell_ring(void)
{
    struct ring_options options = {.entries = 64, .buffers_max = RING_BUFFERS_IDLE};
    struct ring *ring;
    int error = ring_new(&ring, &options);
    int refusal = error < 0 ? error : ring_engine_refusal(ring);

    printf(ROW, "io_uring");
    if (refusal < 0) {
        refusal_explain(refusal, stdout);
    } else if (strcmp(ring_engine_name(ring), "io_uring") == 0) {
        puts("works");
        tell_features();
    } else {
        puts("not asked for (VSLUICE_RING)");
    }
    if (error < 0)
        return false;
    printf(ROW "%s%s\n", "engine", ring_engine_name(ring),
           refusal < 0 ? ", instead: works, and takes more processor time" : "");
    ring_free(ring);
    return true;
}

static void tell_limits(void)
{
    struct rlimit files;
    struct rlimit locked;
    long long backlog = system_file_number("/proc/sys/net/core/somaxconn", 0);

    getrlimit(RLIMIT_NOFILE, &files);
    getrlimit(RLIMIT_MEMLOCK, &locked);
    descriptors_raise_limit();
    struct descriptors_share share;
    descriptors_divide(1, 1, 0, 0, &share);
    size_t sessions = share.sessions;
    printf(ROW "%llu (hard limit %llu): %zu sessions at once%s\n", "open files",
           (unsigned long long)files.rlim_cur, (unsigned long long)files.rlim_max, sessions,
           sessions < 1000 ? "; for more: LimitNOFILE= in the unit, 'ulimit -Hn' in a shell" : "");
    if (locked.rlim_cur == RLIM_INFINITY)
        printf(ROW "unlimited\n", "locked memory");
    else
        printf(ROW "%llu KiB\n", "locked memory", (unsigned long long)locked.rlim_cur / 1024);
    printf(ROW "%lld%s\n", "listen backlog", backlog,
           backlog < 4096 ? "; bursts are refused beyond it: sysctl net.core.somaxconn=4096" : "");
}

static void tell_privilege(void)
{
    unsigned long long capabilities = system_file_mask("/proc/self/status", "CapEff:");
    bool bind = capabilities & (1ULL << CAP_NET_BIND_SERVICE);
    long long first = system_file_number("/proc/sys/net/ipv4/ip_unprivileged_port_start", 1024);

    if (bind)
        printf(ROW "any TCP and vsock port (CAP_NET_BIND_SERVICE)\n", "ports to listen on");
    else
        printf(ROW "TCP from %lld, vsock from 1024; lower ones: "
                   "AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit\n",
               "ports to listen on", first);
}

static void tell_sandbox(void)
{
    char why[SANDBOX_ERROR_BYTES];

    if (sandbox_probe(why) == 0)
        printf(ROW "those that a relay does not need are refused once it is ready\n",
               "system calls");
    else
        printf(ROW "all that the kernel allows: %s\n", "system calls", why);
}

static void tell_context(void)
{
    uint32_t cid;
    int error = vsock_context_id(&cid);

    printf(ROW, "vsock context ID");
    if (error == -ENOENT || error == -ENODEV)
        puts("no /dev/vsock: load a transport (modprobe vhost_vsock on a VM host)");
    else if (error < 0)
        printf("unknown: /dev/vsock: %s\n", strerror(-error));
    else if (cid == VSOCK_CID_ANY)
        puts("none of its own: this machine is no guest");
    else if (cid == VSOCK_CID_HOST)
        puts("2: this machine is the host");
    else
        printf("%" PRIu32 "\n", cid);
}

static void tell_transports(void)
{
    static const struct {
        const char *path;
        const char *row;
        const char *there;
        const char *missing;
    } transports[] = {
        {"/dev/vhost-vsock", "guests by CID", "yes, /dev/vhost-vsock (QEMU and other KVM VMMs)",
         "no /dev/vhost-vsock: modprobe vhost_vsock; guests behind a vsock-mux socket need none"},
        {"/sys/module/vmw_vsock_virtio_transport", "own hypervisor",
         "yes, by virtio: this machine is a guest, vsock:host:PORT is its hypervisor",
         "no virtio transport: fine unless this machine is a guest (modprobe "
         "vmw_vsock_virtio_transport)"},
        {"/sys/module/vsock_loopback", "vsock:local", "yes",
         "no loopback: modprobe vsock_loopback"},
    };

    for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++)
        printf(ROW "%s\n", transports[i].row,
               exists(transports[i].path) ? transports[i].there : transports[i].missing);
}

static void tell_configuration(void)
{
    printf(ROW "%s\n", "configuration",
           exists(CONFIG_PATH_DEFAULT) ? CONFIG_PATH_DEFAULT ": 'vsluice check' reads it"
                                       : "no " CONFIG_PATH_DEFAULT ": routes come from -c FILE or "
                                         "the command line");
}

int command_doctor(int argc, char **argv)
{
    if (argc > 1) {
        fputs("vsluice doctor: takes no arguments\n", stderr);
        return command_usage(argv[0]);
    }
    tell_kernel();
    bool able = tell_ring();
    tell_limits();
    tell_privilege();
    tell_sandbox();
    tell_context();
    tell_transports();
    tell_configuration();
    return able ? EX_OK : EX_UNAVAILABLE;
}

/* The configuration: text -> an immutable value. Guests, routes and policy; what the proxy needs to
 * know and nothing of how it works.
 *
 * A config owns its strings, guests and routes, and lives until its last reference is given back.
 * Reading never stops at the first mistake: each is added to `problems`, and a config with problems
 * must not be used to run.
 *
 * Templates: a route whose endpoints hold `{name}` is one route for each guest. For the guests that
 * the text names they are made when it is read, for those of [guest *] when they appear.
 */
#pragma once

#include "config/access.h"
#include "config/endpoint.h"
#include "config/problem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum guest_vmm {
    GUEST_VMM_AUTO,
    GUEST_VMM_KERNEL,
    GUEST_VMM_FIRECRACKER,
    GUEST_VMM_CLOUD_HYPERVISOR,
    GUEST_VMM_VHOST_DEVICE,
    GUEST_VMM_LIBKRUN,
};

/* What becomes of an end-of-file that goes to a guest while the other direction lives on. */
enum guest_half_close {
    GUEST_HALF_CLOSE_AUTO, /* as its VMM needs it */
    GUEST_HALF_CLOSE_PASS, /* SHUT_WR at once */
    GUEST_HALF_CLOSE_HOLD, /* nothing until the other direction has ended too: the VMM would end it
                            */
};

/* Why a guest cannot be reached yet. */
enum guest_phase {
    GUEST_PHASE_OFF = 1 << 0,
    GUEST_PHASE_BOOTING = 1 << 1,
    GUEST_PHASE_SERVICE = 1 << 2, /* up, without the service */
    GUEST_PHASES = GUEST_PHASE_OFF | GUEST_PHASE_BOOTING | GUEST_PHASE_SERVICE,
};

/* As many sessions as its VMM has room for. */
#define GUEST_SESSIONS_AUTO UINT32_MAX

struct guest {
    char *name; /* GUEST_EACH: of each guest whose socket appears */
    /* ENDPOINT_VSOCK, ENDPOINT_VSOCK_MUX or ENDPOINT_MACHINE, its port not set (0) */
    struct endpoint address;
    enum guest_vmm vmm;
    enum guest_half_close half_close;
    uint32_t sessions_max; /* 0: any number; default GUEST_SESSIONS_AUTO */
    uint32_t rate_max;     /* sessions that begin in a second; 0, the default: any number */
    const char *file;
    unsigned line; /* of the section */
};

#define GUEST_EACH "*"

/* How the lanes of a route move bytes (proxy/lane.h). */
enum route_lane {
    ROUTE_LANE_AUTO,
    ROUTE_LANE_SMALL,
    ROUTE_LANE_SPLICE,
    ROUTE_LANE_COPY,
    ROUTE_LANE_COUNT,
};

/* As written in a configuration. */
extern const char *const route_lane_names[ROUTE_LANE_COUNT];

/* Which PROXY header the target is told (proxy/proxy_header.h). */
enum route_send_proxy {
    ROUTE_SEND_PROXY_NO,
    ROUTE_SEND_PROXY_V1,
    ROUTE_SEND_PROXY_V2,
    ROUTE_SEND_PROXY_COUNT,
};

extern const char *const route_send_proxy_names[ROUTE_SEND_PROXY_COUNT];

/* Which of several targets a session goes to. */
enum route_balance {
    ROUTE_BALANCE_ROUND_ROBIN,
    ROUTE_BALANCE_LEAST_SESSIONS,
    ROUTE_BALANCE_SOURCE_HASH,
    ROUTE_BALANCE_FAILOVER,
    ROUTE_BALANCE_COUNT,
};

extern const char *const route_balance_names[ROUTE_BALANCE_COUNT];

#define ROUTE_TARGETS_MAX 64

/* Each of the other targets once. */
#define ROUTE_RETRIES_ALL UINT32_MAX

struct route_target {
    struct endpoint written;
    /* guest:NAME:PORT replaced by vsock:CID:PORT, vsock-mux:PATH:PORT, machine:NAME:PORT or, of
     * libkrun, unix:PATH_PORT */
    struct endpoint resolved;
    const struct guest *guest; /* that it names, else NULL */
    uint32_t port_count;       /* that follow each other from its own */
    unsigned line;             /* of the entry */
};

/* What is sent or expected when a target is checked. */
struct check_text {
    char *bytes;
    size_t length; /* 0: nothing */
};

#define CHECK_TEXT_BYTES_MAX 255

struct route_check {
    bool connects; /* else there are no checks, which is the default */
    uint64_t interval_ns;
    uint64_t timeout_ns;
    uint32_t rise; /* good ones in a row that bring it up again */
    uint32_t fall; /* bad ones in a row that take it out */
    struct check_text send;
    struct check_text expect; /* what the answer begins with */
};

struct route_listen {
    struct endpoint written;
    /* guest:NAME:PORT replaced by vsock:any:PORT or vsock-mux:PATH:PORT */
    struct endpoint resolved;
    const struct guest *guest; /* that it names, else NULL */
    uint32_t peer_cid;    /* of a vsock guest: the only CID to accept from; else VSOCK_CID_ANY */
    uint32_t port_offset; /* in the ports that were written as one entry */
    uint32_t port_count;  /* of that entry */
    unsigned line;        /* of the entry */
};

/* Ports first to last. */
struct port_range {
    uint32_t first;
    uint32_t last;
};

struct route {
    char *name;

    struct route_listen *listens; /* at least one */
    size_t listen_count;

    struct route_target *targets; /* at least one */
    size_t target_count;
    enum route_balance balance;
    uint32_t retries;  /* targets that are tried after the first; default ROUTE_RETRIES_ALL */
    uint32_t fail_max; /* failures in a row that take a target out; 0: none does; default 3 */
    uint64_t fail_ns;  /* for so long; default 10 s */
    struct route_check check;

    struct port_range *ports; /* that an initiator may name; none: any */
    size_t port_range_count;

    struct access_list allow; /* who may connect; none: everybody */
    struct access_list deny;  /* but not these */

    uint64_t connect_timeout_ns; /* own, else of [global], else 5 s */
    uint64_t wait_ns;            /* for a guest that cannot be reached yet; 0, the default: not */
    unsigned wait_phases;        /* enum guest_phase, of those to wait for; default all */
    unsigned wait_max;           /* sessions that wait at once; default 1000 */
    uint32_t sessions_max;       /* open at once; 0, the default: any number */
    uint32_t rate_max;           /* sessions that begin in a second; 0, the default: any number */
    uint64_t bandwidth;          /* bytes a second, of all sessions; 0, the default: any number */
    uint64_t session_bandwidth;  /* the same, of each */
    uint64_t session_time_ns;    /* that one lasts at most; 0, the default: for ever */
    uint64_t half_close_ns;      /* without a byte, half-closed; 0, the default: for ever */
    uint64_t idle_timeout_ns;    /* without a byte; 0, the default: for ever */
    uint64_t guest_probe_ns;     /* vsock: idle time before a probe; 0: off; default 60 s */
    uint64_t keepalive_ns;       /* TCP: idle time before the first probe; 0: off; default 60 s */
    int backlog;                 /* default 4096 */
    enum route_lane lane;        /* default auto */

    uint32_t source_sessions_max; /* of each source address; 0, the default: any number */
    uint32_t source_rate_max;     /* the same */
    bool waits_at_limit;          /* in the backlog; default: it is refused */

    bool accept_proxy; /* initiators tell a PROXY header first; default no */
    enum route_send_proxy send_proxy;
    bool access_log; /* a line for each session; own, else of [global], else no */

    /* of the file of a unix or vsock-mux listener */
    int mode;        /* -1: as the umask says */
    uid_t owner_uid; /* (uid_t)-1: unchanged */
    gid_t owner_gid; /* (gid_t)-1: unchanged */

    const char *file; /* NULL: from the command line */
    unsigned line;    /* of the section; of the command line: which of its routes, from 1 */
};

/* Is it in a guest, which may be off or booting? */
bool route_target_in_guest(const struct route_target *target);

/* The port of the target that a listener of its route leads to; ENDPOINT_PORT_NAMED: the one that
 * the initiator names. */
uint32_t route_target_port(const struct route_target *target, const struct route_listen *listen);

/* Where the log goes, and how. */
enum config_log_format {
    CONFIG_LOG_AUTO, /* to the journal where standard error is one, else text */
    CONFIG_LOG_JOURNAL,
    CONFIG_LOG_TEXT,
    CONFIG_LOG_JSON,
    CONFIG_LOG_COUNT,
};

extern const char *const config_log_format_names[CONFIG_LOG_COUNT];

struct config {
    atomic_uint references;
    struct config *parent; /* of config_of_guest(): lends its strings and guests; else NULL */

    unsigned workers;              /* 0: one per CPU */
    unsigned sessions_max;         /* 0: as many as the descriptor limit allows */
    uint32_t rate_max;             /* sessions that begin in a second; 0, the default: any number */
    uint64_t drain_timeout_ns;     /* default 30 s */
    char *admin_path;              /* of the admin socket; NULL: none */
    struct endpoint *admin_listen; /* where it can be read over TCP; NULL: nowhere */
    enum config_log_format log_format;
    unsigned log_rate; /* lines of failing sessions in a minute; 0: any number; default 1000 */
    uid_t user_uid;    /* as whom it runs once it listens; (uid_t)-1: not said */
    gid_t user_gid;
    bool sandbox; /* default yes: system calls that it does not need are refused */

    struct guest *guests;
    size_t guest_count;
    const struct guest *guest_each; /* the one of the name GUEST_EACH; NULL: none */
    struct route *routes;
    size_t route_count;
    size_t template_count; /* routes of each guest (`{name}`), which stand behind the others */

    char **files; /* what was read, or was to be read, in this order */
    size_t file_count;
    struct config_kept *kept; /* what stood in the first of them, all but those of texts */
    size_t kept_count;
};

struct config_kept {
    char *text;
    size_t bytes;
};

#define CONFIG_PATH_DEFAULT "/etc/vsluice/vsluice.conf"

/* [route NAME] sections that stand in no file. */
struct config_text {
    const char *name; /* in messages, as the file's would be */
    const char *text;
    size_t bytes;
    unsigned line; /* of its first line */
};

/* What to read. */
struct config_sources {
    const char *path;          /* FILE, then *.conf of FILE.d in name order; NULL: no file. */
    bool path_optional;        /* a FILE that does not exist is no mistake */
    const char *const *routes; /* LISTEN=TARGET texts of the command line; may be NULL */
    size_t route_count;
    const struct config_text *texts; /* behind the files; may be NULL */
    size_t text_count;
    /* Its files stand for those of `path`, with what it has read in them, whatever they hold now;
     * NULL: they are read. */
    const struct config *again;
};

/* Reads all sources and checks the whole. Always returns a config (what could be read, for
 * reporting); it may be used to run only when nothing was added to `problems`. NULL: out of memory.
 */
struct config *config_read(const struct config_sources *sources, struct problems *problems);

struct config *config_ref(struct config *config);

/* Gives one reference back; the last one frees it. NULL: nothing. */
void config_free(struct config *config);

/* What the templates make of one guest that appeared: a config of that guest and its routes. NULL,
 * and why in `problems` (nothing there: out of memory). */
struct config *config_of_guest(struct config *config, const char *name, struct problems *problems);

/* Cuts LISTEN=TARGET in two where `run` and `check` do: ends LISTEN there, and returns TARGET.
 * NULL: there is no such place, or more than one. */
char *config_split_route(char *text);

/* Prints the routing table for people: name, listen, target, policy. One row for each listen
 * endpoint; of the policy what differs from the defaults. 0 or a negative errno. */
int config_print(const struct config *config, FILE *stream);

/* The fake ring: ring/ring.h, ring/socket.h and ring/pipe.h over a network in memory and in virtual
 * time, driven by one seed. Linked in place of all of ring/ but ring_pure; makes no system call on
 * a socket or a pipe.
 *
 * A test makes a fake, takes its ring, scripts the far ends (who connects to the proxy, and whom
 * the proxy connects to), calls ring_turn() and looks at what the far ends saw. Breaking the ring's
 * contract, or a byte that is not the one expected, ends the process with a message and the seed.
 *
 * One fake at a time: the functions of ring/socket.h and ring/pipe.h take no ring, so they use the
 * current one.
 */
#pragma once

#include "ring/ring.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct fake;
struct fake_end;
struct fake_target;

enum fake_kind {
    FAKE_TCP,
    FAKE_UNIX,
    FAKE_VSOCK,
    FAKE_FILE, /* a pipe in and a pipe out */
};

/* How often each fault is injected, in 1/1000. */
struct fake_faults {
    /* A session must not show any of these. */
    unsigned short_receive;
    unsigned short_send;
    unsigned send_again;    /* -EAGAIN although there is room */
    unsigned receive_again; /* the same of a receive, but for one in flight on a socket */
    unsigned interrupted;   /* -EINTR */
    unsigned no_buffers;    /* -ENOBUFS of a receive */
    unsigned late_cancel;   /* a cancel or a stop that finds its operation already at work */
    unsigned gave_up;       /* a receive that goes on ends with bytes and without RING_MORE */
    unsigned pieces;        /* many small ones, for a receive that goes on or to fill a pipe */
    unsigned no_pipes;      /* -EMFILE of ring_pipe_init() */
    unsigned small_pipes;   /* of less room than was asked for */
    unsigned slow;          /* a turn that begins late, with many completions there */
    uint64_t delay_ns_max;  /* of attempts and completions; so they overtake each other */
    /* These end a session; fake_injected() counts them. */
    unsigned no_descriptors; /* -EMFILE of socket(2) and accept(2) */
    unsigned no_memory;      /* -ENOMEM of receive and send, -ENOBUFS of send */
};

struct fake_options {
    uint64_t seed;
    struct fake_faults faults;
    unsigned buffers_max; /* 0: RING_BUFFERS_LIMIT */
    size_t buffer_bytes;  /* of each, any number; 0: as ring_options say */
    bool trace;           /* tells on standard error what happens */
};

/* How a VMM answers CONNECT. */
enum fake_mux {
    FAKE_MUX_NONE,
    FAKE_MUX_OK,
    FAKE_MUX_OK_IN_PIECES,
    FAKE_MUX_OK_WITH_DATA, /* the guest's first bytes right behind the newline */
    FAKE_MUX_REFUSES,      /* end-of-file, no bytes */
    FAKE_MUX_BREAKS_OFF,   /* end-of-file inside the answer */
    FAKE_MUX_SILENT,
    FAKE_MUX_GARBAGE,
    FAKE_MUX_TOO_LONG, /* OK and more digits than a port has */
};

enum fake_leave {
    FAKE_LEAVE_NOT,
    FAKE_HALF_CLOSE,
    FAKE_CLOSE,
    FAKE_RESET,    /* TCP: linger 0; vsock: a RST; else as FAKE_CLOSE */
    FAKE_DIE,      /* vsock: the VMM exits; else as FAKE_RESET */
    FAKE_TIME_OUT, /* TCP: keepalive found nobody, ETIMEDOUT; else as FAKE_RESET */
    FAKE_FORGET, /* vsock: booted anew: silent, and a RST is its answer to what reaches it; else as
                    FAKE_RESET */
};

/* What a far end does with its side of a connection. Zeroed: says nothing, reads all, and closes
 * after the end-of-file. */
struct fake_script {
    enum fake_mux mux;
    uint32_t mux_port;     /* that the request must name */
    uint64_t mux_delay_ns; /* before the answer */

    const char *says;      /* before its stream, as to a `mux:` listener; NULL: nothing */
    size_t says_bytes_max; /* in pieces; 0: in one */
    uint64_t says_pause_ns_max;
    bool says_more;    /* the stream right behind it, in the same piece; else when it has heard */
    const char *hears; /* what it must be told before the stream it reads; NULL: nothing */

    uint64_t bytes;         /* how many it sends */
    uint64_t stream;        /* which (random_stream_byte) */
    size_t write_bytes_max; /* 0: 64 KiB */
    uint64_t write_pause_ns_max;
    uint64_t start_ns;           /* before the first byte */
    uint64_t start_after_read;   /* so many bytes must have come before the first is sent */
    enum fake_leave after_bytes; /* done after the last byte */

    uint64_t expected;     /* the stream that it should be sent; 0: do not look */
    size_t read_bytes_max; /* 0: 64 KiB */
    uint64_t read_pause_ns_max;
    uint64_t read_start_ns;
    uint64_t read_limit;        /* reads no further; 0: no limit */
    enum fake_leave after_read; /* done after end-of-file; NOT: closes once it has sent all */
    bool stay;                  /* does not close by itself after both directions ended */
    uint64_t leave_ns;          /* at this virtual time... (0: never) */
    enum fake_leave leave;      /* ... does this */

    /* Of its socket pair, in bytes; 0: 16384. Toward the far end, and from it. */
    size_t room_to;
    size_t room_from;
};

/* What a far end has done and seen. */
struct fake_record {
    uint64_t written; /* taken by its kernel */
    uint64_t read;
    bool ended;              /* it ended its sending behind the last of `written`, in good order */
    bool broke;              /* it reset the connection, or died */
    bool died;               /* by FAKE_DIE, which a vsock end is told of as an error */
    bool forgot;             /* by FAKE_FORGET: silent until something reaches it */
    bool closed;             /* its descriptor is closed */
    bool saw_end;            /* end-of-file */
    bool saw_gone;           /* at end-of-file: the other end had closed altogether (Unix, vsock) */
    bool saw_reset;          /* an error instead of it */
    int write_error;         /* that a write met, as a negative errno */
    bool greeted;            /* the mux handshake is over, and well */
    unsigned request_pieces; /* in how many reads CONNECT came */
    uint64_t heard_ns;       /* when it had heard all it was to; 0: not */
    unsigned asked;          /* vsock: how often the other end told of another buffer size */
    uint64_t asked_ns;       /* the latest time */
    unsigned accepted;       /* it was the so manieth of its target; 0: it is no target's */
    uint64_t connected_ns;
    uint64_t first_byte_ns;
    uint64_t latest_byte_ns;
    uint64_t finished_ns; /* of saw_end or saw_reset */
    uint64_t closed_ns;
    unsigned char first[64]; /* bytes read */
};

enum fake_answer {
    FAKE_ACCEPTS,
    FAKE_REFUSES, /* with `error` */
    FAKE_IGNORES, /* no answer, ever */
};

struct fake_target_options {
    enum fake_answer answer;
    int error; /* negative errno; 0: ECONNREFUSED (vsock: ECONNRESET) */
    uint64_t delay_ns;
    uint64_t busy_until_ns; /* its backlog is full until then; Unix: EAGAIN, vsock: ECONNRESET */
    struct fake_script script;
};

/* Ends the process when memory is out, as everything here does. */
struct fake *fake_new(const struct fake_options *options);

/* Fails when anything is left: operations, buffers, timers, descriptors. */
void fake_free(struct fake *fake);

struct ring *fake_ring(struct fake *fake);

/* Ends the process with a message, the seed and the virtual time. */
__attribute__((noreturn, format(printf, 2, 3))) void fake_fail(struct fake *fake,
                                                               const char *format, ...);
__attribute__((format(printf, 2, 3))) void fake_note(struct fake *fake, const char *format, ...);

uint64_t fake_now_ns(const struct fake *fake);
uint64_t fake_random(struct fake *fake);

/* Faults so far that end a session. */
unsigned fake_injected(const struct fake *fake);

/* Turns of the ring so far. */
unsigned fake_turns(const struct fake *fake);

/* Receives that the proxy has begun through the ring. */
unsigned fake_receives(const struct fake *fake);

/* Descriptors that the proxy holds. */
unsigned fake_descriptors(const struct fake *fake);

/* Pipes that the proxy holds, and how many it gave up with bytes in them. */
unsigned fake_pipes(const struct fake *fake);
unsigned fake_pipes_spilt(const struct fake *fake);

/* The process at the other end of all sockets; 0: none is known. */
void fake_peer_process(struct fake *fake, int pid);

/* Changes the faults from here on. */
void fake_set_faults(struct fake *fake, const struct fake_faults *faults);

/* A connection that the proxy has accepted: *ret_fd is the proxy's. For FAKE_FILE, reading and
 * writing are two descriptors. */
struct fake_end *fake_accepted(struct fake *fake, enum fake_kind kind,
                               const struct fake_script *script, int *ret_fd, int *ret_fd_write);

/* A listening descriptor, and who connects to it. */
int fake_listener(struct fake *fake, enum fake_kind kind);
struct fake_end *fake_listener_connect(struct fake *fake, int fd, const struct fake_script *script);
/* The next accept answers with this error. */
void fake_listener_fail(struct fake *fake, int fd, int error);

/* Whoever connects to this address finds this. Addresses that are not registered refuse: TCP
 * ECONNREFUSED, Unix ENOENT, vsock ENODEV. */
struct fake_target *fake_target(struct fake *fake, const struct sockaddr *address, socklen_t length,
                                const struct fake_target_options *options);
void fake_target_change(struct fake_target *target, const struct fake_target_options *options);
unsigned fake_target_attempts(const struct fake_target *target);
uint64_t fake_target_attempt_ns(const struct fake_target *target); /* of the latest */
unsigned fake_target_accepts(const struct fake_target *target);
struct fake_end *fake_target_end(const struct fake_target *target); /* of the latest; NULL: none */

const struct fake_record *fake_end_record(const struct fake_end *end);
enum fake_kind fake_end_kind(const struct fake_end *end);
/* The one that a connected descriptor of the proxy's leads to. */
struct fake_end *fake_end_of(struct fake *fake, int fd);
/* Does it now. */
void fake_end_leave(struct fake_end *end, enum fake_leave leave);
/* Reads no more, or again. */
void fake_end_pause(struct fake_end *end, bool paused);

/* Turns the ring until `done` says so or until the virtual time; false: the time came first. */
bool fake_run(struct fake *fake, bool (*done)(void *context), void *context, uint64_t until_ns);

/* Lets the far ends see the rest: nothing of the proxy's may be in flight. */
void fake_settle(struct fake *fake);

/* One end of one session that goes by a plan. The initiator sends the plan as a header; both ends
 * then know what each will send, when it half-closes, and whether one of them will break off in the
 * middle.
 *
 * Every byte that comes is compared with the one that the plan says; the end is judged by the plan
 * too.
 */
#pragma once

#include "pump.h"
#include "stream.h"

enum plan_kind {
    PLAN_STREAM = 1, /* each end sends a stream of its own */
    PLAN_ECHO,       /* the target gives back what comes, until end-of-file */
};

/* Who ends its stream first; the other one holds its own back at hold_at until it has seen that. */
enum plan_half_close {
    HALF_CLOSE_BOTH, /* each after its own last byte */
    HALF_CLOSE_INITIATOR,
    HALF_CLOSE_TARGET,
    /* For what carries no half-close: the target says with a last word (8 bytes: the hash of what
     * came) that it has all and sent all, and the initiator closes. It begins at hold_at once it
     * has all. */
    HALF_CLOSE_NONE,
};

enum plan_ending {
    ENDING_CLEAN,
    ENDING_INITIATOR_RESET, /* after break_at bytes: linger 0 */
    ENDING_TARGET_RESET,
    ENDING_INITIATOR_ABORT, /* after break_at bytes: close, whatever is unread */
    ENDING_TARGET_ABORT,
};

enum plan_flag {
    PLAN_UP_UNREAD = 1,   /* the target reads nothing but the plan */
    PLAN_DOWN_UNREAD = 2, /* the initiator reads nothing */
    PLAN_ALL_TCP = 4,     /* a reset must arrive as a reset */
    PLAN_TOGETHER = 8,    /* the initiator sends the plan alone until session_go() */
};

#define PLAN_MAGIC UINT64_C(0x0a316e616c706576)

struct plan {
    uint64_t magic;
    uint32_t kind, session;
    uint64_t seed;
    uint64_t up, down; /* bytes that the initiator and the target send */
    uint64_t hold_at, break_at;
    uint32_t half_close, ending, flags, reserved;
};

enum session_role {
    ROLE_INITIATOR,
    ROLE_TARGET,
};

enum session_end {
    SESSION_OPEN,
    SESSION_OK,
    SESSION_BROKEN,   /* broke off, as planned */
    SESSION_HEADLESS, /* ended before its plan was there */
    SESSION_FAILED,
};

struct session {
    struct watch watch_in, watch_out; /* of a socket: watch_in alone */
    enum session_role role;
    enum session_end end;
    struct plan plan;
    size_t plan_bytes; /* of the plan, sent or received */
    struct stream out, in;
    bool out_ended, in_ended;
    bool going;         /* PLAN_TOGETHER: session_go() was called */
    uint64_t round_end; /* echo, initiator: all up to here comes back */
    double round_started;
    uint64_t word; /* the last word, and how much of it is there */
    size_t word_bytes;
    uint8_t *echo; /* echo, target: what must still go back */
    size_t echo_offset, echo_length;
    double touched; /* when bytes last moved */
    char text[200]; /* of a failure or a break */
    void (*changed)(
        struct session *session); /* after every step: it may have ended, or its round */
};

/* `plan` is NULL for the target. Takes both descriptors; fd_out may be another than fd_in. */
void session_start(struct session *session, enum session_role role, int fd_in, int fd_out,
                   const struct plan *plan, void (*changed)(struct session *session));

/* Echo, initiator: `bytes` more must come back; the last round is followed by end-of-file. */
void session_round(struct session *session, uint64_t bytes, bool last);
bool session_round_done(const struct session *session);

/* PLAN_TOGETHER: the initiator may send its stream. */
void session_go(struct session *session);

/* Closes; reset: with a reset where there is one. Any number of times. */
void session_close(struct session *session, bool reset);

/* "in=BYTES:HASH out=BYTES:HASH at=SECONDS" */
void session_print(const struct session *session, const char *what);

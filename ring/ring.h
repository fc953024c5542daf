/* The ring: operations on descriptors and their lives, the receive buffers, and the turn of the
 * loop.
 *
 * One ring belongs to one thread; every function here is called by that thread only. The ring knows
 * no address family and no session. This header and ring/socket.h are all that a session may use on
 * a relayed descriptor, so that the seeded ring of tests/fake/ can be linked in place of the real
 * one.
 *
 * The life of an operation:
 *
 *     idle --arm--> in flight --completion with RING_MORE--> in flight
 *                       |
 *                       +------completion without RING_MORE (terminal)--> idle
 *
 * An operation leaves flight by its terminal completion and by nothing else: a cancelled one
 * completes with -ECANCELED (or with the result that came first), and its memory, its buffer and
 * its descriptor stay the kernel's until then. Completions are drained in a batch and then
 * dispatched: a handler is never called from inside a ring_ function other than ring_turn().
 */
#pragma once

#include "ring/timer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct ring;
struct ring_op;

/* flags of a completion */
#define RING_MORE         (1U << 0) /* not the last completion of this operation */
#define RING_BUFFER       (1U << 1) /* the result's bytes are in a buffer: ring_flags_buffer() */
#define RING_BUFFER_SHIFT 16

static inline unsigned ring_flags_buffer(unsigned flags)
{
    return flags >> RING_BUFFER_SHIFT;
}

/* result: as the system call's, with errors as negative errno. When the handler runs, a terminal
 * completion has already taken the operation out of flight: it may be armed again at once, and its
 * memory may be freed. */
typedef void ring_handler(struct ring_op *op, int result, unsigned flags);

enum ring_op_kind {
    RING_OP_ACCEPT,
    RING_OP_ACCEPT_ON,
    RING_OP_RECEIVE,
    RING_OP_RECEIVE_ON,
    RING_OP_READ,
    RING_OP_SEND,
    RING_OP_WRITE,
    RING_OP_CONNECT,
    RING_OP_POLL,
    RING_OP_POLL_ON,     /* a poll that goes on as a multishot one */
    RING_OP_POLL_ENDING, /* which has told what was asked for, and was cancelled */
    RING_OP_WATCH,
    RING_OP_CANCEL,
    RING_OP_YIELD,
};

/* Embedded by purpose in what it serves; zeroed memory is an idle operation. The user data of its
 * submission is its address: it must not move while in flight. */
struct ring_op {
    ring_handler *handler;
    int fd;
    uint8_t kind;
    bool in_flight : 1;
    bool stopping : 1; /* ring_stop() has been asked */
    uint16_t events;   /* of a poll: asked for; when it is ending: told; of a watch: told */
};

struct ring_options {
    unsigned
        entries; /* of the submission queue; 0: 1024. The completion queue has four times as many */
    unsigned buffers_max; /* receive buffers, at most RING_BUFFERS_LIMIT; 0: that limit */
    size_t buffer_bytes;  /* of each, whole pages; 0: RING_BUFFER_BYTES */
    uint64_t spin_ns;     /* a deadline that is nearer than this is not slept for, but polled for */
};

/* Receive buffers. Few circulate; more are added while slow receivers hold them, up to the maximum,
 * and once they are no longer needed their memory goes back to the kernel, one for each that is
 * returned. vsock returns credit by whole packets of up to 64 KiB. */
#define RING_BUFFER_BYTES  (64 * 1024)
#define RING_BUFFERS_IDLE  64
#define RING_BUFFERS_LIMIT 32768

/* On io_uring, and on epoll where io_uring is refused: -EPERM, -EACCES, -ENOSYS (sysctl, seccomp,
 * no kernel support), -ENOMEM (RLIMIT_MEMLOCK), -EINVAL (the kernel is older than 5.19). The
 * environment has VSLUICE_RING (ring/wish.h) to ask for one of them, or for io_uring without some
 * of its features (ring/feature.h). Negative errno: no memory, no descriptor, or a refusal that no
 * other engine may make good; -EBADRQC: ring_wish_mistake(). */
int ring_new(struct ring **ret, const struct ring_options *options);

/* What is wrong with VSLUICE_RING, in words; NULL: nothing. */
const char *ring_wish_mistake(void);

/* "io_uring" or "epoll". */
const char *ring_engine_name(const struct ring *ring);

/* Why it is not io_uring, as a negative errno; 0: it is, or the other was asked for. */
int ring_engine_refusal(const struct ring *ring);

/* Nothing may be in flight. */
void ring_free(struct ring *ring);

/* One turn: submits what was armed, waits for a completion or a deadline, dispatches all
 * completions that are there, then the timers that are due. Negative errno: the ring is broken and
 * cannot go on. */
int ring_turn(struct ring *ring);

/* For who shows it. */
struct ring_figures {
    unsigned in_flight;
    unsigned buffers_held;
    unsigned buffers_offered; /* to the kernel */
    unsigned buffers_max;
    uint64_t turns;
    uint64_t overflows; /* turns that found more completions than their queue holds */
};

void ring_figures(const struct ring *ring, struct ring_figures *ret);

/* CLOCK_MONOTONIC, read once a turn. */
uint64_t ring_now_ns(const struct ring *ring);

/* Operations in flight. */
unsigned ring_in_flight(const struct ring *ring);

/* How many completions the kernel can hold: the most that a multishot accept can run ahead. */
unsigned ring_completions_max(const struct ring *ring);

/* Arming: op is idle and stays at its address until its terminal completion; fd stays open until
 * then (by its owner's care). The ring waits for readiness by itself, whether or not the socket is
 * non-blocking.
 */

/* A listening socket. Each completion's result is a new descriptor, close-on-exec and non-blocking,
 * the handler's to own. multishot: accepts on until cancelled or failed. */
void ring_accept(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd,
                 bool multishot);

/* Receives into one of the ring's buffers, taken only when there are bytes. result > 0 comes with
 * RING_BUFFER: the handler's to return. 0: end-of-file. -ENOBUFS: none was free, more were added:
 * arm again. -ENOMEM: none is free and no more may be added. */
void ring_receive(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd);

/* The same, again and again: a completion with RING_MORE for each buffer, until end-of-file, an
 * error, ring_stop() or ring_cancel(). A last one that has bytes and no RING_MORE says that the
 * kernel gave up going on: arm again. What was received before it is told of a stop is told too. */
void ring_receive_on(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd);

/* The same for what is no socket: read(2) at the file position. */
void ring_read(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd);

/* Sends without waiting and without SIGPIPE: a short count or -EAGAIN says that the socket is full.
 */
void ring_send(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd,
               const void *data, size_t length);

/* The same for what is no socket, except that it may wait until some bytes could be written. */
void ring_write(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd,
                const void *data, size_t length);

/* fd comes from ring_socket_open(). result 0: connected; else the socket is of no further use
 * (vsock: a second connect can report success). -EAGAIN: a Unix listener's backlog is full. */
void ring_connect(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd,
                  const struct sockaddr *address, socklen_t length);

/* Waits for one of the events (poll(2)), an error or a hang-up. result: those that are there;
 * POLLRDHUP alone ends the wait only where it is asked for. */
void ring_poll(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd,
               unsigned events);

/* Watches for errors and hang-up (POLLERR, POLLHUP) for as long as it is in flight: a completion
 * for each change, with the events that changed. POLLRDHUP is told too. Without RING_MORE it has
 * ended because the completion queue was full. */
void ring_watch(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd);

/* Cancels every operation on fd. Each ends with its own completion; this one's only tells that the
 * request was taken. */
void ring_cancel(struct ring *ring, struct ring_op *op, ring_handler *handler, int fd);

/* Asks one operation in flight to end: by a completion of its own, -ECANCELED where nothing else
 * came first. Any number of times. */
void ring_stop(struct ring *ring, struct ring_op *op);

/* Completes in the next turn, with 0, and is on no descriptor: for work that goes on when others
 * had their turn. */
void ring_yield(struct ring *ring, struct ring_op *op, ring_handler *handler);

/* The bytes of a buffer that a completion delivered. */
char *ring_buffer(struct ring *ring, unsigned buffer);

/* Ends the holding of a buffer. */
void ring_buffer_return(struct ring *ring, unsigned buffer);

/* Buffers that handlers hold. */
unsigned ring_buffers_held(const struct ring *ring);

void ring_timer_arm(struct ring *ring, struct ring_timer *timer, uint64_t deadline_ns,
                    ring_timer_handler *handler);
void ring_timer_disarm(struct ring *ring, struct ring_timer *timer);

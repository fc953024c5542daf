/* What the parts of the fake share. */
#pragma once

#include "tests/fake/fake.h"
#include "tests/fake/network.h"
#include "tests/fake/random.h"

#define CONTAINER(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* A descriptor of the proxy. Numbers are never used again, so that a stale one is seen. */
struct descriptor {
    int fd;
    bool open;
    bool listening;
    bool connecting; /* from ring_socket_open(), ring_connect() not asked yet */
    bool tried;      /* ring_connect() was asked */
    bool reads;      /* one end of a pipe: reads or writes only */
    bool writes;
    bool closes_by_reset;      /* SO_LINGER of 0 */
    struct net_socket *socket; /* NULL: listening */
    enum fake_kind kind;
    struct sockaddr_storage peer;
    socklen_t peer_length;
    struct sockaddr_storage local;
    socklen_t local_length;
    size_t peeked;               /* bytes that the proxy has seen there and not read yet */
    uint64_t connect_timeout_ns; /* vsock */
    uint64_t buffer_bytes;       /* vsock */
    uint64_t buffer_bytes_max;
    struct pending *pending; /* listening: who waits to be accepted */
    int accept_error;
    /* The same of its receives and sends together: what one takes away the other does not find, and
     * io_uring tells them in the order in which they were done. */
    uint64_t completed_ns;
};

struct pending {
    struct pending *next;
    struct net_socket *socket;
};

enum flight_state {
    FLIGHT_ARMED,   /* not yet seen by the kernel */
    FLIGHT_WAITING, /* tried again when its descriptor changes */
    FLIGHT_SETTLED, /* its terminal completion is on its way */
};

struct flight {
    struct flight *next;
    struct flight **link;
    struct fake *fake;
    struct ring_op *op;
    struct ring_op copy;
    enum flight_state state;
    struct descriptor *descriptor; /* NULL: a yield */
    struct ring_timer attempt;
    struct ring_timer stop;
    bool stop_seen; /* by the kernel */
    const char *data;
    size_t length;
    uint64_t checksum;
    uint64_t completed_ns; /* when its latest completion is told: none overtakes another */
    unsigned events;
    unsigned events_told; /* by a watch, the last time */
    unsigned changes_told;
    bool multishot;
    struct fake_target *target; /* of a connect */
    int connect_result;         /* 0: accepted; -EINPROGRESS: no answer */
};

struct completion {
    struct completion *next;
    struct flight *flight;
    uint64_t due_ns;
    int result;
    unsigned flags;
};

/* A buffer that a handler holds: memory of exactly the bytes received. NULL: nobody holds it. */
struct held {
    char *memory;
    size_t length;
};

struct ring {
    struct fake *fake;
    struct ring_timers timers;
    struct flight *flights; /* in the order of arming */
    struct flight **flights_last;
    struct completion *completions;
    struct completion **completions_last;
    unsigned in_flight;
    bool turning;
    unsigned turns;
    unsigned receives;   /* begun */
    unsigned turns_idle; /* since something last moved in the network */
    uint64_t now_ns;
    struct held *buffers; /* by number */
    size_t buffer_bytes;  /* 0: RING_BUFFER_BYTES */
    unsigned buffers_max;
    unsigned buffers_circulating;
    unsigned buffers_held;
};

struct fake {
    uint64_t seed;
    struct random random;
    struct fake_faults faults;
    bool trace;
    uint64_t now_ns;
    struct ring_timers events;
    struct ring ring;
    struct descriptor **descriptors;
    unsigned descriptor_count;
    unsigned descriptors_open;
    struct net_socket *sockets;
    struct fake_end *ends;
    struct fake_target *targets;
    struct pipe *pipes;
    int pipe_fd_next;
    unsigned pipes_open;
    unsigned pipes_spilt;
    unsigned injected;
    int peer_process;
};

extern struct fake *fake_current;

void *fake_allocate(size_t bytes);
void fake_event(struct fake *fake, struct ring_timer *timer, uint64_t after_ns,
                ring_timer_handler *handler);
/* Looks behind what ring/socket.h and ring/pipe.h are given to read or to fill: whoever gives less
 * memory than he says is seen by the sanitizer. */
void fake_touch(const void *bytes, size_t length);
uint64_t fake_delay_ns(struct fake *fake);
bool fake_fault(struct fake *fake, unsigned permille);
bool fake_fault_ends(struct fake *fake, unsigned permille, const char *name);

/* Pointers stay valid until fake_free(). */
struct descriptor *descriptor_new(struct fake *fake, struct net_socket *socket,
                                  enum fake_kind kind);
/* Fails for one that is not open. */
struct descriptor *descriptor_of(struct fake *fake, int fd, const char *what);
void descriptor_close(struct fake *fake, int fd, bool reset, const char *what);
unsigned descriptor_poll(const struct descriptor *descriptor);
void descriptor_wake(struct net_socket *socket);
void listener_wake(struct fake *fake, struct descriptor *descriptor);
void descriptors_free(struct fake *fake);

void flights_wake(struct fake *fake, const struct net_socket *socket);
void flight_attempt_soon(struct flight *flight);
void flight_attempt(struct flight *flight);
void flight_connect(struct flight *flight, const struct sockaddr *address, socklen_t length);
bool flight_connect_cancel(struct flight *flight);
bool flight_moves_bytes(const struct flight *flight);
void flight_complete(struct flight *flight, int result, unsigned flags);
/* With its last, in the next turn. */
void flight_complete_now(struct flight *flight, int result);
void flight_attempt_receive(struct flight *flight);
void flight_stop_soon(struct flight *flight);
const char *flight_name(unsigned kind);
bool flight_receives(const struct flight *flight);
bool flight_sends(const struct flight *flight);
/* Two readers of one stream, or two writers, would reorder its bytes: no other is in flight. */
void flights_check_reader(struct fake *fake, const struct descriptor *descriptor, const char *what);
void flights_check_writer(struct fake *fake, const struct descriptor *descriptor, const char *what);
uint64_t flight_checksum(const char *data, size_t length);

/* The most that one holds. */
size_t buffers_bytes(const struct ring *ring);
/* -ENOBUFS, -ENOMEM or the number of a buffer of `length` bytes. */
int buffers_take(struct ring *ring, size_t length);

/* What a call that moves bytes says before anything was done; 0: nothing. again: -EAGAIN is one of
 * what it may say. */
int fault_of_receive(struct fake *fake, bool again);
int fault_of_send(struct fake *fake, bool again);

void pipes_free(struct fake *fake);

struct fake_end *end_new(struct fake *fake, struct net_socket *socket,
                         const struct fake_script *script);
void end_start(struct fake_end *end);
void ends_free(struct fake *fake);
void targets_free(struct fake *fake);

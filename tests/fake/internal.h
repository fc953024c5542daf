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
    uint64_t connect_timeout_ns; /* vsock */
    struct pending *pending;     /* listening: who waits to be accepted */
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
    struct descriptor *descriptor;
    struct ring_timer attempt;
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
    unsigned turns_idle; /* since something last moved in the network */
    uint64_t now_ns;
    struct held *buffers; /* by number */
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
    unsigned injected;
};

extern struct fake *fake_current;

void *fake_allocate(size_t bytes);
void fake_event(struct fake *fake, struct ring_timer *timer, uint64_t after_ns,
                ring_timer_handler *handler);
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
uint64_t flight_checksum(const char *data, size_t length);

/* -ENOBUFS, -ENOMEM or the number of a buffer of `length` bytes. */
int buffers_take(struct ring *ring, size_t length);

struct fake_end *end_new(struct fake *fake, struct net_socket *socket,
                         const struct fake_script *script);
void end_start(struct fake_end *end);
void ends_free(struct fake *fake);
void targets_free(struct fake *fake);

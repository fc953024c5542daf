/* A connection of the proxy's in the tests of the fake itself: the near end is the test's, the far
 * end is scripted. */
#pragma once

#include "ring/socket.h"
#include "tests/fake/fake.h"

#define MS UINT64_C(1000000)

struct near {
    struct fake *fake;
    struct ring *ring;
    struct fake_end *far;
    int fd;
    int fd_write;
    struct ring_op op;
    bool over; /* what near_wait() waits for */
    int result;
};

/* Of every kind that does not end a connection. */
extern const struct fake_faults near_faults;

/* A far end that sends so many bytes of stream 1, then stays. Waits until they are there. */
void near_init(struct near *near, enum fake_kind kind, uint64_t bytes);
void near_init_with(struct near *near, const struct fake_options *options, enum fake_kind kind,
                    const struct fake_script *script);
/* Closes in good order; nothing may be left. */
void near_deinit(struct near *near);

void near_pass(struct near *near, uint64_t ns);
/* What the far end does, and some time after it. */
void near_leave(struct near *near, enum fake_leave leave);

/* The handler of near->op: returns the buffer. */
void near_told(struct ring_op *op, int result, unsigned flags);
/* Turns until near->op has ended: its result. */
int near_wait(struct near *near);
int near_receive(struct near *near);
int near_send(struct near *near, size_t length);
/* POLLIN is asked for too. */
int near_events(struct near *near, unsigned asked);

/* A far end: its socket, its script and what it has seen. end.c makes and ends it; end_mux.c is the
 * VMM's half of the vsock-mux handshake, end_says.c what an initiator says and hears first. */
#pragma once

#include "tests/fake/internal.h"

struct fake_end {
    struct fake_end *next;
    struct fake *fake;
    struct net_socket *socket;
    struct fake_script script;
    struct fake_record record;
    struct ring_timer writing;
    struct ring_timer reading;
    struct ring_timer leaving;
    bool greeting;     /* until the mux handshake is over */
    const char *says;  /* what of it is not said yet; NULL: all is */
    const char *hears; /* what of it is not heard yet; NULL: all is */
    bool paused;
    bool write_blocked;
    bool write_over;
    char request[64];
    size_t request_length;
    const char *answer; /* what of the mux answer is not sent yet */
};

void end_write_after(struct fake_end *end, uint64_t ns);
/* After a pause of any length up to that. */
void end_write_soon(struct fake_end *end, uint64_t pause_ns_max);
void end_leave(struct fake_end *end, enum fake_leave leave);
void end_write_failed(struct fake_end *end, int error);
/* result: 0 or negative errno, of a read. */
void end_finished_reading(struct fake_end *end, int result);
/* The bytes of its stream from the next one on. */
void end_fill(const struct fake_end *end, char *bytes, size_t count);

/* Reads what is there for the VMM; false: nothing was. */
bool end_mux_read(struct fake_end *end);
/* Time to answer. */
void end_mux_write(struct fake_end *end);

/* Says more of it. */
void end_says_write(struct fake_end *end);
/* Reads what is there of what it is to hear; false: nothing was. */
bool end_hears_read(struct fake_end *end);

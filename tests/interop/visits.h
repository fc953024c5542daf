/* Many short connections: on each, the one who dialled sends a number, gets another, and then
 * end-of-file. */
#pragma once

#include <stdint.h>
#include <vsock.h>

#define VISITS_THREADS_MAX 16

/* Accepts count connections and answers them. 0, or the first negative errno; -EBADMSG: what came
 * was no number. */
int visits_serve(struct vsock_listener *listener, uint64_t count);

/* Dials count times, in so many threads. 0, or the first negative errno; -EBADMSG: a wrong answer.
 */
int visits_make(uint32_t cid, uint32_t port, uint64_t count, unsigned threads);

/* Buckets of tokens: how many bytes may go, at a rate of so many a second. A bucket is filled at
 * its rate, and full with what a tenth of a second brings, or with BUCKET_BYTES_MIN: so much may go
 * at once after a silence.
 *
 * Kept as the time up to which its tokens are used, so that workers share one without a lock. Who
 * uses it says its rate each time, from BUCKET_RATE_MIN to BUCKET_RATE_MAX. Times are nanoseconds
 * of one monotonic clock. Of any thread.
 */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#define BUCKET_BYTES_MIN UINT64_C(65536)
#define BUCKET_RATE_MIN  UINT64_C(1024)
#define BUCKET_RATE_MAX  (UINT64_C(100) << 30)

/* What is worth to be waited for: what a hundredth of a second brings, within these bounds. */
#define BUCKET_PORTION_MIN UINT64_C(1024)
#define BUCKET_PORTION_MAX UINT64_C(262144)

/* Zeroed memory is a full one. */
struct bucket {
    atomic_uint_fast64_t used_ns;
    atomic_uint waiting; /* how many wait for tokens: counted by who does */
};

/* Bytes that it is full with. */
uint64_t bucket_bytes(uint64_t rate);

uint64_t bucket_portion(uint64_t rate);

/* How long it takes until so many bytes may go; rounded up. */
uint64_t bucket_ns(uint64_t rate, uint64_t bytes);

/* Takes tokens for at most so many bytes; 0: there are too few to begin with. */
uint64_t bucket_take(struct bucket *bucket, uint64_t rate, uint64_t now_ns, uint64_t wanted);

/* Tokens that were not needed. */
void bucket_give(struct bucket *bucket, uint64_t rate, uint64_t bytes);

/* Takes them whether or not they are there: what is owed has to be filled up first. */
void bucket_charge(struct bucket *bucket, uint64_t rate, uint64_t now_ns, uint64_t bytes);

/* When so many portions will be there, if nobody takes any meanwhile. */
uint64_t bucket_ready_ns(const struct bucket *bucket, uint64_t rate, uint64_t now_ns,
                         unsigned portions);

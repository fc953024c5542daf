#include "proxy/bucket.h"

#define NS_PER_S UINT64_C(1000000000)

/* Fewer tokens than such a part of a portion are not taken: many small pieces cost much. */
#define LEAST_PARTS 8

static uint64_t min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

uint64_t bucket_bytes(uint64_t rate)
{
    return max(rate / 10, BUCKET_BYTES_MIN);
}

uint64_t bucket_portion(uint64_t rate)
{
    return min(max(rate / 100, BUCKET_PORTION_MIN), BUCKET_PORTION_MAX);
}

uint64_t bucket_ns(uint64_t rate, uint64_t bytes)
{
    return (bytes * NS_PER_S + rate - 1) / rate;
}

/* More than a full bucket is not kept. */
static uint64_t used(uint64_t used_ns, uint64_t rate, uint64_t now_ns)
{
    uint64_t full_ns = bucket_ns(rate, bucket_bytes(rate));
    return max(used_ns, now_ns > full_ns ? now_ns - full_ns : 0);
}

uint64_t bucket_take(struct bucket *bucket, uint64_t rate, uint64_t now_ns, uint64_t wanted)
{
    uint64_t least = min(wanted, bucket_portion(rate) / LEAST_PARTS);
    uint64_t used_ns = atomic_load_explicit(&bucket->used_ns, memory_order_relaxed);
    uint64_t next_ns;
    uint64_t bytes;

    do {
        uint64_t from_ns = used(used_ns, rate, now_ns);
        uint64_t there = now_ns > from_ns ? (now_ns - from_ns) * rate / NS_PER_S : 0;
        if (there < least)
            return 0;
        bytes = min(there, wanted);
        next_ns = from_ns + bucket_ns(rate, bytes);
    } while (!atomic_compare_exchange_weak(&bucket->used_ns, &used_ns, next_ns));
    return bytes;
}

void bucket_give(struct bucket *bucket, uint64_t rate, uint64_t bytes)
{
    atomic_fetch_sub(&bucket->used_ns, bytes * NS_PER_S / rate);
}

void bucket_charge(struct bucket *bucket, uint64_t rate, uint64_t now_ns, uint64_t bytes)
{
    uint64_t used_ns = atomic_load(&bucket->used_ns);
    uint64_t next_ns;

    do {
        next_ns = used(used_ns, rate, now_ns) + bucket_ns(rate, bytes);
    } while (!atomic_compare_exchange_weak(&bucket->used_ns, &used_ns, next_ns));
}

uint64_t bucket_ready_ns(const struct bucket *bucket, uint64_t rate, uint64_t now_ns,
                         unsigned portions)
{
    return used(atomic_load(&bucket->used_ns), rate, now_ns) +
           portions * bucket_ns(rate, bucket_portion(rate));
}

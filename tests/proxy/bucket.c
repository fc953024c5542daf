/* Buckets of tokens, by a clock of the test. */
#include "proxy/bucket.h"

#include <criterion/criterion.h>
#include <stdint.h>

#define MS     UINT64_C(1000000)
#define SECOND (1000 * MS)
#define BEGIN  (100 * SECOND)

Test(bucket, what_it_is_full_with)
{
    cr_expect_eq(bucket_bytes(1024), 65536);
    cr_expect_eq(bucket_bytes(655360), 65536);
    cr_expect_eq(bucket_bytes(655370), 65537);
    cr_expect_eq(bucket_portion(1024), 1024);
    cr_expect_eq(bucket_portion(2000000), 20000);
    cr_expect_eq(bucket_portion(BUCKET_RATE_MAX), BUCKET_PORTION_MAX);
}

/* All of it at once, and not one byte more; each byte in its time. */
Test(bucket, one_less_at_it_and_one_more)
{
    static const uint64_t rates[] = {1024, 1000000, 100000000};

    for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        uint64_t rate = rates[i];
        uint64_t full = bucket_bytes(rate);
        struct bucket bucket = {0};
        cr_assert_eq(bucket_take(&bucket, rate, BEGIN, full - 1), full - 1);
        cr_assert_eq(bucket_take(&bucket, rate, BEGIN + 1, 1), 1); /* times are rounded up */
        cr_assert_eq(bucket_take(&bucket, rate, BEGIN + bucket_ns(rate, 1) - 1, 1), 0);
        cr_assert_eq(bucket_take(&bucket, rate, BEGIN + bucket_ns(rate, 1) + 2, 1), 1);
    }
}

Test(bucket, full_is_full)
{
    struct bucket bucket = {0};
    uint64_t rate = 1000000;
    uint64_t full = bucket_bytes(rate);

    cr_assert_eq(bucket_take(&bucket, rate, BEGIN, UINT32_MAX), full);
    cr_assert_eq(bucket_take(&bucket, rate, BEGIN + 1000 * SECOND, UINT32_MAX), full);
}

Test(bucket, a_rate_is_kept)
{
    static const uint64_t rates[] = {1024, 1234567, 1000000000, BUCKET_RATE_MAX};

    for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        struct bucket bucket = {0};
        double bytes = 0;
        uint64_t now_ns;
        for (now_ns = BEGIN; now_ns < BEGIN + 10 * SECOND; now_ns += MS)
            bytes += (double)bucket_take(&bucket, rates[i], now_ns, UINT32_MAX);
        double due = (double)bucket_bytes(rates[i]) + (double)rates[i] * 10;
        cr_expect_leq(bytes, due);
        cr_expect_geq(bytes, 0.998 * due - (double)bucket_portion(rates[i]), "%f of %f", bytes,
                      due);
    }
}

Test(bucket, what_is_given_back_is_there)
{
    struct bucket bucket = {0};
    uint64_t rate = 1000000;

    cr_assert_eq(bucket_take(&bucket, rate, BEGIN, 65536), 65536);
    bucket_take(&bucket, rate, BEGIN, 1 << 20);
    bucket_give(&bucket, rate, 5000);
    cr_expect_eq(bucket_take(&bucket, rate, BEGIN, 1 << 20), 5000);
}

/* What is owed is filled up first. */
Test(bucket, charged)
{
    struct bucket bucket = {0};
    uint64_t rate = 1000000;
    uint64_t full = bucket_bytes(rate);

    bucket_charge(&bucket, rate, BEGIN, full + 1000000);
    cr_expect_eq(bucket_take(&bucket, rate, BEGIN + SECOND, 100), 0);
    cr_expect_eq(bucket_ready_ns(&bucket, rate, BEGIN, 1), BEGIN + SECOND + 10 * MS);
    cr_expect_eq(bucket_ready_ns(&bucket, rate, BEGIN, 3), BEGIN + SECOND + 30 * MS);
    cr_expect_eq(bucket_take(&bucket, rate, BEGIN + SECOND + 10 * MS, 20000), 10000);
}

/* Small pieces cost much: it is waited for some more. */
Test(bucket, few_tokens_are_not_taken)
{
    struct bucket bucket = {0};
    uint64_t rate = 800000;

    bucket_take(&bucket, rate, BEGIN, 1 << 20);
    cr_expect_eq(bucket_take(&bucket, rate, BEGIN + MS, 1 << 20), 0);
    cr_expect_eq(bucket_take(&bucket, rate, BEGIN + MS, 800), 800);
    cr_expect_eq(bucket_take(&bucket, rate, BEGIN + MS + 1250000, 1 << 20), 1000);
}

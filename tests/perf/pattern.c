/* The bytes of load: found again at any offset, and wrong by any bit. */
#include "perf/pattern.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

TestSuite(perf_pattern, .init = pattern_init);

/* The first `length` bytes of a stream. */
static char *stream_bytes(uint64_t seed, uint64_t stream, enum pattern_direction direction,
                          size_t length)
{
    char *bytes = malloc(length);
    struct pattern pattern;

    pattern_start(&pattern, seed, stream, direction);
    for (size_t done = 0; done < length;) {
        size_t piece;
        const char *next = pattern_next(&pattern, length - done, &piece);
        cr_assert_gt(piece, 0);
        cr_assert_leq(piece, length - done);
        memcpy(bytes + done, next, piece);
        pattern_advance(&pattern, piece);
        done += piece;
    }
    return bytes;
}

/* However the bytes are cut on their way, around the table's end too. */
Test(perf_pattern, checked_in_pieces_of_any_size)
{
    static const size_t pieces[] = {1, 3, 64, 4095, 65536, 1000003, PATTERN_BYTES, 3000000};
    size_t length = 3 * PATTERN_BYTES + 17;
    char *bytes = stream_bytes(1, 5, PATTERN_UP, length);

    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct pattern pattern;
        pattern_start(&pattern, 1, 5, PATTERN_UP);
        for (size_t done = 0; done < length; done += pieces[i]) {
            size_t rest = length - done;
            cr_assert(pattern_check(&pattern, bytes + done, rest < pieces[i] ? rest : pieces[i]),
                      "pieces of %zu, at %zu", pieces[i], done);
        }
    }
    free(bytes);
}

Test(perf_pattern, any_wrong_bit_is_found)
{
    enum { LENGTH = 5000 };
    char *bytes = stream_bytes(7, 0, PATTERN_DOWN, LENGTH);

    for (size_t at = 0; at < LENGTH; at += at < 100 ? 1 : 307)
        for (unsigned bit = 0; bit < 8; bit++) {
            struct pattern pattern;
            bytes[at] ^= (char)(1U << bit);
            pattern_start(&pattern, 7, 0, PATTERN_DOWN);
            cr_expect_not(pattern_check(&pattern, bytes, LENGTH), "bit %u of byte %zu", bit, at);
            bytes[at] ^= (char)(1U << bit);
        }
    free(bytes);
}

/* A byte lost, or one too many, or two pieces in the wrong order: what a relay might do. */
Test(perf_pattern, shifted_bytes_are_wrong)
{
    enum { LENGTH = 4096 };
    char *bytes = stream_bytes(3, 1, PATTERN_UP, LENGTH);

    for (size_t at = 1; at < LENGTH - 8; at += 61) {
        struct pattern pattern;
        pattern_start(&pattern, 3, 1, PATTERN_UP);
        cr_assert(pattern_check(&pattern, bytes, at));
        cr_expect_not(pattern_check(&pattern, bytes + at + 1, LENGTH - at - 1));
        pattern_start(&pattern, 3, 1, PATTERN_UP);
        cr_expect_not(pattern_check(&pattern, bytes + at, LENGTH - at));
    }
    free(bytes);
}

Test(perf_pattern, the_same_again)
{
    char *first = stream_bytes(9, 4, PATTERN_UP, 100000);
    char *second = stream_bytes(9, 4, PATTERN_UP, 100000);

    cr_expect_arr_eq(first, second, 100000);
    free(first);
    free(second);
}

/* Bytes of one connection in another, or going the wrong way, or of another run, are found. */
Test(perf_pattern, streams_differ)
{
    char *bytes = stream_bytes(1, 0, PATTERN_UP, 32);
    unsigned same = 0;

    for (uint64_t seed = 0; seed < 4; seed++)
        for (uint64_t stream = 0; stream < 2000; stream++)
            for (unsigned direction = PATTERN_UP; direction <= PATTERN_DOWN; direction++) {
                struct pattern pattern;
                pattern_start(&pattern, seed, stream, (enum pattern_direction)direction);
                same += pattern_check(&pattern, bytes, 32);
            }
    /* Itself; and of 16,000 beginnings in a table of a million, next to none by chance. */
    cr_expect_geq(same, 1);
    cr_expect_leq(same, 3);
    free(bytes);
}

/* As many of each byte as of any other, and no period within the table. */
Test(perf_pattern, bytes_look_random)
{
    char *bytes = stream_bytes(1, 1, PATTERN_UP, PATTERN_BYTES);
    unsigned counts[256] = {0};
    double chi_square = 0;

    for (size_t i = 0; i < PATTERN_BYTES; i++)
        counts[(unsigned char)bytes[i]]++;
    for (size_t i = 0; i < 256; i++) {
        double expected = PATTERN_BYTES / 256.0;
        chi_square += (counts[i] - expected) * (counts[i] - expected) / expected;
    }
    cr_expect_lt(chi_square, 360, "%f: 1 in 100,000 with 255 degrees of freedom", chi_square);
    for (size_t shift = 8; shift <= PATTERN_BYTES / 2; shift *= 2)
        cr_expect_neq(memcmp(bytes, bytes + shift, 64), 0, "period of %zu", shift);
    free(bytes);
}

/* At most once around the table in one piece, from its beginning, whatever has been sent. */
Test(perf_pattern, an_unchecked_stream_stands_still)
{
    struct pattern pattern;
    size_t length;

    pattern_start(&pattern, 9, 9, PATTERN_UP);
    pattern_start_unchecked(&pattern);
    const char *bytes = pattern_next(&pattern, SIZE_MAX, &length);
    cr_expect_eq(length, PATTERN_BYTES);
    pattern_advance(&pattern, 100);
    cr_expect_eq(pattern_next(&pattern, 64, &length), bytes);
    cr_expect_eq(length, 64);
}

/* Durations and sizes: what is read, what is refused, and that printing loses nothing. */
#include "config/units.h"

#include "tests/config/random.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define UNTOUCHED       UINT64_C(4711)

struct number {
    const char *text;
    uint64_t value;
};

struct refusal {
    const char *text;
    int error;
};

Test(units, reads_durations)
{
    static const struct number cases[] = {
        {"0", 0},
        {"0s", 0},
        {"0h", 0},
        {"1ms", 1000000},
        {"250ms", 250000000},
        {"3s", 3000000000},
        {"2m", 120000000000},
        {"1h", 3600000000000},
        {"1.5s", 1500000000},
        {"0.5h", 1800000000000},
        {"0.25m", 15000000000},
        {"1.000000001s", 1000000001},
        {"0.000001ms", 1},
        {"0.0000001ms", 0},
        {"1.999999999999999999999999s", 1999999999},
        {"007s", 7000000000},
        {"8760h", UINT64_C(31536000000000000)},
        {"525600m", UINT64_C(31536000000000000)},
        {"31536000s", UINT64_C(31536000000000000)},
        {"31536000000ms", UINT64_C(31536000000000000)},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t ns = UNTOUCHED;
        cr_expect_eq(duration_parse(cases[i].text, &ns), 0, "%s", cases[i].text);
        cr_expect_eq(ns, cases[i].value, "%s: %" PRIu64, cases[i].text, ns);
    }
}

Test(units, refuses_what_is_no_duration)
{
    static const struct refusal cases[] = {
        {"", -EINVAL},
        {"5", -EINVAL},
        {"00", -EINVAL},
        {"s", -EINVAL},
        {".5s", -EINVAL},
        {"5.s", -EINVAL},
        {"5 s", -EINVAL},
        {" 5s", -EINVAL},
        {"5s ", -EINVAL},
        {"-5s", -EINVAL},
        {"+5s", -EINVAL},
        {"5S", -EINVAL},
        {"5sec", -EINVAL},
        {"5d", -EINVAL},
        {"5us", -EINVAL},
        {"1h30m", -EINVAL},
        {"1.5.5s", -EINVAL},
        {"1e3s", -EINVAL},
        {"0x5s", -EINVAL},
        {"ms", -EINVAL},
        {"8761h", -ERANGE},
        {"8760.1h", -ERANGE},
        {"31536001s", -ERANGE},
        {"99999999999999999999999999s", -ERANGE},
        {"18446744073709551616ms", -ERANGE},
        {"31536000000.000001ms", -ERANGE},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t ns = UNTOUCHED;
        cr_expect_eq(duration_parse(cases[i].text, &ns), cases[i].error, "'%s'", cases[i].text);
        cr_expect_eq(ns, UNTOUCHED, "'%s' touched its output", cases[i].text);
    }
}

Test(units, reads_sizes)
{
    static const struct number cases[] = {
        {"0", 0},
        {"1", 1},
        {"4096", 4096},
        {"64K", 65536},
        {"16M", 16777216},
        {"1G", 1073741824},
        {"9007199254740992", UINT64_C(1) << 53},
        {"8388608G", UINT64_C(1) << 53},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t bytes = UNTOUCHED;
        cr_expect_eq(size_parse(cases[i].text, &bytes), 0, "%s", cases[i].text);
        cr_expect_eq(bytes, cases[i].value, "%s: %" PRIu64, cases[i].text, bytes);
    }
}

Test(units, refuses_what_is_no_size)
{
    static const struct refusal cases[] = {
        {"", -EINVAL},
        {"K", -EINVAL},
        {"64KB", -EINVAL},
        {"64KiB", -EINVAL},
        {"64k", -EINVAL},
        {"64 K", -EINVAL},
        {"-1", -EINVAL},
        {"1.5K", -EINVAL},
        {"1T", -EINVAL},
        {"0x10", -EINVAL},
        {"9007199254740993", -ERANGE},
        {"8388609G", -ERANGE},
        {"99999999999999999999999", -ERANGE},
        {"18446744073709551616", -ERANGE},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t bytes = UNTOUCHED;
        cr_expect_eq(size_parse(cases[i].text, &bytes), cases[i].error, "'%s'", cases[i].text);
        cr_expect_eq(bytes, UNTOUCHED, "'%s' touched its output", cases[i].text);
    }
}

Test(units, prints_durations_in_their_largest_whole_unit)
{
    static const struct number cases[] = {
        {"0", 0},
        {"3s", 3000000000},
        {"250ms", 250000000},
        {"1500ms", 1500000000},
        {"90s", 90000000000},
        {"2m", 120000000000},
        {"1h", 3600000000000},
        {"8760h", UINT64_C(31536000000000000)},
        {"0.000001ms", 1},
        {"1.5ms", 1500000},
        {"0.05ms", 50000},
        {"1000.000001ms", 1000000001},
    };
    char text[DURATION_TEXT_BYTES];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        cr_expect_eq(duration_format(cases[i].value, text), (int)strlen(cases[i].text));
        cr_expect_str_eq(text, cases[i].text);
    }
    cr_expect_lt(duration_format(UINT64_MAX, text), DURATION_TEXT_BYTES);
}

Test(units, a_printed_duration_is_read_back)
{
    struct random random = random_make(1);
    static const uint64_t grains[] = {1, 1000, 1000000, 1000000000, 60000000000, 3600000000000};

    for (unsigned i = 0; i < 20000; i++) {
        uint64_t grain = grains[random_below(&random, COUNT_OF(grains))];
        uint64_t ns = random_next(&random) % (UINT64_C(31536000000000000) / grain) * grain;
        uint64_t back = UNTOUCHED;
        char text[DURATION_TEXT_BYTES];
        duration_format(ns, text);
        cr_assert_eq(duration_parse(text, &back), 0, "seed %" PRIu64 ": %s", random.seed, text);
        cr_assert_eq(back, ns, "seed %" PRIu64 ": %s", random.seed, text);
    }
}

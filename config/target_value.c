/* The keys about a route's targets: which there are, how one is chosen, how they are checked. */
#include "config/value.h"

#include <stdlib.h>
#include <string.h>

#define FAIL_MAX         1000000
#define CHECKS_MAX       1000
#define NS_PER_MS        UINT64_C(1000000)
#define FAIL_NS_MIN      (100 * NS_PER_MS)
#define CHECK_NS_MIN     (100 * NS_PER_MS)
#define CHECK_TIMEOUT_NS (10 * NS_PER_MS)
#define DAY_NS           (24 * 3600 * 1000 * NS_PER_MS)

static void target_one_set(struct draft *draft, const char *text)
{
    struct route *route = draft_route(draft);
    struct endpoint endpoint;
    uint32_t port_count;
    char error[ENDPOINT_ERROR_BYTES];

    if (endpoint_of_route_parse(text, ENDPOINT_TARGET, &endpoint, &port_count, error) < 0) {
        draft_problem(draft, &draft->place, "%s", error);
        draft->current->lost = true; /* how many there were to be is not known */
    } else if (route->target_count == ROUTE_TARGETS_MAX) {
        draft_problem(draft, &draft->place, "'%s' is one too many; a route has at most %d targets",
                      text, ROUTE_TARGETS_MAX);
    } else {
        draft_target_add(draft, route, &endpoint, port_count);
    }
}

void target_set(struct draft *draft, const char *value)
{
    value_endpoints_read(draft, value, target_one_set);
}

const char *const route_balance_names[ROUTE_BALANCE_COUNT] = {
    [ROUTE_BALANCE_ROUND_ROBIN] = "round-robin",
    [ROUTE_BALANCE_LEAST_SESSIONS] = "least-sessions",
    [ROUTE_BALANCE_SOURCE_HASH] = "source-hash",
    [ROUTE_BALANCE_FAILOVER] = "failover",
};

void balance_set(struct draft *draft, const char *value)
{
    size_t word = value_word_read(draft, value, route_balance_names, ROUTE_BALANCE_COUNT);

    if (word < ROUTE_BALANCE_COUNT)
        draft_route(draft)->balance = (enum route_balance)word;
}

void retries_set(struct draft *draft, const char *value)
{
    value_number_read(draft, value, 0, ROUTE_TARGETS_MAX - 1, &draft_route(draft)->retries);
}

void fail_max_set(struct draft *draft, const char *value)
{
    value_number_read(draft, value, 0, FAIL_MAX, &draft_route(draft)->fail_max);
}

void fail_time_set(struct draft *draft, const char *value)
{
    value_duration_read(draft, value, FAIL_NS_MIN, DAY_NS, &draft_route(draft)->fail_ns);
}

void check_set(struct draft *draft, const char *value)
{
    static const char *const words[] = {"off", "connect"};
    size_t word = value_word_read(draft, value, words, 2);

    draft->current->lost |= word == 2; /* what goes with it is not known */
    draft_route(draft)->check.connects = word == 1;
}

void check_interval_set(struct draft *draft, const char *value)
{
    value_duration_read(draft, value, CHECK_NS_MIN, DAY_NS, &draft_route(draft)->check.interval_ns);
}

void check_timeout_set(struct draft *draft, const char *value)
{
    value_duration_read(draft, value, CHECK_TIMEOUT_NS, DAY_NS,
                        &draft_route(draft)->check.timeout_ns);
}

void check_rise_set(struct draft *draft, const char *value)
{
    value_number_read(draft, value, 1, CHECKS_MAX, &draft_route(draft)->check.rise);
}

void check_fall_set(struct draft *draft, const char *value)
{
    value_number_read(draft, value, 1, CHECKS_MAX, &draft_route(draft)->check.fall);
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *digit = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

    return digit ? (int)(digit - digits) : -1;
}

/* What stands behind a backslash. Its length; 0: nothing that is known. */
static size_t escape_read(const char *text, char *ret)
{
    static const char letters[] = "rnt\\";
    static const char meant[] = "\r\n\t\\";
    const char *letter = *text ? strchr(letters, *text) : NULL;

    if (letter) {
        *ret = meant[letter - letters];
        return 1;
    }
    if (*text != 'x' || hex_digit(text[1]) < 0 || hex_digit(text[2]) < 0)
        return 0;
    *ret = (char)(hex_digit(text[1]) * 16 + hex_digit(text[2]));
    return 3;
}

static void check_text_set(struct draft *draft, struct check_text *text, const char *value)
{
    char *bytes = reallocarray(NULL, strlen(value) + 1, 1);
    size_t length = 0;

    if (!bytes) {
        draft->exhausted = true;
        return;
    }
    for (const char *c = value; *c; length++) {
        size_t escape = *c == '\\' ? escape_read(c + 1, &bytes[length]) : 0;
        if (*c == '\\' && escape == 0) {
            length = 0;
            break;
        }
        if (*c != '\\')
            bytes[length] = *c;
        c += 1 + escape;
    }
    if (length == 0 || length > CHECK_TEXT_BYTES_MAX) {
        value_refuse(draft, value);
        free(bytes);
        return;
    }
    free(text->bytes);
    *text = (struct check_text){.bytes = bytes, .length = length};
}

void check_send_set(struct draft *draft, const char *value)
{
    check_text_set(draft, &draft_route(draft)->check.send, value);
}

void check_expect_set(struct draft *draft, const char *value)
{
    check_text_set(draft, &draft_route(draft)->check.expect, value);
}

/* What is counted of sources: each limit at one less, at it and at one more; which connections are
 * of one source; a bound of those that are known; against a model. */
#include "proxy/source_use.h"

#include "config/address.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS UINT64_C(1000000)
#define S  UINT64_C(1000000000)

static struct source_key key_of_ip(const char *text)
{
    struct address address = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&address.storage;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address.storage;
    struct access_peer peer;
    bool is_ip6 = strchr(text, ':');

    address.storage.ss_family = is_ip6 ? AF_INET6 : AF_INET;
    cr_assert_eq(inet_pton(address.storage.ss_family, text,
                           is_ip6 ? (void *)&in6->sin6_addr : (void *)&in->sin_addr),
                 1);
    cr_assert(access_peer_of_address(&address, &peer));
    return source_key_of_peer(&peer);
}

static struct source_key key_of_number(enum transport transport, uint32_t number)
{
    struct access_peer peer = {.transport = transport, .cid = number, .uid = number};

    return source_key_of_peer(&peer);
}

static bool are_one(struct source_key one, struct source_key other)
{
    struct source_uses *uses = source_uses_new(100);
    struct source_use *use;
    struct source_use *same;

    cr_assert_eq(source_use_enter(uses, &one, 0, 0, 0, &use), REASON_NONE);
    cr_assert_eq(source_use_enter(uses, &other, 0, 0, 0, &same), REASON_NONE);
    bool is_one = use == same;
    cr_assert_eq(source_uses_count(uses), is_one ? 1 : 2);
    source_use_leave(use, 0);
    source_use_leave(same, 0);
    cr_assert_eq(source_uses_count(uses), 0);
    source_uses_free(uses);
    return is_one;
}

Test(source_use, which_connections_are_of_one_source)
{
    cr_assert(are_one(key_of_ip("192.0.2.1"), key_of_ip("192.0.2.1")));
    cr_assert(are_one(key_of_ip("192.0.2.1"), key_of_ip("::ffff:192.0.2.1")));
    cr_assert_not(are_one(key_of_ip("192.0.2.1"), key_of_ip("192.0.2.2")));
    cr_assert_not(are_one(key_of_ip("192.0.2.1"), key_of_ip("::192.0.2.1")));
    cr_assert(are_one(key_of_ip("2001:db8::1"), key_of_ip("2001:db8::ffff:ffff:ffff:ffff")));
    cr_assert_not(are_one(key_of_ip("2001:db8::1"), key_of_ip("2001:db8:0:1::1")));
    cr_assert(are_one(key_of_number(TRANSPORT_VSOCK, 3), key_of_number(TRANSPORT_VSOCK, 3)));
    cr_assert_not(are_one(key_of_number(TRANSPORT_VSOCK, 3), key_of_number(TRANSPORT_VSOCK, 4)));
    cr_assert_not(are_one(key_of_number(TRANSPORT_VSOCK, 3), key_of_number(TRANSPORT_UNIX, 3)));
    cr_assert_not(are_one(key_of_number(TRANSPORT_UNIX, 0), key_of_number(TRANSPORT_UNIX, 1)));
}

/* So many that some share a chain. */
Test(source_use, none_is_taken_for_another)
{
    enum { COUNT = 4000 };
    struct source_uses *uses = source_uses_new(100);
    struct source_use *use[3 * COUNT];

    for (uint32_t i = 0; i < 3 * COUNT; i++) {
        struct source_key key = key_of_number(i % 2 ? TRANSPORT_VSOCK : TRANSPORT_UNIX, i / 2);
        if (i >= 2 * COUNT)
            key = (struct source_key){.words = {1, i}, .transport = TRANSPORT_TCP};
        cr_assert_eq(source_use_enter(uses, &key, 1, 0, 0, &use[i]), REASON_NONE);
    }
    cr_assert_eq(source_uses_count(uses), 3 * COUNT);
    for (uint32_t i = 0; i < 3 * COUNT; i++)
        source_use_leave(use[i], 0);
    cr_assert_eq(source_uses_count(uses), 0);
    source_uses_free(uses);
}

Test(source_use, no_more_sessions_than_it_may_have)
{
    struct source_uses *uses = source_uses_new(100);
    struct source_key key = key_of_number(TRANSPORT_VSOCK, 3);
    struct source_key other = key_of_number(TRANSPORT_VSOCK, 4);

    for (uint32_t max = 1; max < 4; max++) {
        struct source_use *use;
        struct source_use *of_other;
        for (uint32_t i = 0; i < max; i++)
            cr_assert_eq(source_use_enter(uses, &key, max, 0, 0, &use), REASON_NONE);
        cr_assert_eq(source_use_enter(uses, &key, max, 0, 0, &use), REASON_SOURCE_FULL);
        cr_assert_eq(source_use_enter(uses, &other, max, 0, 0, &of_other), REASON_NONE);
        source_use_leave(use, 0);
        cr_assert_eq(source_use_enter(uses, &key, max, 0, 0, &use), REASON_NONE);
        cr_assert_eq(source_use_enter(uses, &key, max, 0, 0, &use), REASON_SOURCE_FULL);
        for (uint32_t i = 0; i < max; i++)
            source_use_leave(use, 0);
        source_use_leave(of_other, 0);
        cr_assert_eq(source_uses_count(uses), 0);
    }
    source_uses_free(uses);
}

/* Begins one and ends it at once. */
static enum reason pass(struct source_uses *uses, const struct source_key *key, uint32_t rate_max,
                        uint64_t now_ns)
{
    struct source_use *use;
    enum reason reason = source_use_enter(uses, key, 0, rate_max, now_ns, &use);

    if (reason == REASON_NONE)
        source_use_leave(use, now_ns);
    return reason;
}

Test(source_use, no_more_in_a_second_than_may_begin)
{
    struct source_uses *uses = source_uses_new(10);
    struct source_key key = key_of_ip("192.0.2.1");
    struct source_key other = key_of_ip("192.0.2.2");

    for (unsigned i = 0; i < 5; i++)
        cr_assert_eq(pass(uses, &key, 5, 100 * S), REASON_NONE);
    cr_assert_eq(pass(uses, &key, 5, 100 * S), REASON_SOURCE_RATE);
    cr_assert_eq(pass(uses, &other, 5, 100 * S), REASON_NONE);
    cr_assert_eq(pass(uses, &key, 5, 100 * S + 199 * MS), REASON_SOURCE_RATE);
    cr_assert_eq(source_uses_count(uses), 2);
    cr_assert_eq(pass(uses, &key, 5, 100 * S + 200 * MS), REASON_NONE);
    cr_assert_eq(pass(uses, &key, 5, 100 * S + 200 * MS), REASON_SOURCE_RATE);
    cr_assert_eq(pass(uses, &other, 5, 103 * S), REASON_NONE);
    cr_assert_eq(source_uses_count(uses), 1, "one whose rate is at rest stays known");
    source_uses_free(uses);
}

/* Those that rest: one less than the bound, as many, one more. Whoever has sessions stays. */
Test(source_use, no_more_rest_than_the_bound)
{
    enum { MAX = 10 };
    struct source_uses *uses = source_uses_new(MAX);
    struct source_use *use[2 * MAX];
    struct source_key key;

    for (uint32_t i = 0; i < MAX; i++) {
        key = key_of_number(TRANSPORT_VSOCK, i);
        cr_assert_eq(pass(uses, &key, 1, 100 * S), REASON_NONE);
        cr_assert_eq(source_uses_count(uses), i + 1);
    }
    key = key_of_number(TRANSPORT_VSOCK, 0);
    cr_assert_eq(pass(uses, &key, 1, 100 * S), REASON_SOURCE_RATE, "the oldest was forgotten");
    key = key_of_number(TRANSPORT_VSOCK, MAX);
    cr_assert_eq(pass(uses, &key, 1, 100 * S), REASON_NONE);
    cr_assert_eq(source_uses_count(uses), MAX);
    cr_assert_eq(pass(uses, &key, 1, 100 * S), REASON_SOURCE_RATE);
    key = key_of_number(TRANSPORT_VSOCK, 1);
    cr_assert_eq(pass(uses, &key, 1, 100 * S), REASON_SOURCE_RATE, "not the oldest was forgotten");
    key = key_of_number(TRANSPORT_VSOCK, 0);
    cr_assert_eq(pass(uses, &key, 1, 100 * S), REASON_NONE, "more are known than the bound");
    for (uint32_t i = 0; i < 2 * MAX; i++) {
        key = key_of_number(TRANSPORT_UNIX, i);
        cr_assert_eq(source_use_enter(uses, &key, 1, 0, 100 * S, &use[i]), REASON_NONE);
    }
    cr_assert_eq(source_uses_count(uses), 3 * MAX);
    for (uint32_t i = 0; i < 2 * MAX; i++)
        source_use_leave(use[i], 200 * S);
    cr_assert_eq(source_uses_count(uses), 0);
    source_uses_free(uses);
}

/* However many come: a table as the program has it. */
Test(source_use, a_flood_spends_no_memory)
{
    struct source_uses *uses = source_uses_new(SOURCE_USES_RESTING_MAX);
    size_t most = 0;

    for (uint32_t i = 0; i < 3 * SOURCE_USES_RESTING_MAX; i++) {
        struct source_key key = key_of_number(TRANSPORT_VSOCK, i);
        cr_assert_eq(pass(uses, &key, 1, 100 * S), REASON_NONE);
        size_t count = i % 1000 == 0 ? source_uses_count(uses) : 0;
        most = count > most ? count : most;
    }
    cr_assert_leq(most, SOURCE_USES_RESTING_MAX);
    cr_assert_gt(most, SOURCE_USES_RESTING_MAX * 9 / 10);
    for (uint32_t i = 0; i < SOURCE_USES_RESTING_MAX; i++) {
        struct source_key key = key_of_number(TRANSPORT_UNIX, i % 100);
        cr_assert_eq(pass(uses, &key, 0, 200 * S), REASON_NONE);
    }
    cr_assert_lt(source_uses_count(uses), SOURCE_USES_RESTING_MAX);
    source_uses_free(uses);
}

#define SOURCES  13
#define SESSIONS 40

struct model {
    unsigned sessions;
    double tokens; /* that may still begin at once */
    uint64_t at_ns;
};

/* Also of one that is new: its tokens were never used. */
static bool model_enter(struct model *model, unsigned sessions_max, unsigned rate_max,
                        uint64_t now_ns, enum reason *ret)
{
    model->tokens += (double)(now_ns - model->at_ns) * rate_max / 1e9;
    if (model->tokens > rate_max)
        model->tokens = rate_max;
    model->at_ns = now_ns;
    *ret = REASON_NONE;
    if (model->sessions >= sessions_max)
        *ret = REASON_SOURCE_FULL;
    else if (model->tokens < 1 - 1e-6)
        *ret = REASON_SOURCE_RATE;
    if (*ret != REASON_NONE)
        return false;
    model->tokens -= 1;
    model->sessions++;
    return true;
}

static void run_model(unsigned seed)
{
    struct source_uses *uses = source_uses_new(100);
    struct model models[SOURCES] = {0}; /* full of tokens by the time of the first */
    struct {
        struct source_use *use;
        unsigned source;
    } open[SESSIONS];
    unsigned count = 0;
    uint64_t now_ns = S;
    const unsigned sessions_max = 4;
    const unsigned rate_max = 5;

    srand(seed);
    for (unsigned i = 0; i < 3000; i++) {
        now_ns += (uint64_t)(rand() % 50) * MS;
        if (count < SESSIONS && rand() % 2) {
            unsigned source = (unsigned)rand() % SOURCES;
            struct source_key key = key_of_number(TRANSPORT_VSOCK, source);
            enum reason expected;
            struct source_use *use;
            bool enters = model_enter(&models[source], sessions_max, rate_max, now_ns, &expected);
            enum reason reason = source_use_enter(uses, &key, sessions_max, rate_max, now_ns, &use);
            cr_assert_eq(reason, expected, "seed %u, step %u", seed, i);
            if (enters) {
                open[count].source = source;
                open[count++].use = use;
            }
        } else if (count > 0) {
            unsigned which = (unsigned)rand() % count;
            models[open[which].source].sessions--;
            source_use_leave(open[which].use, now_ns);
            open[which] = open[--count];
        }
        cr_assert_leq(source_uses_count(uses), SOURCES);
    }
    while (count > 0)
        source_use_leave(open[--count].use, now_ns);
    source_uses_free(uses);
}

Test(source_use, as_the_model)
{
    for (unsigned seed = 1; seed <= 100; seed++)
        run_model(seed);
}
